"""Draw tests: does mine draw its random numbers from the reference's distribution?

Replaying mine against the reference's record hands on every recorded draw, so both are in the same
state before each of them. Per event there are three draws in one state: `known`, which the record
holds, `again` of the reference under another seed, and `mine`.

Null hypothesis: given everything that was handed on, mine[i] and again[i] are exchangeable, event
by event (each draw takes fresh random numbers). Assumptions: mine, again and the record are seeded
differently; the state before a draw was handed on completely, or the draw's units are whole
stretches (epochs, episodes of correlated noise). Dependence between events through the environment
does no harm: it runs through the record, which is given. Every feature is a sum of differences
whose signs are then independent fair coins, however large the differences, so that p
(draws_flip.py) holds at every n. Holm over all features of all sources controls the family-wise
error strongly, whatever the dependence between features.

Smallest usable n: about 30 differing units at the default level (`least_n`); below it the answer
is "not rejected" with the reason. A non-rejection does not show that the draws are the same: see
`smallest_detectable`, and the features are those that known mistakes leave a trace in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.draws_exact import exact_findings, is_same_stream
from harness.stats.draws_flip import (
    Feature,
    flip_p,
    least_n,
    signed_root,
    smallest_detectable,
)
from harness.stats.draws_record import DrawRecord, DrawTest, Exact, Law
from harness.stats.draws_rows import index_features, permutation_features
from harness.stats.draws_values import categorical_features, value_features
from harness.stats.draws_weights import weight_features
from harness.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Callable

# One comparison in ten thousand: draw tests run in every comparison with hundreds of events, where
# the way from 1e-3 to 1e-4 costs 16 % more of them (critical values 4.9 and 5.4 of 400 features).
DRAW_ALPHA = 1e-4

FEATURES: dict[str, Callable[[DrawRecord], tuple[Feature | Law, ...]]] = {
    "weights": weight_features,
    "categorical": categorical_features,
    "continuous": value_features,
    "noise": value_features,
    "indices": index_features,
    "permutation": permutation_features,
    "once": lambda _record: (),
}


def draw_tests(records: Sequence[DrawRecord], *, alpha: float = DRAW_ALPHA) -> tuple[DrawTest, ...]:
    """Return one test per source and family of features; of a family its most extreme feature.

    Null hypothesis, assumptions and meaning: see the module. What cannot happen by chance (a row
    that does not exist, another constant) is rejected without a test and costs no part of alpha.

    Args:
        records: one per source; draws of the same source may be several records.
        alpha: family-wise error rate over everything that is tested here.

    >>> rng = np.random.default_rng(0)
    >>> mine, again, known = (tuple(rng.normal(0, s, (200, 1))) for s in (2.0, 1.0, 1.0))
    >>> tests = draw_tests([DrawRecord("noise", "noise", mine, again, known)])
    >>> [test.feature for test in tests if test.is_rejected][:1]
    ['standard deviation of dimension 0']
    """
    exact = [(record, found) for record in records for found in exact_findings(record)]
    tested = [(record, item) for record in records for item in _features(record)]
    p = [flip_p(_statistic(item)) if isinstance(item, Feature) else item.p for _, item in tested]
    adjusted = holm(p)
    level = alpha / max(1, len(p))
    chosen: dict[tuple[int, str], int] = {}
    for i, (record, item) in enumerate(tested):
        key = (id(record), item.family)
        if key not in chosen or p[i] < p[chosen[key]]:
            chosen[key] = i
    return (
        *(_impossible(record, found) for record, found in exact),
        *(
            _untested(record, reason)
            for record in records
            if (reason := _why_not(record) or _nothing_random(record, tested, exact))
        ),
        *(
            _tested(*tested[i], p=(p[i], float(adjusted[i])), levels=(alpha, level))
            for i in chosen.values()
        ),
    )


def _features(record: DrawRecord) -> tuple[Feature | Law, ...]:
    return () if _why_not(record) else FEATURES[record.kind](record)


def _why_not(record: DrawRecord) -> str:
    """Return why the record cannot be tested, or nothing."""
    if not record.known:
        return "no draw of this source was seen on both sides"
    if not all(np.isfinite(draw).all() for event in record.events() for draw in event):
        return "some draws are NaN or infinite"
    if is_same_stream(record):
        return "mine repeats the recorded draws bit by bit: same generator and seed, no second draw"
    return ""


def _nothing_random(record: DrawRecord, *found: Sequence[tuple[DrawRecord, object]]) -> str:
    if any(owner is record for part in found for owner, _ in part):
        return ""
    if record.kind == "once":
        return "each row is taken once, as by the reference; the order is of no consequence"
    return "nothing is random here: compared exactly, and equal"


def _statistic(item: Feature | Law) -> float:
    return item.statistic if isinstance(item, Law) else signed_root(item.differences)


def _tested(
    record: DrawRecord,
    item: Feature | Law,
    *,
    p: tuple[float, float],
    levels: tuple[float, float],
) -> DrawTest:
    """Return the test of one feature.

    Args:
        p: alone, adjusted. levels: alpha, and its part for one feature.
    """
    is_rejected = p[1] <= levels[0]
    reason, detectable = "", None
    if isinstance(item, Feature):
        detectable = smallest_detectable(item, levels[1])
        needed = least_n(levels[1])
        if not is_rejected and item.n < needed:
            reason = f"{item.n} differing draws cannot reach this level; at least {needed} can"
    statistic, shown = _statistic(item), (item.mine, item.reference)
    name = ", ".join(filter(None, (item.name, record.part)))
    return DrawTest(
        record.source, name, item.n, statistic, *p, is_rejected, *shown, detectable, reason
    )


def _impossible(record: DrawRecord, found: Exact) -> DrawTest:
    shown = found.mine, found.reference
    n = len(record.known)
    infinite = float("inf")
    return DrawTest(
        record.source, found.feature, n, infinite, 0.0, 0.0, True, *shown, None, found.reason
    )


def _untested(record: DrawRecord, reason: str) -> DrawTest:
    nothing = float("nan")
    return DrawTest(record.source, "draws", 0, 0.0, 1.0, 1.0, False, nothing, nothing, None, reason)
