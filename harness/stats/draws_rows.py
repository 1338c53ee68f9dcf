"""Features of drawn rows: replay indices and the order of minibatches within an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.draws_flip import Feature, feature_of
from harness.stats.draws_record import DrawRecord, Exact, Law, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

DECILES = np.arange(1, 10) / 10.0
# The reference's own order is taken as shuffled unless its p value under that law is below this.
SHUFFLED_P = 1e-3


def index_features(record: DrawRecord) -> tuple[Feature, ...]:
    """Return features of replay indices, as shares of the rows available at each event."""
    rows = rows_of(record, is_flat=True)
    available = np.repeat(np.array(record.capacity, dtype=np.float64), rows.counts)
    columns = [
        _index_columns(side[:, 0], available, rows.event) for side in (rows.mine, rows.again)
    ]
    features = [
        feature_of(
            name.partition(",")[0], name, *(rows.per_event(column[name]) for column in columns)
        )
        for name in columns[0]
    ]
    shares = [(side[:, 0] + 0.5) / available for side in (rows.mine, rows.again)]
    return (*features, *_extremes(rows.counts, shares))


def _index_columns(
    index: FloatArray, available: FloatArray, event: IntArray
) -> dict[str, FloatArray]:
    """Return name -> one value per drawn row, whose mean per event is the feature."""
    share = (index + 0.5) / available
    off = share - 0.5
    follows = np.concatenate([[False], event[1:] == event[:-1]])
    columns = {
        "mean row drawn, as a share of what is stored": share,
        "spread of rows drawn (mean square from the middle, 1/12 if uniform)": off**2,
        "newest row": (index == available - 1).astype(np.float64),
        "oldest row": (index == 0).astype(np.float64),
        "rows with an even number": (index % 2 == 0).astype(np.float64),
        "correlation of successive rows in a minibatch": 12.0 * off * np.roll(off, 1) * follows,
        "repeated rows in a minibatch, share": _repeats(index, event),
    }
    for level in DECILES:
        name = f"deciles, share of rows in the oldest {level:.0%} of what is stored"
        columns[name] = (share <= level).astype(np.float64)
    return columns


def _repeats(index: FloatArray, event: IntArray) -> FloatArray:
    """Return 1 for each row that its event drew already (in the order of row numbers)."""
    order = np.lexsort((index, event))
    repeated = np.zeros(len(index))
    same = (index[order][1:] == index[order][:-1]) & (event[order][1:] == event[order][:-1])
    repeated[order[1:]] = same
    return repeated


def _extremes(counts: IntArray, shares: list[FloatArray]) -> Iterator[Feature]:
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for ufunc, word in ((np.minimum, "smallest"), (np.maximum, "largest")):
        name = f"{word} row drawn, as a share of what is stored"
        yield feature_of(name, name, *(ufunc.reduceat(share, starts) for share in shares))


def out_of_range(record: DrawRecord) -> tuple[Exact, ...]:
    """Return the finding that mine draws rows that do not exist, where the reference never does."""
    rows = rows_of(record, is_flat=True)
    available = np.repeat(np.array(record.capacity), rows.counts)
    mine, again, known = (
        int(np.count_nonzero(~((side[:, 0] >= 0) & (side[:, 0] < available))))
        for side in (rows.mine, rows.again, rows.known)
    )
    if not mine or again or known:
        return ()
    reason = f"{mine} of {len(available)} rows lie outside 0 .. rows stored - 1"
    return (Exact("rows that are not stored", float(mine), 0.0, reason),)


@dataclass(frozen=True)
class _Epoch:
    """One side's order of one epoch.

    Attributes:
        order: (n_rows,) row numbers, minibatch after minibatch. batch: (n_rows,) its minibatch.
        env: (n_rows,) environment of each row; None where rows are single numbers.
        total: rows that an epoch has to hold.
    """

    order: IntArray
    batch: IntArray
    env: IntArray | None
    total: int


@dataclass(frozen=True)
class _Epochs:
    """All epochs of a record, one of each side at every place."""

    mine: tuple[_Epoch, ...]
    again: tuple[_Epoch, ...]
    known: tuple[_Epoch, ...]


def permutation_features(record: DrawRecord) -> tuple[Feature | Law, ...]:
    """Return features of the order of rows; whole epochs are the units.

    One permutation used for several epochs is a legitimate variation: an epoch in which a side
    repeats its epoch before is left out, on both sides.
    """
    epochs = _epochs(record)
    pairs = [
        (mine, again)
        for i, (mine, again) in enumerate(zip(epochs.mine, epochs.again, strict=True))
        if i == 0
        or not (_is_same(mine, epochs.mine[i - 1]) or _is_same(again, epochs.again[i - 1]))
    ]
    mine, again = ([_order_numbers(pair[k]) for pair in pairs] for k in range(2))
    features = (
        feature_of(name, name, *(np.array([row[name] for row in side]) for side in (mine, again)))
        for name in mine[0]
    )
    return (*features, *_is_shuffled(epochs))


def once_per_epoch(record: DrawRecord) -> tuple[Exact, ...]:
    """Return the finding that mine repeats or invents rows, as the reference never does.

    An epoch that ends early (a limit on the divergence) is judged by the rows it used.
    """
    epochs = _epochs(record)
    mine, again, known = (
        sum(_wrong_rows(epoch) for epoch in side)
        for side in (epochs.mine, epochs.again, epochs.known)
    )
    if not mine or again or known:
        return ()
    n = sum(len(epoch.order) for epoch in epochs.mine)
    reason = f"{mine} of {n} rows were used before in the same epoch or do not exist"
    return (Exact("each row once per epoch", float(mine), 0.0, reason),)


def _wrong_rows(epoch: _Epoch) -> int:
    inside = epoch.order[(epoch.order >= 0) & (epoch.order < epoch.total)]
    return len(epoch.order) - len(np.unique(inside))


def _is_same(one: _Epoch, other: _Epoch) -> bool:
    n = min(len(one.order), len(other.order))  # an epoch may end early
    return bool(np.array_equal(one.order[:n], other.order[:n]))


def _epochs(record: DrawRecord) -> _Epochs:
    groups = np.array(record.groups or range(len(record.known)))
    is_pair = all(known.ndim == 2 and known.shape[1] == 2 for known in record.known)
    n_envs = 1 + max(int(known[:, 1].max()) for known in record.known) if is_pair else 1
    sides = []
    for draws in (record.mine, record.again, record.known):
        epochs = []
        for group in dict.fromkeys(groups.tolist()):
            members = np.flatnonzero(groups == group)
            chosen = [np.asarray(draws[i], dtype=np.int64) for i in members]
            epochs.append(_epoch(chosen, n_envs if is_pair else None, record.capacity[members[0]]))
        sides.append(tuple(epochs))
    return _Epochs(*sides)


def _epoch(chosen: list[IntArray], n_envs: int | None, total: int) -> _Epoch:
    sizes = [len(rows) if n_envs else rows.size for rows in chosen]
    batch = np.repeat(np.arange(len(chosen)), sizes)
    if n_envs is None:
        return _Epoch(np.concatenate([rows.reshape(-1) for rows in chosen]), batch, None, total)
    rows = np.concatenate(chosen)
    is_env = (rows[:, 1] >= 0) & (rows[:, 1] < n_envs)
    return _Epoch(np.where(is_env, rows[:, 0] * n_envs + rows[:, 1], -1), batch, rows[:, 1], total)


def _order_numbers(epoch: _Epoch) -> dict[str, float]:
    """Return name -> number of one epoch's order; rows count from 0 to 1."""
    off = (epoch.order + 0.5) / epoch.total - 0.5
    place = (np.arange(len(off)) + 0.5) / len(off) - 0.5
    sizes = np.bincount(epoch.batch)
    means = np.bincount(epoch.batch, weights=off) / sizes
    numbers = {
        "correlation of successive rows": _mean(12.0 * off[1:] * off[:-1]),
        "distance of successive rows": _mean(np.abs(np.diff(off))),
        "correlation of a row with its place in the order": _mean(12.0 * off * place),
        "first row of the order": float(off[0] + 0.5),
        "spread of rows in a minibatch": _mean((off - means[epoch.batch]) ** 2),
    }
    if epoch.env is not None:
        name = "successive rows of the same environment, share"
        numbers[name] = _mean((np.diff(epoch.env) == 0).astype(np.float64))
    return numbers


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _is_shuffled(epochs: _Epochs) -> tuple[Law, ...]:
    """Return the test of mine's first order against "shuffled", if the reference's looks shuffled.

    In a uniformly random order of n rows, a given step between successive rows occurs k or more
    times with a chance of at most 1 / k! (its k-th factorial moment is at most 1); some of the
    2 (n - 1) steps does so with at most 2 (n - 1) / k!. One epoch is enough for this.
    """
    mine, again, known = (
        _commonest_step(side[0].order) for side in (epochs.mine, epochs.again, epochs.known)
    )
    n = len(epochs.mine[0].order)
    p, *others = (_step_p(count, n) for count in (mine, again, known))
    if min(others) < SHUFFLED_P:
        return ()
    name = "commonest step between successive rows, occurrences in the first epoch"
    return (Law("shuffling", name, n, float(mine), p, float(mine), (again + known) / 2.0),)


def _commonest_step(order: IntArray) -> int:
    steps = np.diff(order)
    return int(np.unique(steps, return_counts=True)[1].max()) if len(steps) else 0


def _step_p(count: int, n: int) -> float:
    return min(1.0, math.exp(math.log(max(1, 2 * (n - 1))) - math.lgamma(count + 1)))
