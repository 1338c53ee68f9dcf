"""What the stages share: where things lie, when to stop, and pools opened once per process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.calibrate.ledger import Say
from harness.calibrate.plan import Cell, Plan, load_plan
from harness.calibrate.pool import Pool, PoolRun
from harness.plan.identity import harness_digest

# Trials of one task: long enough for a process to be worth it, short enough to lose little.
BATCH = 10


@dataclass(frozen=True)
class Work:
    """One calibration at work.

    Attributes:
        work: pool and answers. results: the small JSON files.
        is_over: whether time is up; what is running is brought to its end.
    """

    plan: Plan
    work: Path
    results: Path
    jobs: int
    say: Say
    is_over: Callable[[], bool]

    @property
    def pool(self) -> Pool:
        """Return the pool below the working folder."""
        return pool_at(self.work)


@cache
def pool_at(work: Path) -> Pool:
    """Return the pool of a working folder, opened once per process."""
    return Pool(work)


@cache
def cell_runs(work: Path, cell: Cell) -> tuple[PoolRun, ...]:
    """Return the runs of a cell, loaded once per process."""
    return pool_at(work).runs(cell)


def find_cell(algo: str, env: str, cells: Sequence[Cell] | None = None) -> Cell | None:
    """Return the cell of an algorithm and environment, or None where the plan has none."""
    known = load_plan().cells if cells is None else cells
    return next((cell for cell in known if (cell.algo, cell.env) == (algo, env)), None)


def code_version(*places: str) -> str:
    """Return a short hash of those parts of the harness that an answer depends on."""
    return harness_digest(*places)[:12]


# What judges stored runs, and what is asked of code as well.
JUDGING = ("stats", "judge", "localise", "verdict", "pipeline.py")
SEARCHING = (*JUDGING, "segments", "run", "spec/cards", "probes", "ahead.py")


def counted(items: Sequence[str]) -> Mapping[str, int]:
    """Return how often each item is there, most frequent first."""
    counts = {item: items.count(item) for item in dict.fromkeys(items)}
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
