"""Power and onset: a difference of known size that begins at a known env step.

Mine is the reference, plus a difference in the returns that grows linearly, from the onset on, to
its full size over a fifth of the run. How many seeds show it, and does the interval that the report
names hold the onset?
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.calibrate.alarms import generator
from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.parity import usable_cells
from harness.calibrate.plan import Cell
from harness.calibrate.pool import spec_of
from harness.calibrate.rates import rate
from harness.calibrate.shared import BATCH, JUDGING, Work, cell_runs, code_version
from harness.calibrate.worlds import drawn, endpoints, gathered, judged, shifted, without_traces
from harness.judge import LookJudgement

GROWS_OVER = 0.2  # share of the run from the onset to the full size


def tasks(at: Work) -> list[Task]:
    """Return the batches of comparisons of every cell and effect size."""
    section = at.plan.sections["power"]
    n = at.plan.trials("power")
    found = []
    for cell in usable_cells(at):
        for effect in section["effects"]:
            for start in range(0, n, 2 * BATCH):
                n_here = min(2 * BATCH, n - start)
                world = (section["budget"], section["onset"], effect)
                key = key_of("power", vars(cell), world, start, n_here)
                arguments = (at.work, cell, world, start, n_here)
                words = f"{cell.name}, effect {effect}, from {start}"
                found.append(Task(words, key, trial_batch, arguments))
    return found


def trial_batch(
    work: Path, cell: Cell, world: tuple[str, float, float], start: int, n_trials: int
) -> Record:
    """Return, per comparison, the seeds at which DIVERGED was said (0: never) and the onset.

    Args:
        world: (budget, onset as a share of the run, effect in standard deviations).
    """
    budget, onset, effect = world
    spec = spec_of(cell.algo, [cell], budget=budget)
    runs = [without_traces(run) for run in cell_runs(work, cell)]
    size = effect * float(np.nanstd(endpoints(runs, cell.total_timesteps)["final"]))
    begin = onset * cell.total_timesteps
    ramp = partial(_ramp, begin=begin, over=GROWS_OVER * cell.total_timesteps, size=size)
    seeds, onsets = [], []
    for number in range(start, start + n_trials):
        rng = generator("power", cell.name, *world, number)
        chosen = {cell.env: drawn(rng, len(runs), spec.looks[-1])}
        looks = judged(
            spec, gathered({cell.env: runs}, chosen, change=partial(shifted, shift=ramp))
        )
        seeds.append(_seeds_to_diverged(looks))
        onsets.append(_onset(looks[-1]))
    return {
        "cell": cell.name,
        "tier": spec.envs[0].tier,
        "effect": effect,
        "begin": begin,
        "looks": list(spec.looks),
        "code": code_version(*JUDGING),
        "seeds": seeds,
        "onsets": onsets,
    }


def _ramp(
    steps: NDArray[np.int64], *, begin: float, over: float, size: float
) -> NDArray[np.float64]:
    return np.asarray(size * np.clip((steps - begin) / over, 0.0, 1.0), dtype=np.float64)


def _seeds_to_diverged(looks: Sequence[LookJudgement]) -> int:
    last = looks[-1]
    return last.row.n_mine if last.decision.verdict == "diverged" else 0


def _onset(look: LookJudgement) -> list[int] | None:
    """Return [low, high] of the onset of the returns' difference, when one is shown."""
    tests = [test for env in look.compared.envs for test in env.metrics]
    for test in tests:
        if test.metric == "episode_return" and test.is_significant and test.onset is not None:
            return [test.onset.low, test.onset.high]
    return None


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return power by seeds for every cell and effect, and how often the onset was covered."""
    curves: dict[str, dict[str, Any]] = {}
    held: list[bool] = []
    widths: list[float] = []
    for record in records:
        at = curves.setdefault(f"{record['cell']} | {record['effect']}", _empty(record))
        at["trials"] += len(record["seeds"])
        for look in record["looks"]:
            at["found"][str(look)] += sum(0 < n <= look for n in record["seeds"])
        shown = [one for one in record["onsets"] if one is not None]
        # The difference is there with the first env step after `begin`.
        held += [low <= record["begin"] + 1 and record["begin"] <= high for low, high in shown]
        widths += [high - low for low, high in shown]
    return {
        "curves": curves,
        "onset": vars(rate(sum(held), len(held))),
        "onset_width": float(np.median(widths)) if widths else None,
    }


def _empty(record: Record) -> dict[str, Any]:
    found = {str(look): 0 for look in record["looks"]}
    kept = {name: record[name] for name in ("cell", "tier", "effect")}
    return {**kept, "trials": 0, "found": found}
