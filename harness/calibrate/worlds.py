"""Comparisons whose truth is known, made of pool runs: the reference against itself, or shifted.

Two ways of drawing. *Split*: disjoint runs for the two sides, without replacement; under it both
sides are exchangeable, so every DIVERGED is false. *Drawn*: with replacement, so that the pool is
the whole population and its mean and spread are known exactly; a shift then has a known size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.calibrate.pool import PoolRun
from harness.judge import Gathered, LookJudgement, RunId
from harness.pipeline import judged_looks
from harness.records import ROLES, ComparisonSpec, Episodes, RunRecord, Trace
from harness.stats import grid

# Makes the trace of one run of mine from one of the reference.
Change = Callable[[Trace], Trace]


def split(rng: np.random.Generator, n_pool: int, n_seeds: int) -> tuple[list[int], list[int]]:
    """Return indices of disjoint runs for (mine, reference), `n_seeds` each."""
    drawn = rng.permutation(n_pool)[: 2 * n_seeds].tolist()
    return drawn[:n_seeds], drawn[n_seeds:]


def drawn(rng: np.random.Generator, n_pool: int, n_seeds: int) -> tuple[list[int], list[int]]:
    """Return indices for (mine, reference), with replacement."""
    both = rng.integers(n_pool, size=(2, n_seeds)).tolist()
    return both[0], both[1]


def gathered(
    pools: Mapping[str, Sequence[PoolRun]],
    chosen: Mapping[str, tuple[list[int], list[int]]],
    *,
    change: Change | None = None,
) -> Gathered:
    """Return the evidence of one comparison.

    Args:
        pools: env id -> its runs. chosen: env id -> indices of (mine, reference).
        change: what is done to the runs of mine; None leaves them as they are.
    """
    records: dict[RunId, RunRecord] = {}
    traces: dict[RunId, Trace] = {}
    for env_id, sides in chosen.items():
        for role, indices in zip(ROLES, sides, strict=True):
            for seed, index in enumerate(indices):
                run = pools[env_id][index]
                place = RunId(role, env_id, seed)
                is_changed = role == "mine" and change is not None
                records[place] = run.record
                traces[place] = change(run.trace) if change and is_changed else run.trace
    return Gathered(records, traces)


def judged(spec: ComparisonSpec, evidence: Gathered) -> list[LookJudgement]:
    """Return the looks of the comparison, numbered seeds in place of the spec's."""
    asked = replace(spec, seeds=tuple(range(spec.looks[-1])))
    return judged_looks(asked, evidence)


def without_traces(run: PoolRun) -> PoolRun:
    """Return the run with its learning curve alone: what a question about returns needs."""
    return replace(run, trace=replace(run.trace, metrics={}, facts={}))


def shifted(trace: Trace, shift: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> Trace:
    """Return the trace with `shift(end env step)` added to every episode return."""
    episodes = trace.episodes
    returns = episodes.returns + shift(episodes.end_env_step)
    changed = Episodes(**{**vars(episodes), "returns": returns})
    return replace(trace, episodes=changed)


def endpoints(runs: Sequence[PoolRun], total_timesteps: int) -> dict[str, NDArray[np.float64]]:
    """Return "final" and "auc" of every run, (n_runs,), reward: as the equivalence tests see it."""
    checkpoints = grid.checkpoints(total_timesteps)
    rows = [grid.learning_curve(run.trace.episodes, checkpoints) for run in runs]
    curves = grid.curves("episode_return", checkpoints, rows=rows, seeds=range(len(runs)))
    return {
        "final": grid.final_performance(curves, curves).mine,
        "auc": grid.area_under_curve(curves, curves).mine,
    }
