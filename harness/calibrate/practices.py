"""What people do today to tell two implementations apart, each as a decision on two sets of curves.

None of these is offered by `compare`; they are here to be measured beside it, on the same runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean, ttest_ind

FloatArray = NDArray[np.float64]
ALPHA = 0.05
N_BOOT = 2_000
# Seeds per look of AdaStop (its authors' choice), and the most looks.
ADASTOP_SEEDS = 5
# Relabellings kept for AdaStop's thresholds; all are taken when there are no more.
ADASTOP_RELABELLINGS = 10_000


@dataclass(frozen=True)
class Sides:
    """Curves, (n_seeds, n_checkpoints), and final returns, (n_seeds,), of both sides; reward."""

    mine: FloatArray
    reference: FloatArray
    final_mine: FloatArray
    final_reference: FloatArray


@dataclass(frozen=True)
class Decision:
    """Whether a difference is claimed, and the seeds per side that were looked at for it."""

    is_different: bool
    n_seeds: int


Practice = Callable[[Sides, np.random.Generator], Decision]


def welch_on_final(sides: Sides, _rng: np.random.Generator) -> Decision:
    """Welch's t-test on final returns at 5 % (Welch 1947; Colas et al. 2019, arXiv:1904.06979)."""
    p = _welch(sides.final_mine, sides.final_reference)
    return Decision(bool(p <= ALPHA), len(sides.final_mine))


def every_timestep(sides: Sides, _rng: np.random.Generator) -> Decision:
    """Welch's t-test at every checkpoint, without correction: any p below 5 % is a difference."""
    n = len(sides.mine)
    p = [_welch(sides.mine[:, t], sides.reference[:, t]) for t in range(sides.mine.shape[1])]
    return Decision(bool(min(p) <= ALPHA), n)


def intervals_overlap(sides: Sides, rng: np.random.Generator) -> Decision:
    """Different when the 95 % bootstrap intervals of the two interquartile means are disjoint.

    The interval is that of rliable (Agarwal et al. 2021, NeurIPS) for a single task: percentile
    bootstrap over runs of the 25 % trimmed mean.
    """
    mine, reference = (
        _iqm_interval(values, rng) for values in (sides.final_mine, sides.final_reference)
    )
    is_apart = mine[0] > reference[1] or reference[0] > mine[1]
    return Decision(bool(is_apart), len(sides.final_mine))


def adastop(sides: Sides, _rng: np.random.Generator) -> Decision:
    """AdaStop for two agents, without early acceptance (Mathieu et al. 2023, arXiv:2306.10882).

    Looks every 5 seeds; labels are exchanged within each look's seeds. At look k the difference of
    sums is rejected above the threshold that, with those before it, spends k / K of 5 %.
    """
    n_looks = len(sides.final_mine) // ADASTOP_SEEDS
    sums, seen = np.zeros(1), 0.0
    is_alive = np.ones(1, dtype=bool)
    for look in range(n_looks):
        block = slice(look * ADASTOP_SEEDS, (look + 1) * ADASTOP_SEEDS)
        mine, reference = sides.final_mine[block], sides.final_reference[block]
        seen += float(mine.sum() - reference.sum())
        sums, is_alive = _relabelled(sums, is_alive, np.concatenate([mine, reference]))
        share = ALPHA * (look + 1) / n_looks
        threshold = _threshold(np.abs(sums), is_alive, share)
        if abs(seen) > threshold:
            return Decision(True, (look + 1) * ADASTOP_SEEDS)
        is_alive &= np.abs(sums) <= threshold
    return Decision(False, n_looks * ADASTOP_SEEDS)


def _relabelled(
    sums: FloatArray, is_alive: NDArray[np.bool_], values: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the sums of every relabelling so far, each with every relabelling of one more look."""
    n = len(values) // 2
    chosen = np.array(list(combinations(range(len(values)), n)))
    steps = 2.0 * values[chosen].sum(axis=1) - values.sum()
    joined = (sums[:, None] + steps[None, :]).ravel()
    alive = np.repeat(is_alive, len(steps))
    if len(joined) > ADASTOP_RELABELLINGS:
        kept = np.random.default_rng(0).choice(len(joined), ADASTOP_RELABELLINGS, replace=False)
        return joined[kept], alive[kept]
    return joined, alive


def _threshold(sizes: FloatArray, is_alive: NDArray[np.bool_], share: float) -> float:
    """Return the smallest size above which, with those gone before, at most `share` lie."""
    allowed = int(np.floor(share * len(sizes))) - int((~is_alive).sum())
    ordered = np.sort(sizes[is_alive])
    if allowed <= 0:
        return float(ordered[-1])
    return float(ordered[-allowed - 1]) if allowed < len(ordered) else -1.0


def _iqm_interval(values: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    resampled = values[rng.integers(len(values), size=(N_BOOT, len(values)))]
    means = trim_mean(resampled, 0.25, axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _welch(mine: FloatArray, reference: FloatArray) -> float:
    """Return the two-sided p; 1 where it is not defined, 0 for different constants."""
    if not (np.isfinite(mine).all() and np.isfinite(reference).all()):
        return 1.0
    if np.ptp(mine) == 0.0 and np.ptp(reference) == 0.0:
        return float(mine[0] == reference[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # values that are equal but for rounding
        return float(ttest_ind(mine, reference, equal_var=False).pvalue)


# Name in tables -> (practice, seeds per side it is given).
PRACTICES: dict[str, tuple[Practice, int]] = {
    "Welch's t-test on final returns, 5 seeds": (welch_on_final, 5),
    "Welch's t-test on final returns, 10 seeds": (welch_on_final, 10),
    "a t-test at every checkpoint, uncorrected, 5 seeds": (every_timestep, 5),
    "a t-test at every checkpoint, uncorrected, 10 seeds": (every_timestep, 10),
    "bootstrap intervals of the IQM apart, 5 seeds": (intervals_overlap, 5),
    "bootstrap intervals of the IQM apart, 10 seeds": (intervals_overlap, 10),
    "AdaStop, up to 10 seeds": (adastop, 10),
}
