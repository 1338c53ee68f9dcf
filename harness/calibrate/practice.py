"""What people do today, on the same runs: false alarms, detection, and env steps spent.

False alarms: splits of the reference's pool. Detection: planted mistakes trained in the pool's
shortest cell of their algorithm, against the reference's runs of the same seeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.calibrate.alarms import generator
from harness.calibrate.bugs import Planted
from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.plan import Cell
from harness.calibrate.pool import PoolRun, spec_of, train_side
from harness.calibrate.practices import PRACTICES, Sides
from harness.calibrate.rates import rate
from harness.calibrate.shared import BATCH, JUDGING, Work, cell_runs, code_version
from harness.calibrate.worlds import gathered, judged, split
from harness.stats import grid

N_SEEDS = 10
OURS = "compare: curves and metrics in training, up to 5 seeds"
LOOKS = "quick"


def tasks(at: Work, rows: Sequence[Planted] = ()) -> list[Task]:
    """Return the splits of every cell, and the trainings of the planted mistakes."""
    n = at.plan.trials("practice")
    found = []
    for cell in at.plan.cells:
        if at.pool.count(cell) < 2 * N_SEEDS:
            continue
        for start in range(0, n, 5 * BATCH):
            n_here = min(5 * BATCH, n - start)
            key = key_of("practice-aa", vars(cell), start, n_here)
            found.append(
                Task(f"{cell.name}, from {start}", key, split_batch, (at.work, cell, start, n_here))
            )
    return [*found, *(_trained_task(at, row) for row in rows if _cell_of(at, row.algo))]


def _cell_of(at: Work, algo: str) -> Cell | None:
    return next((cell for cell in at.plan.cells if cell.algo == algo), None)


def _trained_task(at: Work, row: Planted) -> Task:
    cell = _cell_of(at, row.algo)
    key = key_of("practice-bug", row.name, row.patched(), vars(cell) if cell else {})
    return Task(f"{row.name}, {N_SEEDS} trainings", key, trained, (at.work, cell, row))


def split_batch(work: Path, cell: Cell, start: int, n_trials: int) -> Record:
    """Return, per practice, how often it claims a difference between runs of the reference."""
    runs = cell_runs(work, cell)
    claims = dict.fromkeys(PRACTICES, 0)
    for number in range(start, start + n_trials):
        rng = generator("practice", cell.name, number)
        mine, reference = split(rng, len(runs), N_SEEDS)
        sides = sides_of([runs[k] for k in mine], [runs[k] for k in reference], cell)
        for name, (practice, n) in PRACTICES.items():
            claims[name] += practice(first(sides, n), rng).is_different
    return {
        "what": "false-alarms",
        "cell": cell.name,
        "code": code_version(*JUDGING),
        "trials": n_trials,
        "claims": claims,
    }


def trained(work: Path, cell: Cell, row: Planted) -> Record:
    """Return what every practice says of one planted mistake, trained with N_SEEDS seeds."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        side = f"{row.plant(Path(folder))}:{row.callable}"
        mine = train_side(work, cell, side, seeds=N_SEEDS)
    reference = cell_runs(work, cell)[:N_SEEDS]
    record: dict[str, Any] = {
        "what": "detection",
        "name": row.name,
        "kind": row.kind,
        "severity": row.severity,
        "cell": cell.name,
        "code": code_version(*JUDGING),
        "env_steps": cell.total_timesteps,
        "failed": len(mine) < N_SEEDS,
        "claims": {},
    }
    if len(mine) < N_SEEDS or len(reference) < N_SEEDS:
        return record
    rng = generator("practice-bug", row.name)
    sides = sides_of(mine, reference, cell)
    for name, (practice, n) in PRACTICES.items():
        decision = practice(first(sides, n), rng)
        record["claims"][name] = [decision.is_different, decision.n_seeds]
    record["claims"][OURS] = _ours(cell, mine, reference)
    return record


def _ours(cell: Cell, mine: Sequence[PoolRun], reference: Sequence[PoolRun]) -> list[Any]:
    """Return [whether whole runs alone show a difference, seeds per side] with our own tests."""
    spec = spec_of(cell.algo, [cell], budget=LOOKS)
    both = [*mine, *reference]
    n = spec.looks[-1]
    places = (list(range(n)), list(range(len(mine), len(mine) + n)))
    looks = judged(spec, gathered({cell.env: both}, {cell.env: places}))
    return [looks[-1].decision.verdict == "diverged", max(looks[-1].row.n_mine, 1)]


def sides_of(mine: Sequence[PoolRun], reference: Sequence[PoolRun], cell: Cell) -> Sides:
    """Return the learning curves of both sides on the common grid, without leading gaps."""
    checkpoints = grid.checkpoints(cell.total_timesteps)
    rows = [grid.learning_curve(run.trace.episodes, checkpoints) for run in (*mine, *reference)]
    values = np.array(rows)
    start = int(np.isfinite(values).all(axis=0).argmax())
    n_final = max(1, round(0.1 * len(checkpoints)))
    final = values[:, -n_final:].mean(axis=1)
    n = len(mine)
    return Sides(values[:n, start:], values[n:, start:], final[:n], final[n:])


def first(sides: Sides, n: int) -> Sides:
    """Return the first n seeds of both sides."""
    return Sides(*(values[:n] for values in vars(sides).values()))


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return, per practice, false alarms, detection and env steps; and ours on the same runs."""
    splits = [one for one in records if one["what"] == "false-alarms"]
    bugs = [
        one
        for one in records
        if one["what"] == "detection" and one["kind"] == "bug" and one["claims"]
    ]
    table = {}
    for name in (*PRACTICES, OURS):
        alarms = [one for one in splits if name in one["claims"]]
        n = sum(one["trials"] for one in alarms)
        found = [one["claims"][name] for one in bugs]
        steps = [2 * seeds * one["env_steps"] for one, (_, seeds) in zip(bugs, found, strict=True)]
        table[name] = {
            "false_alarms": vars(rate(sum(one["claims"][name] for one in alarms), n)),
            "detected": vars(rate(sum(bool(claim) for claim, _ in found), len(found))),
            "env_steps": float(np.median(steps)) if steps else None,
        }
    return {
        "practices": table,
        "bugs": [one["name"] for one in bugs],
        "crashed": [one["name"] for one in records if one.get("failed")],
    }
