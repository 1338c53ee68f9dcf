"""Equivalence of two means within a margin, also when the margin itself is estimated.

Two one-sided tests, Schuirmann (1987), J. Pharmacokin. Biopharm. 15: reject "the difference is at
least the margin" and "at most minus the margin". With a margin in reward this is Welch's test
twice.

With a margin of k reference standard deviations, estimated from the same reference seeds, treating
it as known declares parity at the true margin far more often than alpha (measured up to 23 % at 5
%). Instead L = k s_reference - |difference| is tested for L > 0 with its own standard error:
- delta method: a reference run contributes (y - mean) + k ((y - mean)^2 - s^2) / (2 s) to L, whose
  sample variance accounts for skewness and kurtosis (van der Vaart 1998, Asymptotic Statistics,
  ch. 3); it is taken at least as large as under normality, s^2 (1 + k^2 / 2), because fourth
  moments of few seeds are mostly too small;
- the variance of mine is taken at least as large as the pooled one: a few own seeds that happen to
  lie in one mode of a bimodal distribution look deceptively certain;
- Satterthwaite degrees of freedom. docs/statistics.md shows the measured error rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.judgement import Interval
from harness.stats.power import welch_df
from harness.stats.relabel import require_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Margin

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Equivalence:
    """A test of equivalence.

    Attributes:
        difference: mean of mine - reference, reward.
        margin: reward; NaN when it could not be computed.
        p: the larger of the two one-sided p values; None when not computable (`reason` says why).
    """

    difference: float
    margin: float
    p: float | None
    reason: str = ""


@dataclass(frozen=True)
class _Estimate:
    """An estimate with its standard error and degrees of freedom."""

    value: float
    error: float
    df: float


def tost(
    mine: FloatArray, reference: FloatArray, *, margin: Margin, is_paired: bool = False
) -> Equivalence:
    """Return the test of "the means differ by at least the margin".

    Null hypothesis: |mean of mine - mean of reference| >= margin. Assumptions: independent runs
    (paired: pairs), means near normal. Smallest usable n: 2 per side to compute; for the default
    margin see `smallest_p_equivalence`. A non-rejection does not mean that the sides differ.
    Without any spread on both sides the difference is known exactly: p is 0 or 1.

    Args:
        mine: (n_mine,), reward. reference: (n_reference,), reward; paired: same order of seeds.

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.
        ValueError: paired with unequal numbers, or a margin that is not positive.
    """
    require_seeds(len(mine), len(reference), is_paired=is_paired)
    if not (math.isfinite(margin.value) and margin.value > 0.0):
        msg = f"the margin must be a positive finite number, seen {margin.value}"
        raise ValueError(msg)
    reason = _non_finite(mine, reference)
    if reason:
        return Equivalence(math.nan, math.nan, None, reason)
    difference = float(mine.mean() - reference.mean())
    sd_reference = float(reference.std(ddof=1))
    limit = margin.value if margin.is_absolute else margin.value * sd_reference
    if limit <= np.finfo(float).tiny or (_is_constant(reference) and not margin.is_absolute):
        reason = _no_spread(reference)
        return Equivalence(difference, 0.0, None, reason)
    p = max(
        _one_sided_p(_slack(mine, reference, margin=margin, sign=sign, is_paired=is_paired))
        for sign in (1.0, -1.0)
    )
    return Equivalence(difference, limit, p)


def _no_spread(reference: FloatArray) -> str:
    """Say why there is no margin, and what to pass: 1 % of what the reference gives."""
    value = float(reference[0])
    return (
        f"all {len(reference)} reference seeds give {value:g}, so a margin in reference standard "
        "deviations is zero and nothing can be shown to lie inside it; set the margin in reward, "
        f"for example --margin {0.01 * abs(value) or 0.01:.2g}"
    )


def difference_interval(
    mine: FloatArray, reference: FloatArray, *, level: float, is_paired: bool = False
) -> Interval:
    """Return mean of mine - mean of reference with Welch's (paired: Student's) interval, reward.

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.
    """
    require_seeds(len(mine), len(reference), is_paired=is_paired)
    if is_paired:
        return mean_interval(mine - reference, level=level)
    variances = float(mine.var(ddof=1)) / len(mine), float(reference.var(ddof=1)) / len(reference)
    df = welch_df(*variances, df=(len(mine) - 1.0, len(reference) - 1.0))
    estimate = float(mine.mean() - reference.mean())
    half = float(stdtrit(df, 0.5 + level / 2.0)) * math.sqrt(sum(variances))
    return Interval(estimate, estimate - half, estimate + half, level)


def mean_interval(values: FloatArray, *, level: float) -> Interval:
    """Return the mean with Student's interval.

    Limits are NaN with fewer than 2 values or with a value that is not finite; the mean is NaN
    without values, else what arithmetic with NaN and infinities gives.
    """
    with np.errstate(invalid="ignore"):
        estimate = float(values.mean()) if len(values) else math.nan
    if len(values) < 2 or not np.isfinite(values).all():
        return Interval(estimate, math.nan, math.nan, level)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, 0.5 + level / 2.0)) * error
    return Interval(estimate, estimate - half, estimate + half, level)


def smallest_p_equivalence(
    n_mine: int, n_reference: int, *, margin: Margin, is_paired: bool = False
) -> float:
    """Return the p value of `tost` at no difference and no spread in mine (paired: in pairs).

    The best case; it tells at which looks parity cannot be shown. 0 for a margin in reward.

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.
    """
    require_seeds(n_mine, n_reference, is_paired=is_paired)
    if margin.is_absolute:
        return 0.0
    k = margin.value
    if is_paired:
        return float(stdtr(n_mine - 1, -math.sqrt(2.0 * n_mine)))
    pooled_df = n_mine + n_reference - 2.0
    variances = (n_reference - 1.0) / pooled_df / n_mine, (1.0 + k**2 / 2.0) / n_reference
    df = welch_df(*variances, df=(pooled_df, n_reference - 1.0))
    return float(stdtr(df, -k / math.sqrt(sum(variances))))


def _slack(
    mine: FloatArray, reference: FloatArray, *, margin: Margin, sign: float, is_paired: bool
) -> _Estimate:
    """Return margin - sign * difference: positive when the difference is inside on that side."""
    if is_paired:
        return _paired_slack(mine, reference, margin=margin, sign=sign)
    n, m = len(mine), len(reference)
    gap = sign * float(mine.mean() - reference.mean())
    v_mine, v_reference = float(mine.var(ddof=1)), float(reference.var(ddof=1))
    if margin.is_absolute:
        df = welch_df(v_mine / n, v_reference / m, df=(n - 1.0, m - 1.0))
        return _Estimate(margin.value - gap, math.sqrt(v_mine / n + v_reference / m), df)
    k = margin.value
    pooled_df = n + m - 2.0
    pooled = ((n - 1) * v_mine + (m - 1) * v_reference) / pooled_df
    df_mine = pooled_df if pooled > v_mine else n - 1.0
    influence = sign * (reference - reference.mean()) + _margin_influence(reference, k)
    v_slack = max(float(influence.var(ddof=1)), v_reference * (1.0 + k**2 / 2.0))
    variances = max(v_mine, pooled) / n, v_slack / m
    df = welch_df(*variances, df=(df_mine, m - 1.0))
    return _Estimate(k * math.sqrt(v_reference) - gap, math.sqrt(sum(variances)), df)


def _paired_slack(
    mine: FloatArray, reference: FloatArray, *, margin: Margin, sign: float
) -> _Estimate:
    pairs = mine - reference
    n, gap = len(pairs), sign * float(pairs.mean())
    v_pairs = float(pairs.var(ddof=1))
    if margin.is_absolute:
        return _Estimate(margin.value - gap, math.sqrt(v_pairs / n), n - 1.0)
    k, v_reference = margin.value, float(reference.var(ddof=1))
    influence = _margin_influence(reference, k) - sign * (pairs - pairs.mean())
    v_slack = max(float(influence.var(ddof=1)), v_pairs + v_reference * k**2 / 2.0)
    return _Estimate(k * math.sqrt(v_reference) - gap, math.sqrt(v_slack / n), n - 1.0)


def _margin_influence(reference: FloatArray, k: float) -> FloatArray:
    """Return what each reference run contributes to k times the standard deviation: (n,)."""
    variance = float(reference.var(ddof=1))
    squares = np.square(reference - reference.mean())
    return np.asarray(k * (squares - variance) / (2.0 * math.sqrt(variance)))


def _one_sided_p(slack: _Estimate) -> float:
    if slack.error == 0.0:
        return 0.0 if slack.value > 0.0 else 1.0
    return float(stdtr(slack.df, -slack.value / slack.error))


def _is_constant(values: FloatArray) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _non_finite(mine: FloatArray, reference: FloatArray) -> str:
    counts = {
        side: int(np.count_nonzero(~np.isfinite(values)))
        for side, values in (("mine", mine), ("reference", reference))
    }
    parts = [f"{count} seed(s) of {side}" for side, count in counts.items() if count]
    return f"{' and '.join(parts)} have no finite value" if parts else ""
