"""One planted change through the segment test: what is found, at which level, in which lines.

The reference's plays are the same for every change, so they are kept in the process
(`harness.calibrate.recorded`).
"""

import time
from pathlib import Path

import torch

from harness.calibrate.recorded import answer_of, reference_again
from harness.localise.replayed import from_segments
from harness.records import SideSpec
from harness.segments.join import joined
from harness.segments.scenario import scenarios
from harness.spec.environments import register_ids
from harness.spec.references import find_reference
from tests.bugs.catalogue import changed_lines, clean_source


def side_of(file):
    return SideSpec(f"{Path(file).name}:side", str(file), None, "side", None, "")


def asked(algo, *, reference=None):
    """Return the reference of an algorithm, with everything that playing it needs set up."""
    torch.set_num_threads(1)
    register_ids()
    return reference or find_reference(None, algo=algo)


def result_of(algo, mine, *, chosen=None):
    """Return the joined result of all scenarios, or of the named ones."""
    reference = asked(algo)
    rows = [one for one in scenarios()[algo] if chosen is None or one.name in chosen]
    return joined(algo, rows, [answer_of(one, mine, reference, fallback={}) for one in rows])


def replayed(algo, source, folder, *, chosen=None):
    """Return the record of one changed source: findings in order, lines, seconds."""
    file = Path(folder) / f"{algo}.py"
    file.write_text(source, encoding="utf-8")
    began = time.perf_counter()
    result = result_of(algo, side_of(file), chosen=chosen)
    seconds = time.perf_counter() - began
    findings = [] if result.reason else from_segments(result)
    changed = changed_lines(clean_source(algo), source)
    return {
        "reason": result.reason,
        "findings": [_said(finding, result) for finding in findings],
        "notes": list(result.notes),
        "statuses": {row.tap: row.status for row in result.rows},
        "changed": sorted(changed),
        "seconds": seconds,
    }


def _said(finding, result):
    rows = [r for r in result.rows if r.tap == finding.quantity and finding.level == "segment"]
    draws = [r for r in result.draws if r.source == finding.quantity and r.is_rejected]
    row = (rows or draws)[0]
    places = tuple(dict.fromkeys((row.mine_place, *row.mine_lines)))
    return {
        "level": finding.level,
        "component": finding.component,
        "quantity": finding.quantity,
        "place": row.mine_place,
        "lines": sorted(lines_of(places)),
        "first_lines": sorted(lines_of(places[:1])),
        "scenario": row.scenario,
        "summary": finding.summary,
    }


def lines_of(places):
    """Return the line numbers that "file:first-last" places cover."""
    found = set()
    for place in places:
        first, _, last = place.rpartition(":")[2].partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def reference_against_itself(algo, *, seed):
    """Return the record of the reference as both sides, in scenarios with another seed."""
    reference = asked(algo)
    began = time.perf_counter()
    result = reference_again(algo, reference, seed=seed)
    findings = [] if result.reason else from_segments(result)
    return {
        "reason": result.reason,
        "findings": [_said(finding, result) for finding in findings],
        "changed": [],
        "seconds": time.perf_counter() - began,
    }
