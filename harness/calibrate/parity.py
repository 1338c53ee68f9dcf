"""False parity: mine is the reference, shifted to the margin. Every PARITY is false.

The pool is the population, so its spread is the margin exactly. The returns of mine are shifted in
proportion to the spread of the pool's curves at that time, so much that one of the two endpoints
lies at the margin and the other at it or inside, which is the hardest case of the rule that both
must be equivalent. Counted twice: PARITY of the whole rule, which is rare because the difference is
mostly shown first, and equivalence at any look, as if nothing else were tested.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.calibrate.alarms import generator
from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.plan import Cell
from harness.calibrate.pool import spec_of
from harness.calibrate.rates import rate
from harness.calibrate.shared import BATCH, JUDGING, Work, cell_runs, code_version
from harness.calibrate.worlds import drawn, endpoints, gathered, judged, shifted, without_traces
from harness.judge import Gathered, judge_look
from harness.records import ComparisonSpec
from harness.stats import grid

Shift = Callable[[NDArray[np.int64]], NDArray[np.float64]]
SIGNS = (1.0, -1.0)
# Fewer runs are no population.
MIN_RUNS = 12


def usable_cells(at: Work) -> list[Cell]:
    """Return the cells whose pool is a population: many runs, and spread in their returns."""
    cells = [cell for cell in at.plan.cells if at.pool.count(cell) >= MIN_RUNS]
    return [cell for cell in cells if _spread(at.work, cell) > 0.0]


def tasks(at: Work) -> list[Task]:
    """Return the batches of comparisons of every cell, shifted up and down."""
    n = at.plan.trials("false-parity")
    budget = at.plan.sections["false-parity"]["budget"]
    found = []
    for cell in usable_cells(at):
        for sign in SIGNS:
            for start in range(0, n, 5 * BATCH):
                n_here = min(5 * BATCH, n - start)
                key = key_of("parity", vars(cell), sign, budget, start, n_here)
                arguments = (at.work, cell, (budget, sign), start, n_here)
                words = f"{cell.name} {'above' if sign > 0 else 'below'}, from {start}"
                found.append(Task(words, key, trial_batch, arguments))
    return found


def _spread(work: Path, cell: Cell) -> float:
    values = endpoints(cell_runs(work, cell), cell.total_timesteps)
    return float(min(np.nanstd(one) for one in values.values()))


def shift_of(work: Path, cell: Cell) -> Shift:
    """Return the shift, by env step, that brings one endpoint to the margin."""
    runs = cell_runs(work, cell)
    checkpoints = grid.checkpoints(cell.total_timesteps)
    rows = np.array([grid.learning_curve(run.trace.episodes, checkpoints) for run in runs])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no run has an episode yet
        spread = np.nan_to_num(np.nanstd(rows, axis=0))

    def profile(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(steps, checkpoints, spread), dtype=np.float64)

    moved = [replace(run, trace=shifted(run.trace, profile)) for run in runs]
    before, after = (endpoints(some, cell.total_timesteps) for some in (runs, moved))
    scale = min(
        float(np.nanstd(before[name]) / np.nanmean(after[name] - before[name])) for name in before
    )
    return lambda steps: scale * profile(steps)


def trial_batch(
    work: Path, cell: Cell, world: tuple[str, float], start: int, n_trials: int
) -> Record:
    """Return the verdicts of comparisons number `start` and on; world: (budget, sign)."""
    budget, sign = world
    spec = spec_of(cell.algo, [cell], budget=budget)
    runs = [without_traces(run) for run in cell_runs(work, cell)]
    shift = shift_of(work, cell)
    change = partial(shifted, shift=lambda steps: sign * shift(steps))
    verdicts, equivalent = [], []
    for number in range(start, start + n_trials):
        rng = generator("parity", cell.name, budget, sign, number)
        chosen = {cell.env: drawn(rng, len(runs), spec.looks[-1])}
        evidence = gathered({cell.env: runs}, chosen, change=change)
        verdicts.append(judged(spec, evidence)[-1].decision.verdict)
        equivalent.append(any(_is_equivalent(spec, evidence, k) for k in range(len(spec.looks))))
    return {
        "group": f"{cell.name}, {'above' if sign > 0 else 'below'}",
        "code": code_version(*JUDGING),
        "verdicts": verdicts,
        "equivalent": equivalent,
    }


def _is_equivalent(spec: ComparisonSpec, evidence: Gathered, look: int) -> bool:
    """Return whether the equivalence tests of one look pass, whatever else is found."""
    asked = replace(spec, seeds=tuple(range(spec.looks[-1])))
    (env,) = judge_look(asked, evidence, look).compared.envs
    return bool(env.endpoints) and all(one.is_equivalent for one in env.endpoints)


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return rates of PARITY and of equivalence: of all comparisons, and per cell and sign."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    for record in records:
        pairs = zip(record["verdicts"], record["equivalent"], strict=True)
        groups.setdefault(record["group"], []).extend(pairs)
    every = [one for found in groups.values() for one in found]
    return {**_rates(every), "groups": {name: _rates(found) for name, found in groups.items()}}


def _rates(found: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    return {
        "parity": vars(rate(sum(verdict == "parity" for verdict, _ in found), len(found))),
        "equivalent": vars(rate(sum(is_equal for _, is_equal in found), len(found))),
    }
