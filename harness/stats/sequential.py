"""Group-sequential looks: seeds are added, and each look may spend a part of the error rate.

The level of look k is what the spending function releases at it; the levels sum to at most alpha,
so by the union bound the chance of any false rejection over all looks is at most alpha, whatever
the dependence between looks and whatever the test. (Boundaries that exploit the correlation of
looks assume a normal score process, which five seeds and a permutation test do not give.)

Differences are spent by the Pocock type (early looks get a fair part: a broken implementation
should be found with few seeds), equivalence by the cube of the share (parity needs precision, which
only later looks have).

Sources: Lan & DeMets (1983), Biometrika 70, 659-663: spending, Pocock type; Kim & DeMets (1987),
Biometrika 74, 149-154: power family; the same design for RL seeds: Mathieu et al. (2023), AdaStop,
arXiv:2306.10882.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

# Own seeds per side at each look. Three is the least that shows a spread; the last is where the
# chance of showing A/A parity within one reference standard deviation is high (see docs).
DEFAULT_LOOKS = (3, 5, 8, 12, 20)
# Exponent of the power family for equivalence; 3 is near O'Brien-Fleming (Kim & DeMets 1987).
EQUIVALENCE_EXPONENT = 3

Spending = Callable[[float, float], float]


def spend_on_difference(share: float, alpha: float) -> float:
    """Return the error rate spent when `share` of the last look's own seeds have been seen.

    Pocock type: alpha ln(1 + (e - 1) share).

    Raises:
        ValueError: share or alpha lies outside [0, 1].

    >>> spend_on_difference(0.0, 0.05), spend_on_difference(1.0, 0.05)
    (0.0, 0.05)
    """
    _check_share(share, alpha)
    return alpha if share == 1.0 else alpha * math.log1p((math.e - 1.0) * share)


def spend_on_equivalence(share: float, alpha: float) -> float:
    """Return the error rate spent when `share` of the last look's own seeds have been seen.

    Power family: alpha share^3.

    Raises:
        ValueError: share or alpha lies outside [0, 1].

    >>> spend_on_equivalence(0.5, 0.04)
    0.005
    """
    _check_share(share, alpha)
    return alpha * share**EQUIVALENCE_EXPONENT


def look_levels(
    looks: Sequence[int],
    alpha: float,
    smallest_p: Sequence[float],
    *,
    n_hypotheses: int = 1,
    spending: Spending = spend_on_difference,
) -> tuple[float, ...]:
    """Return the nominal level of each look; the levels sum to at most alpha.

    A look at which no data could reject (its smallest reachable p, times the number of hypotheses
    for Holm's first step, exceeds what would be spent) spends nothing and hands its part on. The
    plan depends on the numbers of seeds only, never on results.

    Args:
        looks: own seeds at each look, increasing.
        smallest_p: smallest reachable p value at each look (`permutation.smallest_p`, or
            `equivalence.smallest_p_equivalence`); 1 or more: cannot reject at all.
        n_hypotheses: hypotheses that Holm's procedure shares the look's level between; 1 for
            equivalence, which needs every env and endpoint (intersection-union, Berger 1982).
        spending: (share, alpha) -> error rate spent so far.

    Raises:
        ValueError: looks are not increasing, lengths differ, or n_hypotheses is below 1.

    >>> [round(level, 4) for level in look_levels((3, 5, 8), 0.05, (0.1, 0.0079, 0.0002))]
    [0.0, 0.0365, 0.0135]
    """
    _check_looks(looks, smallest_p, n_hypotheses)
    levels: list[float] = []
    for look, least in zip(looks, smallest_p, strict=True):
        available = max(0.0, spending(look / looks[-1], alpha) - math.fsum(levels))
        is_reachable = least < 1.0 and least * n_hypotheses <= available
        levels.append(available if is_reachable else 0.0)
    return tuple(levels)


def _check_share(share: float, alpha: float) -> None:
    if not 0.0 <= share <= 1.0 or not 0.0 <= alpha <= 1.0:
        msg = f"share and alpha must lie in [0, 1], seen {share} and {alpha}"
        raise ValueError(msg)


def _check_looks(looks: Sequence[int], smallest_p: Sequence[float], n_hypotheses: int) -> None:
    if not looks or looks[0] < 1 or any(a >= b for a, b in pairwise(looks)):
        msg = f"looks must be increasing numbers of seeds, seen {tuple(looks)}"
        raise ValueError(msg)
    if len(smallest_p) != len(looks):
        msg = f"expected one smallest p per look, seen {len(smallest_p)} for {len(looks)} looks"
        raise ValueError(msg)
    if n_hypotheses < 1:
        msg = f"n_hypotheses must be at least 1, seen {n_hypotheses}"
        raise ValueError(msg)
