"""The stages of a calibration, in order; each has its own answers and its own small JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.calibrate import (
    alarms,
    detected,
    detection,
    pairs,
    parity,
    power,
    practice,
    segment_alarms,
)
from harness.calibrate.bugs import Planted, interleaved, sampled
from harness.calibrate.ledger import Ledger, Record, Task
from harness.calibrate.shared import JUDGING, SEARCHING, Work, code_version, counted
from harness.files import write_atomic

SCHEMA = 1


@dataclass(frozen=True)
class Stage:
    """One part of the calibration.

    Attributes:
        tasks: what is asked, given the planted mistakes. summary: what the JSON file holds.
        parts: of the harness, that an answer depends on.
    """

    tasks: Callable[[Work, Sequence[Planted]], list[Task]]
    summary: Callable[[Sequence[Record]], dict[str, Any]]
    parts: tuple[str, ...]
    needs_bugs: bool = False


def _sample(at: Work, rows: Sequence[Planted], name: str) -> list[Planted]:
    return sampled(rows, at.plan.trials("detection", name))


def _each_alone(at: Work, rows: Sequence[Planted]) -> list[Task]:
    return detection.tasks(at, interleaved(rows), depth="ahead")


def _ledger(at: Work, name: str) -> Ledger:
    return Ledger(at.work / "answers" / f"{name}.jsonl")


STAGES: dict[str, Stage] = {
    "false-alarms": Stage(lambda at, _rows: alarms.tasks(at), alarms.summary, JUDGING),
    "false-alarms-segments": Stage(
        lambda at, _rows: segment_alarms.tasks(at), segment_alarms.summary, SEARCHING
    ),
    "false-parity": Stage(lambda at, _rows: parity.tasks(at), parity.summary, JUDGING),
    "power": Stage(lambda at, _rows: power.tasks(at), power.summary, JUDGING),
    "practice": Stage(
        lambda at, rows: practice.tasks(at, sampled(rows, at.plan.trials("practice", "bugs"))),
        practice.summary,
        JUDGING,
    ),
    "detection": Stage(
        lambda at, rows: _each_alone(at, rows),
        detected.summary,
        SEARCHING,
        needs_bugs=True,
    ),
    "pairs": Stage(
        lambda at, rows: pairs.tasks(
            at, rows, _ledger(at, "detection").answers(_each_alone(at, rows))
        ),
        pairs.summary,
        SEARCHING,
        needs_bugs=True,
    ),
    "untapped": Stage(
        lambda at, rows: detection.tasks(
            at, _sample(at, rows, "untapped"), depth="road", is_untapped=True
        ),
        detected.summary,
        SEARCHING,
        needs_bugs=True,
    ),
    "road": Stage(
        lambda at, rows: detection.tasks(at, _sample(at, rows, "road"), depth="road"),
        detected.summary,
        SEARCHING,
        needs_bugs=True,
    ),
}


def train_pool(at: Work) -> None:
    """Train the runs of the reference that are missing."""
    at.pool.train(at.plan.cells, seeds=at.plan.seeds, jobs=at.jobs, say=at.say, is_over=at.is_over)


def perform(at: Work, name: str, rows: Sequence[Planted], *, is_fresh: bool) -> None:
    """Ask what a stage lacks, then write its JSON file; goes on where it was stopped.

    Args:
        is_fresh: ask again where an answer is of another version of the code.
    """
    stage = STAGES[name]
    tasks = stage.tasks(at, rows)
    if not tasks:
        at.say(f"{name}: nothing can be asked yet")
        return
    ledger = _ledger(at, name)
    missing = ledger.missing(tasks, code=code_version(*stage.parts) if is_fresh else "")
    ledger.fill(
        missing, jobs=at.jobs, say=lambda line: at.say(f"{name}: {line}"), is_over=at.is_over
    )
    answers = ledger.answers(tasks)
    if answers:
        _write(at, name, tasks, answers)


def _write(at: Work, name: str, tasks: Sequence[Task], answers: Sequence[Record]) -> None:
    """Write what the stage found; the document says how much of it was asked, and of which code."""
    scale = "" if at.plan.scale == 1 else f" --scale {at.plan.scale:g}"
    algos = "".join(f" --algo {algo}" for algo in at.plan.algos)
    document = {
        "schema": SCHEMA,
        "stage": name,
        "command": f"compare calibrate {name}{algos}{scale}",
        "day": datetime.now(UTC).date().isoformat(),
        "asked": len(tasks),
        "answered": len(answers),
        "code_versions": counted([str(one["code"]) for one in answers]),
        **STAGES[name].summary(answers),
    }
    at.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    write_atomic(at.results / f"{name}.json", text.encode())
