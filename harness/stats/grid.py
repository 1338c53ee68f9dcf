"""Curves on a common env_step grid, and their two endpoints.

A bin is (previous checkpoint, checkpoint]. A bin in which nothing was measured repeats the value of
the bin before it; before the first measurement there is nothing to repeat: NaN. A NaN or infinite
value inside a bin is part of that bin's mean, so the mean is NaN or infinite and stays visible.
Nothing is interpolated or smoothed: both would invent agreement between neighbouring checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.records import Curves, Episodes, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    StepArray = NDArray[np.int64]

# 2 % of training per bin: fine enough to place an onset, wide enough that a bin holds several
# episodes; neighbouring bins are correlated, so a finer grid adds cost and hardly any power.
N_CHECKPOINTS = 50
# Final performance is the mean over this last share of the checkpoints: one checkpoint is noisy
# (Colas et al. 2018, arXiv:1806.08295, average the last evaluations for the same reason).
FINAL_SHARE = 0.1


def checkpoints(total_timesteps: int, n: int = N_CHECKPOINTS) -> StepArray:
    """Return `n` equally spaced checkpoints up to total_timesteps: (n,) int64, increasing.

    With fewer env steps than `n` every env step is a checkpoint.

    Raises:
        ValueError: total_timesteps or n is below 1.

    >>> checkpoints(100, n=4).tolist()
    [25, 50, 75, 100]
    """
    if total_timesteps < 1 or n < 1:
        msg = f"total_timesteps and n must be at least 1, seen {total_timesteps} and {n}"
        raise ValueError(msg)
    n_used = min(n, total_timesteps)
    return np.asarray(np.arange(1, n_used + 1, dtype=np.int64) * total_timesteps // n_used)


def learning_curve(episodes: Episodes, grid: StepArray) -> FloatArray:
    """Return the mean return of the episodes that ended in each bin: (n_checkpoints,), reward.

    NaN before the first episode ended; a bin without an ended episode repeats the last value.
    Episodes that ended after the last checkpoint are outside the common part and not used.
    """
    return _carried_bin_means(episodes.end_env_step, episodes.returns, grid)


def binned_mean(series: Series, grid: StepArray) -> FloatArray:
    """Return the mean of the values measured in each bin: (n_checkpoints,), unit of the series.

    NaN before the first value; a bin without a value repeats the last one. A bin that holds a NaN
    has mean NaN; one that holds infinities has an infinite mean (NaN if of both signs).
    """
    return _carried_bin_means(series.env_steps, series.values, grid)


def _carried_bin_means(steps: StepArray, values: FloatArray, grid: StepArray) -> FloatArray:
    if len(steps) != len(values):
        msg = f"expected one env step per value, seen {len(steps)} and {len(values)}"
        raise ValueError(msg)
    bins = np.searchsorted(grid, steps, side="left")
    is_inside = bins < len(grid)
    counts = np.bincount(bins[is_inside], minlength=len(grid))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        sums = np.bincount(bins[is_inside], weights=values[is_inside], minlength=len(grid))
        means = sums / counts
    source = np.maximum.accumulate(np.where(counts > 0, np.arange(len(grid)), -1))
    return np.where(source >= 0, means[source], np.nan)


def curves(
    metric: str, grid: StepArray, *, rows: Sequence[FloatArray], seeds: Sequence[int]
) -> Curves:
    """Return the record of one metric of one side from one row per seed.

    Args:
        rows: n_seeds arrays (n_checkpoints,).

    Raises:
        ValueError: a row has another length than the grid, or rows and seeds differ in number.
    """
    if len(rows) != len(seeds):
        msg = f"{metric}: expected one row per seed, seen {len(rows)} rows and {len(seeds)} seeds"
        raise ValueError(msg)
    for seed, row in zip(seeds, rows, strict=True):
        if row.shape != grid.shape:
            msg = f"{metric}, seed {seed}: expected {grid.shape} values, seen {row.shape}"
            raise ValueError(msg)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(grid))
    return Curves(metric, grid, values, tuple(seeds))


@dataclass(frozen=True)
class EndpointValues:
    """One number per seed and side, reward.

    Attributes:
        mine: (n_mine,). reference: (n_reference,). NaN or infinite where the curve itself is.
        n_unused: leading checkpoints left out because some seed had nothing measured yet.
    """

    mine: FloatArray
    reference: FloatArray
    n_unused: int


def area_under_curve(mine: Curves, reference: Curves) -> EndpointValues:
    """Return the mean over the grid of each seed's curve: area / total_timesteps, in reward.

    Leading checkpoints at which some seed of either side has no value yet are left out for all
    seeds, so that every seed is averaged over the same stretch, and are counted in `n_unused`. A
    NaN or infinity after that makes its seed's endpoint non-finite.

    Raises:
        ValueError: the sides have different checkpoints.
    """
    start = _common_start(mine, reference)
    return EndpointValues(_mean_from(mine, start), _mean_from(reference, start), start)


def final_performance(mine: Curves, reference: Curves) -> EndpointValues:
    """Return each seed's mean over the last 10 % of the checkpoints (at least one), in reward.

    A seed whose first value comes later than that has NaN; `n_unused` is always 0.

    Raises:
        ValueError: the sides have different checkpoints.
    """
    _common_start(mine, reference)
    n = len(mine.checkpoints)
    start = n - max(1, round(FINAL_SHARE * n)) if n else 0
    return EndpointValues(_mean_from(mine, start), _mean_from(reference, start), 0)


def _common_start(mine: Curves, reference: Curves) -> int:
    """Return the index of the first checkpoint from which every seed that has values has them."""
    if not np.array_equal(mine.checkpoints, reference.checkpoints):
        msg = (
            f"{mine.metric}: mine and reference lie on different checkpoints; put both on one grid"
        )
        raise ValueError(msg)
    is_present = ~np.isnan(np.concatenate([mine.values, reference.values]))
    with_values = is_present[is_present.any(axis=1)]
    return int(with_values.argmax(axis=1).max(initial=0)) if with_values.size else 0


def _mean_from(side: Curves, start: int) -> FloatArray:
    part = side.values[:, start:]
    if part.shape[1] == 0:
        return np.full(len(side.values), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(part.mean(axis=1))
