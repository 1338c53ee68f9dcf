"""Features of actions and noises: what two draws made in the same state are compared by.

A feature may use the recorded draw `known`, and anything that exchanging mine and again leaves as
it is. So a policy's scale is tested by the distance to the recorded draw, without knowing the
policy, and the correlation with a side's own draw before by

    sum(m[i] m[i-1] - a[i] a[i-1]) = sum((m[i] - a[i]) (c[i-1] + c[i+1])),   c = (m + a) / 2,

a sum of differences whose signs flip one by one.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.draws_flip import Feature, feature_of, squares_of
from harness.stats.draws_record import DrawRecord, Rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

MAX_ACTIONS = 32  # the most frequent ones get a frequency of their own
MAX_DIMENSIONS = 8  # up to here all pairs of dimensions, beyond it neighbours only
TAIL_SD = 2.0  # beyond this many standard deviations lies the tail: 4.6 % of a normal distribution
# Shares of the recorded draws below the thresholds of the distribution feature.
LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
# |lag-1 correlation| of the recorded noise from which on its episodes are the units, not its steps.
CORRELATED = 0.2


def categorical_features(record: DrawRecord) -> tuple[Feature, ...]:
    """Return features of discrete actions: frequencies, agreement, sequence, environments."""
    rows = rows_of(record, is_flat=True)
    sides = rows.mine[:, 0], rows.again[:, 0]
    return (
        *_frequencies(rows),
        *_agreement(rows, *sides),
        *_sequence(rows),
    )


def _actions(rows: Rows) -> FloatArray:
    """Return the actions that get a feature of their own, ascending."""
    values, counts = np.unique(
        np.concatenate([rows.mine, rows.again, rows.known]), return_counts=True
    )
    return np.sort(values[np.argsort(-counts, kind="stable")[:MAX_ACTIONS]])


def _frequencies(rows: Rows) -> Iterator[Feature]:
    actions = _actions(rows)
    for action in actions:
        shares = (rows.per_event(side[:, 0] == action) for side in (rows.mine, rows.again))
        yield feature_of("frequency", f"frequency of action {action:g}", *shares)
    if len(actions) > 3:
        shares = (rows.per_event(side[:, 0] % 2 == 0) for side in (rows.mine, rows.again))
        yield feature_of("frequency", "frequency of actions with an even number", *shares)
    if rows.counts.max() > 1:
        name = "same action in all parallel environments"
        yield feature_of(name, name, *(_alike(rows, s, actions) for s in (rows.mine, rows.again)))


def _alike(rows: Rows, side: FloatArray, actions: FloatArray) -> FloatArray:
    """Return the chance that two of an event's actions, drawn with replacement, are equal."""
    return np.asarray(sum(rows.per_event(side[:, 0] == action) ** 2 for action in actions))


def _agreement(rows: Rows, mine: FloatArray, again: FloatArray) -> Iterator[Feature]:
    known = rows.known[:, 0]
    agree = [rows.per_event(side == known) for side in (mine, again)]
    name = "agreement with the reference's own draw"
    yield feature_of(name, name, *agree)
    time = np.linspace(-1.0, 1.0, len(agree[0]))
    yield feature_of(name, f"{name}, late minus early", *(side * time for side in agree))
    for action in _actions(rows):
        is_it = known == action
        shares = (rows.per_event((side == action) & is_it) for side in (mine, again))
        yield feature_of(name, f"action {action:g} where the reference drew it too", *shares)


def _sequence(rows: Rows) -> Iterator[Feature]:
    if not rows.is_regular or len(rows.counts) < 2:
        return
    shape = len(rows.counts), int(rows.counts[0])
    one_hot = [
        np.stack([(side.reshape(shape) == a).astype(np.float64) for a in _actions(rows)], axis=2)
        for side in (rows.mine, rows.again, rows.known)
    ]
    is_inside = np.ones(shape[0] - 1, dtype=bool)
    before = "agreement with the recorded draw before"
    yield _handed_on(before, before, one_hot, is_inside, size=1.0)
    own = "agreement with its own draw before"
    yield _own_lag(own, own, one_hot, is_inside, size=1.0)


def value_features(record: DrawRecord) -> tuple[Feature, ...]:
    """Return features of continuous actions ("continuous") or noises ("noise").

    An action is looked at relative to the recorded one, which takes the state's mean away; a noise
    relative to the mean of the recorded noise.
    """
    rows = rows_of(record, is_flat=False)
    is_noise = record.kind == "noise"
    centre = rows.known.mean(axis=0) if is_noise else rows.known
    mine, again = rows.mine - centre, rows.again - centre
    features = (
        *_moments(rows, (mine, again), is_noise=is_noise),
        *_pairs(rows, mine, again),
        *_distribution(rows),
        *_rows_alike(rows, mine, again),
        *_lags(rows, (mine, again), record.groups),
    )
    groups = _units(rows, record.groups) if is_noise else None
    if record.is_grouped:
        groups = _stretches(record.groups)
    if groups is None:
        return features
    return tuple(_summed(feature, groups) for feature in features)


def _moments(
    rows: Rows, sides: tuple[FloatArray, FloatArray], *, is_noise: bool
) -> Iterator[Feature]:
    mine, again = sides
    spread = np.sqrt(((mine**2).mean(axis=0) + (again**2).mean(axis=0)) / 2.0)
    if is_noise:
        spread = rows.known.std(axis=0)
    for d in range(mine.shape[1]):
        means = (rows.per_event(side[:, d]) for side in (rows.mine, rows.again))
        yield feature_of("mean", f"mean of dimension {d}", *means)
        squares = [rows.per_event(side[:, d] ** 2) for side in sides]
        away = "distance to the reference's own draw, dimension"
        scale = f"standard deviation of dimension {d}" if is_noise else f"{away} {d}"
        yield squares_of("scale", scale, *squares)
        limit = TAIL_SD * spread[d]
        tails = (rows.per_event(np.abs(side[:, d]) > limit) for side in sides)
        where = "from the mean" if is_noise else "from the reference's own draw"
        name = f"share beyond {TAIL_SD:g} standard deviations {where}, dimension {d}"
        yield feature_of("tails", name, *tails)


def _pairs(rows: Rows, mine: FloatArray, again: FloatArray) -> Iterator[Feature]:
    n = mine.shape[1]
    size = np.sqrt((mine**2).mean(axis=0) + (again**2).mean(axis=0)) / np.sqrt(2.0)
    pairs = combinations(range(n), 2) if n <= MAX_DIMENSIONS else pairwise(range(n))
    for a, b in pairs:
        scale = size[a] * size[b] or 1.0
        products = (rows.per_event(side[:, a] * side[:, b] / scale) for side in (mine, again))
        name = f"correlation of dimensions {a} and {b}"
        yield feature_of("correlation of dimensions", name, *products)


def _distribution(rows: Rows) -> Iterator[Feature]:
    """Yield the shares below thresholds taken from the recorded draws (like Kolmogorov-Smirnov)."""
    for d in range(rows.known.shape[1]):
        known = rows.known[:, d]
        limits = np.unique([known.min(), *np.quantile(known, LEVELS), known.max()])
        below = [_cumulative(rows, side[:, d], limits) for side in (rows.mine, rows.again)]
        for j, limit in enumerate(limits):
            name = f"share of dimension {d} up to {limit:.4g}"
            yield feature_of("distribution", name, below[0][:, j], below[1][:, j])


def _cumulative(rows: Rows, values: FloatArray, limits: FloatArray) -> FloatArray:
    """Return the share of each event's values that do not exceed each limit."""
    n, k = len(rows.counts), len(limits) + 1
    place = rows.event * k + np.searchsorted(limits, values)
    counts = np.bincount(place, minlength=n * k).reshape(n, k)
    return np.asarray(np.cumsum(counts, axis=1)[:, :-1] / rows.counts[:, None])


def _rows_alike(rows: Rows, mine: FloatArray, again: FloatArray) -> Iterator[Feature]:
    if rows.counts.max() == 1:
        return
    name = "standard deviation between the rows of an event"
    squares = (
        np.mean([_within(rows, side[:, d]) for d in range(side.shape[1])], axis=0)
        for side in (mine, again)
    )
    yield squares_of(name, name, *squares)


def _within(rows: Rows, values: FloatArray) -> FloatArray:
    """Return the variance of the rows of each event around their mean: (n_events,)."""
    return rows.per_event((values - rows.per_event(values)[rows.event]) ** 2)


def _lags(
    rows: Rows, sides: tuple[FloatArray, FloatArray], groups: tuple[int, ...]
) -> Iterator[Feature]:
    if not rows.is_regular or len(rows.counts) < 2:
        return
    shape = len(rows.counts), int(rows.counts[0])
    known = rows.known - rows.known.mean(axis=0)
    stretch = np.array(groups or [0] * shape[0])
    is_inside = stretch[1:] == stretch[:-1]
    for d in range(known.shape[1]):
        columns = [side[:, d].reshape((*shape, 1)) for side in (*sides, known)]
        size = float((columns[0] ** 2).mean() + (columns[1] ** 2).mean()) / 2.0
        for mask, words in ((is_inside, ""), (~is_inside, " across episode starts")):
            if mask.any():
                family = f"lag-1 autocovariance{words}, share of the variance"
                name = f"{family}, dimension {d}"
                yield _own_lag(family, name, columns, mask, size=size)
                yield _handed_on(
                    family, f"{name}, with the draw handed on", columns, mask, size=size
                )


def _own_lag(
    family: str, name: str, sides: list[FloatArray], mask: NDArray[np.bool_], *, size: float
) -> Feature:
    """Return the product of a side's draw with its own draw before.

    Args:
        sides: mine, again (and known, unused): (n_events, n_rows, n_columns).
        mask: (n_events - 1,), True where event i + 1 follows event i in the sense of the feature.
        size: what products are divided by; the same for both sides, or exchanging would not do.
    """
    mine, again = sides[0], sides[1]
    middle = (mine + again) / 2.0
    neighbours = np.zeros_like(middle)
    neighbours[1:] += middle[:-1] * mask[:, None, None]
    neighbours[:-1] += middle[1:] * mask[:, None, None]
    n, scale = max(1, int(mask.sum())), (size or 1.0) * mine.shape[1]
    difference = ((mine - again) * neighbours).sum(axis=(1, 2)) / scale * (len(mine) / n)
    shown = [
        float(((side[1:] * side[:-1]).sum(axis=(1, 2)) * mask).sum() / scale / n)
        for side in (mine, again)
    ]
    return Feature(family, name, difference, shown[0], shown[1])


def _handed_on(
    family: str, name: str, sides: list[FloatArray], mask: NDArray[np.bool_], *, size: float
) -> Feature:
    """Return the product of a side's draw with the recorded draw before, which was handed on."""
    mine, again, known = sides
    n, scale = max(1, int(mask.sum())), (size or 1.0) * mine.shape[1]
    before = known[:-1] * mask[:, None, None] / scale * (len(mine) / n)
    first = np.zeros(1)
    products = (
        np.concatenate([first, (side[1:] * before).sum(axis=(1, 2))]) for side in (mine, again)
    )
    return feature_of(family, name, *products)


def _units(rows: Rows, groups: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return the episode of each event where noise is correlated in time, else None.

    A process like Ornstein-Uhlenbeck keeps a state that no tap hands on: whole episodes, not steps,
    are then exchangeable. Decided by the recorded noise alone, so the choice depends on no sign.
    """
    if not groups or not rows.is_regular or len(rows.counts) < 3:
        return None
    known = (rows.known - rows.known.mean(axis=0)).reshape(len(rows.counts), -1)
    stretch = np.array(groups)
    is_inside = (stretch[1:] == stretch[:-1])[:, None]
    size = float((known**2).mean()) * max(1, int(is_inside.sum())) * known.shape[1]
    lag = float((known[1:] * known[:-1] * is_inside).sum()) / size if size else 0.0
    if abs(lag) <= CORRELATED:
        return None
    return _stretches(groups)


def _stretches(groups: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the stretch of equal groups that each event belongs to."""
    stretch = np.array(groups)
    return np.cumsum(np.concatenate([[0], (stretch[1:] != stretch[:-1]).astype(np.int64)]))


def _summed(feature: Feature, groups: NDArray[np.int64]) -> Feature:
    scale = (groups[-1] + 1) / len(groups)  # the mean over units stays the mean over events
    sums = np.bincount(groups, weights=feature.differences) * scale
    return Feature(
        feature.family, feature.name, sums, feature.mine, feature.reference, feature.is_root
    )
