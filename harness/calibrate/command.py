"""What `compare calibrate` does: the pool, the stages that were asked for, the page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.calibrate.bugs import Planted, chosen, load_folder
from harness.calibrate.ledger import Say
from harness.calibrate.page import write_page
from harness.calibrate.plan import PLAN, load_plan
from harness.calibrate.shared import Work
from harness.calibrate.stages import STAGES, perform, train_pool
from harness.spec.cards import card

# Matrices are tiny and several processes run side by side: threads only get in the way.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Asked:
    """The options of the command line."""

    parts: tuple[str, ...]
    bugs: tuple[Path, ...]
    algos: tuple[str, ...]
    ids: tuple[str, ...]
    plan: Path | None
    scale: float
    seconds: float
    jobs: int
    is_fresh: bool
    work: Path
    output: Path
    docs: Path


def run(asked: Asked, *, say: Say) -> None:
    """Do what is asked, part by part; everything is kept as soon as it is known.

    Raises:
        UsageError: an algorithm is unknown, or a folder of mistakes is not as it should be.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    for algo in asked.algos:
        card(algo)
    rows = _rows(asked)
    end = time.monotonic() + asked.seconds
    at = Work(
        plan=load_plan(asked.plan or PLAN, algos=asked.algos, scale=asked.scale),
        work=asked.work.absolute(),
        results=asked.output,
        jobs=asked.jobs,
        say=say,
        is_over=lambda: time.monotonic() > end,
    )
    for part in asked.parts:
        _perform(at, part, rows, asked)


def _rows(asked: Asked) -> list[Planted]:
    every = [row for folder in asked.bugs for row in load_folder(folder)]
    return chosen(every, algos=asked.algos, ids=asked.ids)


def _perform(at: Work, part: str, rows: Sequence[Planted], asked: Asked) -> None:
    if part == "pool":
        train_pool(at)
    elif part == "page":
        write_page(asked.output, asked.docs)
        at.say(f"written: {asked.docs}")
    elif STAGES[part].needs_bugs and not rows:
        at.say(f"{part}: no planted mistakes; give a folder with --bugs")
    else:
        perform(at, part, rows, is_fresh=asked.is_fresh)
