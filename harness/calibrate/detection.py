"""Detection: every planted mistake is attached like a user's file; what is found, where, how soon?

The questions of `compare` are asked in its order: how a run begins (facts), segments and draws, a
twin run, whole trainings. What comes before any training is asked of every row, so that the table
can say which level alone would have found it; the later ones only where nothing was found.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness import judge
from harness.ahead import asked_now
from harness.calibrate.bugs import Planted, changed_lines, clean_source
from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.recorded import reference_recorded_once
from harness.calibrate.shared import SEARCHING, Work, code_version
from harness.cli import options
from harness.errors import CompareError
from harness.judge import Gathered
from harness.judgement import Finding, Judgement, SegmentsResult
from harness.pipeline import compare
from harness.plan.identity import identify
from harness.records import ComparisonSpec, RunRecord, RunSpec
from harness.spec.resolve import resolve
from harness.store.store import Store

# How far one row is followed: before any training, or all the way.
Depth = Literal["ahead", "road"]
FIRST_FEW = 3
# So many findings of a row are kept.
MAX_FOUND = 12
LEVELS = ("fact", "segment", "draw", "twin", "sanity", "probe", "trace", "curve")


class Clock:
    """Time since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), _cpu_s()

    def seconds(self) -> float:
        """Return the seconds on the wall."""
        return time.perf_counter() - self._wall_s

    def cpu_seconds(self) -> float:
        """Return the processor's seconds of this process and its ended children."""
        return _cpu_s() - self._cpu_s


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Silent:
    """A progress sink that says nothing."""

    def started(self, run: RunSpec) -> None:
        """Say nothing."""

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:
        """Say nothing."""

    def finished(self, record: RunRecord) -> None:
        """Say nothing."""

    def stage(self, line: str) -> None:
        """Say nothing."""


@dataclass
class Asked:
    """What was asked of one row so far, with what it took.

    Attributes:
        levels: level -> whether it found a difference; a level that was not asked is not there.
        seconds, cpu_seconds: until the first level that found something, or until the end; the
            processor's time is that of this process and its children.
    """

    findings: tuple[Finding, ...] = ()
    segments: SegmentsResult = field(default_factory=SegmentsResult)
    levels: dict[str, bool] = field(default_factory=dict)
    verdict: str = "inconclusive"
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    env_steps: int = 0
    seeds: int = 0
    reason: str = ""


def tasks(
    at: Work, rows: Sequence[Planted], *, depth: Depth, is_untapped: bool = False
) -> list[Task]:
    """Return one task per row; `is_untapped` takes the taps out of the copies first."""
    budget = at.plan.sections["detection"]["budget"]
    found = []
    for row in rows:
        key = key_of("detection", row.patched(), row.name, depth, is_untapped, budget)
        name = f"{row.name}{' without taps' if is_untapped else ''}"
        found.append(Task(name, key, followed, (at.work, row, budget, depth, is_untapped)))
    return found


def followed(work: Path, row: Planted, budget: str, depth: Depth, is_untapped: bool) -> Record:
    """Return what the road says of one planted mistake. What a side does is an answer too."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        file = row.plant(Path(folder), strip=is_untapped)
        try:
            if depth == "ahead":
                asked = ask_ahead(work, row, file, budget)
            else:
                # A road is timed, so everything is asked as for a user.
                asked = _ask(work, _spec(row, file, budget), depth)
        except CompareError as error:
            asked = Asked(verdict="invalid", reason=str(error))
    return {
        "name": row.name,
        "id": row.id,
        "title": row.title,
        "algo": row.algo,
        "file": row.file.name if row.copies == "file" else f"{row.file.parent.name}/",
        "kind": row.kind,
        "severity": row.severity,
        "components": list(row.components),
        "is_untapped": is_untapped,
        "depth": depth,
        "code": code_version(*SEARCHING),
        **_said(asked, row),
    }


def ask_ahead(work: Path, row: Planted, file: Path, budget: str) -> Asked:
    """Return what facts, segments and draws say of a planted copy; the reference is kept.

    Raises:
        CompareError: the copy cannot be attached.
    """
    with reference_recorded_once():
        return _ask(work, _spec(row, file, budget), "ahead")


def _spec(row: Planted, file: Path, budget: str) -> ComparisonSpec:
    words = {"algo": row.algo, "mine": f"{file}:{row.callable}", "budget": budget}
    return resolve(options.to_request(words), identify=identify)


def _ask(work: Path, spec: ComparisonSpec, depth: Depth) -> Asked:
    """Ask level by level, as `compare` does; stop where something is found, but ask all ahead."""
    store = Store(work)
    questions = asked_now(spec, store, jobs=1)
    asked = Asked()
    began = Clock()
    preflight = questions.preflight()
    facts = _concluded(spec, Gathered({}, {}, preflight=preflight))
    _note(asked, facts, ("fact",), began)
    asked.env_steps += sum(run.facts.get("env_steps", 0) for run in preflight.runs)
    n_ahead = asked.env_steps
    segments = questions.segments()
    known = Gathered({}, {}, segments=segments, preflight=preflight)
    is_first = not asked.findings
    both = _concluded(spec, known)
    _note(asked, both, ("segment", "draw") if segments.rows else (), began)
    asked.segments = segments
    asked.env_steps = n_ahead + segments.env_steps if is_first else n_ahead
    has_failed = segments.is_invalid or bool(preflight.failed)
    if has_failed and not asked.findings:
        asked.verdict = "invalid"
        asked.reason = segments.reason or "; ".join(run.message for run in preflight.failed)
    elif not asked.findings and depth == "road":
        _train(asked, spec, work, began)
    return asked


def _concluded(spec: ComparisonSpec, gathered: Gathered) -> Judgement:
    return judge.conclude(spec, gathered, [judge.judge_look(spec, gathered, 0)])


def _note(asked: Asked, judgement: Judgement, levels: Sequence[str], began: Clock) -> None:
    """Add what some levels found; the findings stand in the order in which the report has them."""
    found = {one.level for one in judgement.findings}
    asked.levels |= {level: level in found for level in levels}
    if not asked.findings:
        asked.seconds, asked.cpu_seconds = began.seconds(), began.cpu_seconds()
    asked.findings = judgement.findings
    if asked.findings:
        asked.verdict = "diverged"


def _train(asked: Asked, spec: ComparisonSpec, work: Path, began: Clock) -> None:
    """Go the rest of the road: twin runs and trainings, with everything asked before kept."""
    judgement = compare(spec, results=work, jobs=1, progress=Silent()).judgement
    twins = [row for row in judgement.twins if row.status != "not run"]
    levels = ["twin"] if twins else []
    if judgement.runs:
        levels += ["sanity", "probe", "trace", "curve", "fact"]
    _note(asked, judgement, levels, began)
    asked.verdict = judgement.verdict
    asked.env_steps += sum(judgement.env_steps_spent.values())
    # Recorded, followed by mine and by two nudged references.
    asked.env_steps += sum(4 * row.env_steps for row in twins)
    asked.seeds = max((look.n_mine for look in judgement.looks), default=0)


def _said(asked: Asked, row: Planted) -> dict[str, Any]:
    changed = changed_lines(clean_source(row.inside), row.patched())
    few = [one.component for one in asked.findings[:FIRST_FEW]]
    first = asked.findings[0] if asked.findings else None
    lines = lines_of(_places(first, asked.segments)) if first else set()
    return {
        "verdict": asked.verdict,
        "levels": asked.levels,
        "level": first.level if first else "",
        "component": first.component if first else "",
        "quantity": first.quantity if first else "",
        "findings": [
            [one.level, one.component, one.quantity] for one in asked.findings[:MAX_FOUND]
        ],
        "is_first": bool(few) and few[0] in row.components,
        "is_exact": bool(few) and few[0] == row.component,
        "is_among": any(component in row.components for component in few),
        "is_inside": bool(lines & changed),
        "n_lines": len(lines),
        "seconds": round(asked.seconds, 1),
        "cpu_seconds": round(asked.cpu_seconds, 1),
        "env_steps": asked.env_steps,
        "seeds": asked.seeds,
        "reason": asked.reason[:300],
    }


def _places(finding: Finding, segments: SegmentsResult) -> tuple[str, ...]:
    """Return every stretch of mine that a finding names."""
    rows = [row for row in segments.rows if row.tap == finding.quantity]
    if finding.level == "segment" and rows:
        return (rows[0].mine_place, *rows[0].mine_lines)
    draws = [row for row in segments.draws if row.source == finding.quantity and row.is_rejected]
    if finding.level == "draw" and draws:
        return (draws[0].mine_place, *draws[0].mine_lines)
    return (finding.mine_place,)


def lines_of(places: Sequence[str]) -> set[int]:
    """Return the line numbers that "file:first-last" places cover.

    >>> sorted(lines_of(("mine.py:3-5", "mine.py:9")))
    [3, 4, 5, 9]
    """
    found: set[int] = set()
    for place in places:
        first, _, last = place.rpartition(":")[2].partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found
