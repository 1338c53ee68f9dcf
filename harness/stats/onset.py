"""Where a difference begins, as an interval.

The first significant checkpoint is late: a difference that ramps up is significant only once it is
large. Instead the mean difference over time is modelled as a ramp that is 0 before the onset,
rises linearly over some width, then stays; noise is AR(1) with a smoothed standard deviation, both
estimated from the residuals of the seeds. The interval holds every onset that some width and height
explain about as well as the best ramp does: the projection of the joint confidence region of
(onset, width, height), whose cut is 3 F(3, df) (Scheffe 1959, The Analysis of Variance, sec. 2.3;
likelihood-ratio regions for change points: Siegmund 1988, Int. Stat. Rev. 56). Projection makes it
conservative, which leaves room for an imperfect noise model; docs/statistics.md has the coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtri

from harness.judgement import Onset
from harness.stats.relabel import require_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Curves

    FloatArray = NDArray[np.float64]

LEVEL = 0.9
N_PARAMETERS = 3  # onset, width, height
N_WIDTHS = 10  # ramp widths tried, geometric from 1 checkpoint to the whole grid
N_SMOOTH = 9  # checkpoints over which the noise variance is averaged
MAX_RHO = 0.98  # autocorrelation beyond this cannot be told from a constant offset


@dataclass(frozen=True)
class _Difference:
    """Mean difference over time with its noise.

    Attributes:
        mean: (n_points,). error: (n_points,) standard error. rho: correlation of neighbours.
        lags: (n_points - 1,) distance of neighbouring testable checkpoints, in checkpoints.
        df: degrees of freedom of the noise estimate.
    """

    mean: FloatArray
    error: FloatArray
    rho: float
    lags: FloatArray
    df: int


def onset_interval(
    mine: Curves,
    reference: Curves,
    *,
    p_adjusted: FloatArray,
    alpha: float,
    level: float = LEVEL,
) -> Onset | None:
    """Return an interval of env steps that holds the beginning of the difference, or None.

    Meaning: given that the metric differs, the difference began inside the interval at this level.
    Assumptions: independent runs, one lasting ramp or jump, noise without long memory beyond
    AR(1). Smallest usable n: 2 per side (the interval is then wide). The onset is resolved to
    checkpoints: `low` is the first env step of its bin, `high` the last of its bin.

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
    if not (p_adjusted <= alpha).any():
        return None
    columns = np.flatnonzero(
        np.isfinite(np.concatenate([mine.values, reference.values])).all(axis=0)
    )
    found = _plausible_onsets(
        _difference(mine.values[:, columns], reference.values[:, columns], columns), columns, level
    )
    # Nothing is known before the first testable checkpoint: the onset may lie there as well.
    low = 0 if found[0] == 0 else int(columns[found[0]])
    high = int(columns[found[-1]])
    first_step = int(mine.checkpoints[low - 1]) + 1 if low else 1
    return Onset(first_step, int(mine.checkpoints[high]), level)


def _plausible_onsets(
    difference: _Difference, columns: NDArray[np.int64], level: float
) -> NDArray[np.int64]:
    """Return positions in `columns` that are plausible onsets, increasing, at least one."""
    explained = np.array(
        [_explained(difference, ramps) for ramps in _ramps(columns.astype(np.float64))]
    )
    cut = N_PARAMETERS * float(fdtri(N_PARAMETERS, difference.df, level))
    return np.flatnonzero(explained >= explained.max() - cut)


def _difference(mine: FloatArray, reference: FloatArray, columns: NDArray[np.int64]) -> _Difference:
    n, m = len(mine), len(reference)
    mean = mine.mean(axis=0) - reference.mean(axis=0)
    residuals = np.concatenate([mine - mine.mean(axis=0), reference - reference.mean(axis=0)])
    variance = np.square(residuals).sum(axis=0) / (n + m - 2)
    width = min(N_SMOOTH, len(variance))
    padded = np.pad(variance, (width // 2, (width - 1) // 2), mode="edge")
    smooth = np.convolve(padded, np.full(width, 1.0 / width), "valid")
    # Without any noise the jump itself sets the scale: the fit is then exact, not undefined.
    floor = 1e-9 * max(float(np.abs(mean).max()), float(np.sqrt(variance.max())), 1e-300)
    error = np.maximum(np.sqrt(smooth * (1.0 / n + 1.0 / m)), floor)
    lags = np.diff(columns).astype(np.float64)
    return _Difference(mean, error, _neighbour_correlation(residuals, variance), lags, n + m - 2)


def _neighbour_correlation(residuals: FloatArray, variance: FloatArray) -> float:
    """Return the pooled lag-one correlation of standardised residuals, in [0, MAX_RHO]."""
    scaled = residuals / np.sqrt(np.where(variance > 0.0, variance, 1.0))
    early, late = scaled[:, :-1], scaled[:, 1:]
    size = 0.5 * float(np.square(early).sum() + np.square(late).sum())
    return float(np.clip((early * late).sum() / size, 0.0, MAX_RHO)) if size > 0.0 else 0.0


def _ramps(columns: FloatArray) -> FloatArray:
    """Return ramp shapes: (n_onsets, n_widths, n_points), 0 before the onset, 1 at the end."""
    span = columns[-1] - columns[0] + 1.0
    widths = np.unique(np.round(np.geomspace(1.0, span, N_WIDTHS)))
    since = columns[None, None, :] - columns[:, None, None] + 1.0
    return np.asarray(np.clip(since / widths[None, :, None], 0.0, 1.0))


def _explained(difference: _Difference, ramps: FloatArray) -> float:
    """Return the largest sum of squares explained by one of `ramps` (n_widths, n_points)."""
    target = _whiten(difference.mean[None, :], difference)[0]
    shapes = _whiten(ramps, difference)
    size = np.square(shapes).sum(axis=1)
    return float((np.square(shapes @ target) / size).max())


def _whiten(rows: FloatArray, difference: _Difference) -> FloatArray:
    """Return rows (n_rows, n_points) divided by their noise, autocorrelation removed."""
    scaled = rows / difference.error
    carried = difference.rho**difference.lags
    scaled[:, 1:] = (scaled[:, 1:] - carried * scaled[:, :-1]) / np.sqrt(1.0 - carried**2)
    return scaled
