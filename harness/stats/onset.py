"""Where a difference begins, as an interval.

Upper end: the first checkpoint that is significant after every adjustment; a difference is there.
It is late: a difference that grows is significant only once it is large. Lower end: just after the
last earlier checkpoint at which the data exclude a difference of more than a twentieth of the one
first shown. A simultaneous confidence band decides this (Welch 1947, Biometrika 34; Bonferroni
over checkpoints); where it excludes nothing, the difference may have begun with the first
measurement, or before. No shape of growth and no model of the noise over time is assumed: real
differences grow smoothly, often exponentially, out of noise that grows as well, and a fitted jump
or ramp then claims far more than the data say. The price is width; docs/statistics.md has the
coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from harness.judgement import Onset
from harness.stats.relabel import require_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Curves

    FloatArray = NDArray[np.float64]

LEVEL = 0.9
# A checkpoint is before the onset when a difference of more than this share of the first shown one
# is excluded there. Measured (docs/statistics.md): a tenth already claims too much of exponential
# growth in noise that grows exponentially as well.
EXCLUDED_SHARE = 0.05


def onset_interval(
    mine: Curves,
    reference: Curves,
    *,
    p_adjusted: FloatArray,
    alpha: float,
    level: float = LEVEL,
) -> Onset | None:
    """Return an interval of env steps that holds the beginning of the difference, or None.

    Meaning: given that the metric differs, at this level a difference is there by the end of the
    interval, and none of more than EXCLUDED_SHARE of it was there before the interval.
    Assumptions: independent runs, means near normal; once begun, a difference does not go back
    below that share before it is shown. The error splits into `alpha` (significant too early) and
    1 - level - alpha (band); where nothing is left for the band, it excludes nothing.
    Smallest usable n: 2 per side (the interval is then wide).
    The onset is resolved to checkpoints: `low` is the first env step of its bin, `high` the last.

    Args:
        p_adjusted: (n_checkpoints,), NaN where not testable: from `family_test`.
        alpha: level that decided significance; no checkpoint at or below it: None.

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.
        ValueError: shapes do not fit.
    """
    n_points = len(mine.checkpoints)
    if p_adjusted.shape != (n_points,) or reference.values.shape[1:] != (n_points,):
        msg = f"expected {n_points} checkpoints in both curves and p_adjusted"
        raise ValueError(msg)
    require_seeds(len(mine.values), len(reference.values), is_paired=False)
    significant = np.flatnonzero(p_adjusted <= alpha)
    if not significant.size:
        return None
    first = int(significant[0])
    columns = _measured(mine.values, reference.values)
    error = 1.0 - level - alpha
    before = np.empty(0, dtype=np.int64)
    if error > 0.0:
        largest = _largest_plausible(mine.values[:, columns], reference.values[:, columns], error)
        shown = abs(float(mine.values[:, first].mean() - reference.values[:, first].mean()))
        before = columns[(columns < first) & (largest <= EXCLUDED_SHARE * shown)]
    low = int(mine.checkpoints[before[-1]]) + 1 if before.size else 1
    return Onset(low, int(mine.checkpoints[first]), level)


def _measured(mine: FloatArray, reference: FloatArray) -> NDArray[np.int64]:
    """Return the checkpoints at which every seed has a finite value and some seed a new one.

    A value that is carried over from the checkpoint before is no evidence of its own.
    """
    both = np.concatenate([mine, reference])
    is_measured = np.isfinite(both).all(axis=0)
    is_measured[1:] &= (both[:, 1:] != both[:, :-1]).any(axis=0)
    return np.flatnonzero(is_measured)


def _largest_plausible(mine: FloatArray, reference: FloatArray, error: float) -> FloatArray:
    """Return the largest size of the mean difference that the band leaves open: (n_points,).

    The two-sided band holds at all points together with error rate `error` (Bonferroni).
    """
    n, m = len(mine), len(reference)
    a, b = mine.var(axis=0, ddof=1) / n, reference.var(axis=0, ddof=1) / m
    variance = a + b
    scale = np.where(
        variance > 0.0, variance, 1.0
    )  # shares first: squares of tiny variances vanish
    df = 1.0 / np.maximum(
        (a / scale) ** 2 / (n - 1) + (b / scale) ** 2 / (m - 1), 1.0 / (n + m - 2)
    )
    quantile = stdtrit(df, 1.0 - error / (2.0 * max(1, len(variance))))
    difference = np.abs(mine.mean(axis=0) - reference.mean(axis=0))
    return np.asarray(difference + quantile * np.sqrt(variance))
