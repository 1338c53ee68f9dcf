"""What a draw test is given and what it answers; rows of events side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

DrawKind = Literal[
    "weights", "categorical", "continuous", "indices", "permutation", "once", "noise"
]


@dataclass(frozen=True)
class DrawRecord:
    """The draws of one source, event by event, all three made in the same state.

    `known` are the recorded draws of the reference, which were handed on; `again` those that the
    reference makes when it is replayed against its own record, `mine` those that mine makes.
    **Mine and again must be seeded differently from the record and from each other**: mine with
    the record's own seed may repeat its draws, and then is no independent draw.

    Attributes:
        source: name of the tap. kind: how its draws are looked at.
        mine, again, known: one array per event, the same shape at index i on all three.
            weights: one parameter of one seed. categorical: whole numbers, one per environment.
            continuous, noise: (..., dimensions), one row per environment or row of a minibatch; a
            1-D array is one row. indices: places in 0 .. capacity - 1. permutation, once: (rows,)
            row numbers, or (rows, 2) pairs of step and environment; of once the order is free.
        capacity: indices: rows available at each event; permutation, once: rows of the whole epoch.
        groups: permutation, once: epoch of each event, a new number for each epoch; noise,
            continuous: episode of each event (one environment). Empty: one group.
        is_grouped: noise, continuous: draws of a group depend on each other through a state that
            nothing hands on, so that whole groups are what can be exchanged.
        labels: weights: name of the parameter at each event, the same over seeds.
        part: which part of the draw this is, where it has several; "" for the whole.
    """

    source: str
    kind: DrawKind
    mine: tuple[NDArray[np.generic], ...]
    again: tuple[NDArray[np.generic], ...]
    known: tuple[NDArray[np.generic], ...]
    capacity: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    is_grouped: bool = False
    part: str = ""

    def __post_init__(self) -> None:
        """Refuse records whose parts do not belong together."""
        n = len(self.known)
        per_event = {"mine": self.mine, "again": self.again}
        optional = {"capacity": self.capacity, "groups": self.groups, "labels": self.labels}
        rows = dict.fromkeys(("indices", "permutation", "once"), ("capacity",))
        needed = {**rows, "weights": ("labels",)}
        for name, values in {**per_event, **optional}.items():
            is_absent = not values and name in optional and name not in needed.get(self.kind, ())
            if len(values) != n and not is_absent:
                msg = f"{self.source}: expected one value of {name} per event, {n}, seen "
                raise ValueError(msg + str(len(values)))
        for i, (mine, again, known) in enumerate(self.events()):
            if not mine.shape == again.shape == known.shape:
                msg = f"{self.source}: event {i} has shapes {mine.shape} (mine), {again.shape} "
                msg += f"(again), {known.shape} (known); leave out events whose shapes differ"
                raise ValueError(msg)
            if not known.size:
                msg = f"{self.source}: event {i} is empty; leave out events that draw nothing"
                raise ValueError(msg)

    def events(
        self,
    ) -> zip[tuple[NDArray[np.generic], NDArray[np.generic], NDArray[np.generic]]]:
        """Iterate over (mine, again, known) of each event."""
        return zip(self.mine, self.again, self.known, strict=True)


@dataclass(frozen=True)
class DrawTest:
    """The test of one family of features of one source.

    Attributes:
        source: name of the tap. feature: the one of the family that differs most, in plain words.
        n: events (weights: elements) whose two draws differ in this feature.
        statistic: S of the exchange test, mine - reference; infinite where a draw is impossible.
        p: of this feature alone. p_adjusted: Holm, over all features of all sources.
        mine, reference: estimates over all events, in the unit that the feature says.
        smallest_detectable: difference of the estimates found with 80 % power; None: unknown.
        reason: why it was rejected without a test, or could not be rejected; else empty.
    """

    source: str
    feature: str
    n: int
    statistic: float
    p: float
    p_adjusted: float
    is_rejected: bool
    mine: float
    reference: float
    smallest_detectable: float | None
    reason: str = ""


@dataclass(frozen=True)
class Exact:
    """Something that cannot happen by chance: it costs no part of alpha.

    Attributes:
        feature: what was checked. mine, reference: counts or values seen.
        reason: what is impossible about mine.
    """

    feature: str
    mine: float
    reference: float
    reason: str


@dataclass(frozen=True)
class Law:
    """A test of mine's draws against a law that the reference's draws agree with.

    Attributes:
        family, name: as of a feature. n: what `mine` was counted in. p: its p value under the law.
        mine, reference: values seen.
    """

    family: str
    name: str
    n: int
    statistic: float
    p: float
    mine: float
    reference: float


@dataclass(frozen=True)
class Rows:
    """The rows of all events of one source below each other.

    Attributes:
        mine, again, known: (n_rows, n_dimensions). event: (n_rows,) ascending event numbers.
        counts: (n_events,) rows of each event, at least 1.
    """

    mine: FloatArray
    again: FloatArray
    known: FloatArray
    event: NDArray[np.int64]
    counts: NDArray[np.int64]

    def per_event(self, values: FloatArray) -> FloatArray:
        """Return the mean over the rows of each event: (n_rows,) to (n_events,)."""
        if len(self.event) == len(self.counts):
            return np.asarray(values, dtype=np.float64)
        sums = np.bincount(self.event, weights=values, minlength=len(self.counts))
        return np.asarray(sums / self.counts)

    @property
    def is_regular(self) -> bool:
        """Whether every event has as many rows as the first."""
        return bool((self.counts == self.counts[0]).all())


def rows_of(record: DrawRecord, *, is_flat: bool) -> Rows:
    """Return the rows of the record, which has at least one event.

    Args:
        is_flat: every element is a row of one dimension; else the last axis are dimensions.
    """
    widths = {1 if is_flat or not known.ndim else known.shape[-1] for known in record.known}
    if len(widths) > 1:
        msg = f"{record.source}: expected one number of dimensions, seen {sorted(widths)}"
        raise ValueError(msg)
    width = widths.pop()
    counts = np.array([known.size // width for known in record.known], dtype=np.int64)
    mine, again, known = (
        np.concatenate([np.asarray(draw, dtype=np.float64).reshape(-1, width) for draw in draws])
        for draws in (record.mine, record.again, record.known)
    )
    return Rows(mine, again, known, np.repeat(np.arange(len(counts)), counts), counts)
