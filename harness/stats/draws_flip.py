"""The exchange test of paired draws: an exact bound for the sign-flip test, without resampling.

Mine and the reference draw in the same state, event by event. Under the null hypothesis the two
draws of an event are exchangeable given everything else, so the sign of each difference of a
feature is a fair coin. With S = sum(d) / sqrt(sum(d^2)), for every x and whatever the sizes |d|,

    P(S >= x) <= c P(Z >= x),   Z standard normal,   c = 1 / (4 P(Z >= sqrt 2)) = 3.178...

(Bentkus & Dzindzalieta 2015, Bernoulli 21, 1231-1237; c is the best there is). Hence the p value
2 c P(Z >= |S|): valid at every n and every level, free of a random generator and of the floor
1 / (m + 1) of sampled flips, at the price of c: 0.23 of a standard deviation at p = 1e-6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from harness.stats.power import POWER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

TIGHT_CONSTANT = 1.0 / (4.0 * float(ndtr(-math.sqrt(2.0))))
# A difference below this share of the two values is rounding (sums in another order).
ROUNDING_RTOL = 1e-12


@dataclass(frozen=True)
class Feature:
    """One number per event that both sides' draws are compared by.

    Attributes:
        family: which features are reported as one. name: plain words.
        differences: (n_units,), mine - reference; exchanging the two draws of a unit flips its sign
            and leaves all others as they are.
        mine, reference: estimates over all events, in the unit that the name says.
        is_root: the differences are of squares and the estimates their roots.
    """

    family: str
    name: str
    differences: FloatArray
    mine: float
    reference: float
    is_root: bool = False

    @property
    def n(self) -> int:
        """Units whose two draws differ in this feature; the others carry no information."""
        return int(np.count_nonzero(self.differences))


def feature_of(family: str, name: str, mine: FloatArray, reference: FloatArray) -> Feature:
    """Return the feature with one value per event and side: (n_events,) each."""
    difference = _difference(mine, reference)
    return Feature(family, name, difference, float(mine.mean()), float(reference.mean()))


def squares_of(family: str, name: str, mine: FloatArray, reference: FloatArray) -> Feature:
    """Return the feature of mean squares, shown as roots: (n_events,) each, not below 0."""
    roots = [math.sqrt(float(side.mean())) for side in (mine, reference)]
    return Feature(family, name, _difference(mine, reference), roots[0], roots[1], is_root=True)


def _difference(mine: FloatArray, reference: FloatArray) -> FloatArray:
    difference = mine - reference
    rounding = ROUNDING_RTOL * np.maximum(np.abs(mine), np.abs(reference))
    return np.asarray(np.where(np.abs(difference) <= rounding, 0.0, difference))


def signed_root(differences: FloatArray) -> float:
    """Return S = sum(d) / sqrt(sum(d^2)), in [-sqrt(n), sqrt(n)]; 0 without any difference.

    >>> signed_root(np.array([1.0, 1.0, 1.0, -1.0]))
    1.0
    """
    largest = float(np.abs(differences).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    scaled = differences / largest
    return float(scaled.sum() / math.sqrt(float((scaled**2).sum())))


def flip_p(statistic: float) -> float:
    """Return the two-sided p value of S: never below that of all sign flips.

    >>> round(flip_p(math.sqrt(2.0)), 4), flip_p(0.0)
    (0.5, 1.0)
    """
    return min(1.0, 2.0 * TIGHT_CONSTANT * float(ndtr(-abs(statistic))))


def critical(level: float) -> float:
    """Return the |S| from which on `flip_p` is at most `level`.

    >>> round(critical(1e-6), 2)
    5.11
    """
    return -float(ndtri(level / (2.0 * TIGHT_CONSTANT)))


def least_n(level: float) -> int:
    """Return the differing units that are needed to reach `level`, all of one sign and size.

    >>> least_n(1e-6)
    27
    """
    return math.ceil(critical(level) ** 2)


def smallest_detectable(feature: Feature, level: float, *, power: float = POWER) -> float | None:
    """Return the true effect found with this power at this n, in the unit of the estimates.

    Normal approximation around the spread seen; a constant shift adds to the sum of squares as
    well. None where no shift of the differing units could be found.
    """
    wanted = critical(level) + float(ndtri(power))
    if feature.n <= wanted**2:
        return None
    length = math.sqrt(float((feature.differences**2).sum()) * feature.n)
    effect = length / len(feature.differences) * wanted / math.sqrt(feature.n - wanted**2)
    if not feature.is_root:
        return effect
    return math.sqrt(feature.reference**2 + effect) - feature.reference
