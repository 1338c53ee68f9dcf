"""What a number of seeds can show: planning formulas for normal endpoints.

Sources: Welch-Satterthwaite degrees of freedom, Welch (1947), Biometrika 34; power of a t test by
the noncentral t, Cohen (1988), Statistical Power Analysis, ch. 2; equivalence at no difference,
power = 2 F(margin / se - t) - 1, Chow, Shao & Wang (2008), Sample Size Calculations, sec. 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import nctdtr, nctdtrinc, stdtr, stdtrit

from harness.records import Margin

POWER = 0.8  # the usual planning value, Cohen (1988)
SEEDS_CAP = 1000  # beyond this nobody adds seeds: the answer is "not this way"


@dataclass(frozen=True)
class Spread:
    """Standard deviations over seeds of one endpoint, reward."""

    mine: float
    reference: float


def welch_df(variance_mine: float, variance_reference: float, *, df: tuple[float, float]) -> float:
    """Return Satterthwaite's degrees of freedom of the sum of two variances of means.

    Args:
        variance_mine, variance_reference: variances of the two means (already divided by n).
        df: degrees of freedom of each variance.
    """
    total = variance_mine + variance_reference
    if total <= 0.0:
        return float(sum(df))
    share = variance_mine / total
    return 1.0 / (share**2 / df[0] + (1.0 - share) ** 2 / df[1])


def minimum_detectable(
    spread: Spread, n: tuple[int, int], *, alpha: float, power: float = POWER
) -> float | None:
    """Return the smallest true difference that a two-sided Welch test finds with this power.

    Args:
        n: seeds of mine and of reference. alpha: two-sided level.

    Returns:
        Reward; None with fewer than 2 seeds on a side, without spread, or when not finite.

    >>> round(minimum_detectable(Spread(1.0, 1.0), (17, 17), alpha=0.05), 3)
    0.991
    """
    if min(n) < 2 or not _is_positive(spread.mine + spread.reference):
        return None
    variances = spread.mine**2 / n[0], spread.reference**2 / n[1]
    df = welch_df(*variances, df=(n[0] - 1.0, n[1] - 1.0))
    critical = float(stdtrit(df, 1.0 - alpha / 2.0))
    found = float(nctdtrinc(df, 1.0 - power, critical)) * math.sqrt(sum(variances))
    return found if math.isfinite(found) else None


def seeds_for_difference(
    difference: float, spread: Spread, *, alpha: float, power: float = POWER
) -> int | None:
    """Return the seeds per side with which a two-sided Welch test finds a true difference.

    Returns:
        None beyond SEEDS_CAP, or for a difference of 0 or a spread that is not finite.

    >>> seeds_for_difference(1.0, Spread(1.0, 1.0), alpha=0.05)
    17
    """
    if not (_is_positive(abs(difference)) and _is_positive(spread.mine + spread.reference)):
        return None

    def reaches(n: int) -> bool:
        variances = spread.mine**2 / n, spread.reference**2 / n
        df = welch_df(*variances, df=(n - 1.0, n - 1.0))
        critical = float(stdtrit(df, 1.0 - alpha / 2.0))
        shift = abs(difference) / math.sqrt(sum(variances))
        return bool(1.0 - nctdtr(df, shift, critical) >= power)

    return _smallest_n(reaches)


def seeds_for_parity(
    margin: Margin, spread: Spread, *, alpha: float, power: float = POWER
) -> int | None:
    """Return the seeds per side with which equivalence is shown if there is no difference.

    A margin in reference standard deviations is itself estimated: its variance under normality,
    value^2 sd^2 / (2 n), adds to that of the difference.

    Returns:
        None beyond SEEDS_CAP, or without a positive finite margin.

    >>> seeds_for_parity(Margin(1.0), Spread(1.0, 1.0), alpha=0.05)
    23
    """
    limit = margin.value if margin.is_absolute else margin.value * spread.reference
    if not (_is_positive(limit) and math.isfinite(spread.mine + spread.reference)):
        return None
    own = 0.0 if margin.is_absolute else margin.value**2 / 2.0

    def reaches(n: int) -> bool:
        variances = spread.mine**2 / n, spread.reference**2 * (1.0 + own) / n
        df = welch_df(*variances, df=(n - 1.0, n - 1.0))
        error = math.sqrt(sum(variances))
        if error == 0.0:
            return True
        shift = limit / error - float(stdtrit(df, 1.0 - alpha))
        return bool(2.0 * stdtr(df, shift) - 1.0 >= power)

    return _smallest_n(reaches)


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0.0


def _smallest_n(reaches: Callable[[int], bool]) -> int | None:
    """Return the smallest n in [2, SEEDS_CAP] for which `reaches`, by bisection, or None."""
    if not reaches(SEEDS_CAP):
        return None
    low, high = 1, SEEDS_CAP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high
