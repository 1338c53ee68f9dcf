"""Equivalence of the two endpoints of one environment, with what it would take to show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.judgement import EndpointTest, Interval
from harness.records import Margin
from harness.stats.equivalence import Equivalence, difference_interval, mean_interval, tost
from harness.stats.grid import EndpointValues, area_under_curve, final_performance
from harness.stats.power import Spread, minimum_detectable, seeds_for_parity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Curves

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class EndpointRules:
    """Error rates and margin of the endpoint tests.

    Attributes:
        alpha: error rate of the whole comparison; plans (seeds, detectable difference) use it.
        alpha_spent: what this look may spend on equivalence, from `look_levels`; 0: this look
            cannot decide, intervals are then shown at level 1 - 2 alpha.
    """

    margin: Margin
    alpha: float
    alpha_spent: float
    is_paired: bool = False

    @property
    def level(self) -> float:
        """Confidence level of intervals that match the two one-sided tests."""
        return 1.0 - 2.0 * (self.alpha_spent if self.alpha_spent > 0.0 else self.alpha)


def endpoint_tests(
    mine: Curves, reference: Curves, *, rules: EndpointRules
) -> tuple[EndpointTest, EndpointTest]:
    """Return the tests of area under the curve and of final performance, in this order.

    Never raises for few or missing seeds: what cannot be computed is None or NaN and `reason` says
    why. Null hypothesis and assumptions: `harness.stats.equivalence.tost`.

    Raises:
        ValueError: the sides have different checkpoints, or a paired design unequal seeds.
    """
    return (
        _endpoint_test("auc", area_under_curve(mine, reference), rules),
        _endpoint_test("final", final_performance(mine, reference), rules),
    )


def _endpoint_test(
    endpoint: Literal["auc", "final"], values: EndpointValues, rules: EndpointRules
) -> EndpointTest:
    mine, reference = values.mine, values.reference
    tested = _tested(values, rules)
    spread = Spread(_sd(mine), _sd(reference))
    is_equivalent = (
        tested.p is not None and rules.alpha_spent > 0.0 and tested.p <= rules.alpha_spent
    )
    return EndpointTest(
        endpoint=endpoint,
        mine=mean_interval(mine, level=rules.level),
        reference=mean_interval(reference, level=rules.level),
        difference=_difference(values, rules),
        margin=tested.margin,
        p_equivalence=tested.p,
        is_equivalent=is_equivalent,
        minimum_detectable=minimum_detectable(
            spread, (len(mine), len(reference)), alpha=rules.alpha
        ),
        seeds_for_parity=seeds_for_parity(rules.margin, spread, alpha=rules.alpha),
        reason=tested.reason,
    )


def _tested(values: EndpointValues, rules: EndpointRules) -> Equivalence:
    """Return the equivalence test, or why there is none."""
    for side, runs in (("mine", values.mine), ("reference", values.reference)):
        if len(runs) < 2:
            reason = f"{side} has {len(runs)} seed(s), equivalence needs at least 2"
            gap = _mean(values.mine) - _mean(values.reference)
            return Equivalence(gap, math.nan, None, reason)
    tested = tost(values.mine, values.reference, margin=rules.margin, is_paired=rules.is_paired)
    if tested.p is not None and rules.alpha_spent <= 0.0:
        reason = "with this many seeds no data could show equivalence; later looks can"
        return Equivalence(tested.difference, tested.margin, tested.p, reason)
    return tested


def _difference(values: EndpointValues, rules: EndpointRules) -> Interval:
    mine, reference = values.mine, values.reference
    is_testable = min(len(mine), len(reference)) >= 2
    if is_testable and np.isfinite(mine).all() and np.isfinite(reference).all():
        return difference_interval(mine, reference, level=rules.level, is_paired=rules.is_paired)
    return Interval(_mean(mine) - _mean(reference), math.nan, math.nan, rules.level)


def _mean(values: FloatArray) -> float:
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean: NaN
        return float(values.mean()) if len(values) else math.nan


def _sd(values: FloatArray) -> float:
    is_usable = len(values) > 1 and np.isfinite(values).all()
    return float(values.std(ddof=1)) if is_usable else math.nan
