"""Rates with exact intervals."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """Events among trials, with the exact (Clopper & Pearson 1934) 95 % interval of the rate.

    Attributes:
        low, high: of the rate; NaN-free: no trial at all is the interval [0, 1].
    """

    events: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Return the rate; 0 without trials."""
        return self.events / self.trials if self.trials else 0.0

    def __str__(self) -> str:
        if not self.trials:
            return "not measured"
        bounds = f"{100 * self.low:.1f} to {100 * self.high:.1f} %"
        return f"{100 * self.value:.1f} % ({self.events} of {self.trials}; {bounds})"


def rate(events: int, trials: int) -> Rate:
    """Return the rate of `events` among independent `trials`.

    >>> str(rate(1, 20))
    '5.0 % (1 of 20; 0.1 to 24.9 %)'
    >>> str(rate(0, 0))
    'not measured'
    """
    if not trials:
        return Rate(0, 0, 0.0, 1.0)
    limits = binomtest(events, trials).proportion_ci(LEVEL)
    return Rate(events, trials, float(limits.low), float(limits.high))


def rate_of(claims: list[bool]) -> Rate:
    """Return the rate of true claims."""
    return rate(sum(claims), len(claims))
