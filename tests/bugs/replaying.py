"""One planted change through the segment test: what is found, at which level, in which lines.

The reference's plays are the same for every change, so they are kept in the process.
"""

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from harness.codec import to_plain
from harness.localise.replayed import from_segments
from harness.records import SideSpec
from harness.segments import child
from harness.segments.join import joined
from harness.segments.play import play
from harness.segments.scenario import scenarios
from harness.spec.environments import register_ids
from harness.spec.references import find_reference
from tests.bugs.catalogue import changed_lines, clean_source

_KEPT = {}


@contextmanager
def reference_kept(reference):
    """Play the reference of each call once in this process."""

    def kept(side, call, **how):
        if side != reference:
            return play(side, call, **how)
        known = how.get("reference")
        named = json.dumps(to_plain([vars(call), how.get("is_wide"), repr(how.get("policy"))]))
        key = (named, id(known))
        if key not in _KEPT:
            _KEPT[key] = (known, play(side, call, **how))  # known is held, so its id stays taken
        return _KEPT[key][1]

    original, child.play = child.play, kept
    try:
        yield
    finally:
        child.play = original


def side_of(file):
    return SideSpec(f"{Path(file).name}:side", str(file), None, "side", None, "")


def asked(algo, *, reference=None):
    """Return the reference of an algorithm, with everything that playing it needs set up."""
    torch.set_num_threads(1)
    register_ids()
    return reference or find_reference("sb3", algo=algo)


def scenario_answer(scenario, mine, reference):
    """Return what one scenario says of mine, the way the child process says it."""
    policy = child.policy_of(scenario)
    with reference_kept(reference):
        answer = child.run_scenario(scenario, child.Sides(mine, reference, policy), fallback={})
    return json.loads(json.dumps(to_plain(answer)))


def result_of(algo, mine, *, chosen=None):
    """Return the joined result of all scenarios, or of the named ones."""
    reference = asked(algo)
    rows = [one for one in scenarios()[algo] if chosen is None or one.name in chosen]
    return joined(algo, rows, [scenario_answer(one, mine, reference) for one in rows])


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
    rows = [replace(one, seed=1000 * seed + one.seed) for one in scenarios()[algo]]
    _KEPT.clear()
    result = joined(algo, rows, [scenario_answer(one, reference, reference) for one in rows])
    findings = [] if result.reason else from_segments(result)
    return {
        "reason": result.reason,
        "findings": [_said(finding, result) for finding in findings],
        "changed": [],
        "seconds": time.perf_counter() - began,
    }
