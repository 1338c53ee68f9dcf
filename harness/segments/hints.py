"""What a failing segment's numbers say: every simple relation that fits all failing elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.segments.tape import Event, Slot

Floats = NDArray[np.float64]

# A relation fits when no element is off by more than this share of the largest entry.
FIT = 1e-4
# Failing events looked at; a relation must fit all of them.
EVENTS_KEPT = 20
MIN_ELEMENTS = 2


@dataclass(frozen=True)
class Failing:
    """One field of one event that differs, with what hints may look at.

    Attributes:
        batch: the reference's minibatch of the same update, or None.
        before: the reference's previous event of the same quantity, or None.
    """

    slot: Slot
    field: str
    size: float
    share: float
    ours: Event
    theirs: Event
    batch: Event | None
    before: Event | None

    @property
    def mine(self) -> Floats:
        """Mine, flat."""
        return self.ours.arrays[self.field].astype(np.float64).ravel()

    @property
    def reference(self) -> Floats:
        """The reference's, flat."""
        return self.theirs.arrays[self.field].astype(np.float64).ravel()

    @property
    def is_same_shape(self) -> bool:
        """Whether mine and the reference's have as many elements."""
        return self.mine.size == self.reference.size


def hints_of(failing: Sequence[Failing]) -> tuple[str, ...]:
    """Return every hint that fits the first failing field in all its events; may be empty."""
    field = failing[0].field
    kept = [one for one in failing if one.field == field][:EVENTS_KEPT]
    if not all(one.is_same_shape for one in kept):
        shapes = kept[0].ours.arrays[field].shape, kept[0].theirs.arrays[field].shape
        return (f"shape {shapes[0]} where the reference has {shapes[1]}",)
    found = [hint(kept) for hint in (_rows, _factor, _offset, _permuted, _lag)]
    return tuple(sentence for sentence in found if sentence)


def _close(a: Floats, b: Floats) -> bool:
    scale = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    return bool(np.all(np.isfinite(a)) and np.all(np.abs(a - b) <= FIT * scale))


def _stacked(kept: Sequence[Failing]) -> tuple[Floats, Floats]:
    return (
        np.concatenate([one.mine for one in kept]),
        np.concatenate([one.reference for one in kept]),
    )


def _factor(kept: Sequence[Failing]) -> str:
    """A constant factor over all elements, fitted by least squares."""
    mine, reference = _stacked(kept)
    power = float(reference @ reference)
    if mine.size < MIN_ELEMENTS or power == 0 or not np.isfinite(mine).all():
        return ""
    factor = float(mine @ reference) / power
    if not _close(mine, factor * reference):
        return ""
    if _close(mine, -reference):
        return "the sign is turned"
    return f"constant factor {factor:.6g}"


def _offset(kept: Sequence[Failing]) -> str:
    """A constant difference over all elements."""
    mine, reference = _stacked(kept)
    if mine.size < MIN_ELEMENTS or not np.isfinite(mine).all():
        return ""
    offset = float(np.mean(mine - reference))
    return f"constant offset {offset:+.6g}" if _close(mine, reference + offset) else ""


def _permuted(kept: Sequence[Failing]) -> str:
    """The same values in another order."""
    is_permuted = all(
        one.mine.size >= MIN_ELEMENTS and _close(np.sort(one.mine), np.sort(one.reference))
        for one in kept
    )
    return "the same values in another order" if is_permuted else ""


def _lag(kept: Sequence[Failing]) -> str:
    """Mine is what the reference had one event earlier."""
    late = [one for one in kept if one.before is not None]
    is_late = bool(late) and all(
        one.before is not None
        and one.field in one.before.arrays
        and one.before.arrays[one.field].size == one.mine.size
        and _close(one.mine, one.before.arrays[one.field].astype(np.float64).ravel())
        for one in late
    )
    return "mine is the reference's previous value: a lag of one" if is_late else ""


def _rows(kept: Sequence[Failing]) -> str:
    """Exactly the rows of the minibatch with some flag are off."""
    conditions: tuple[tuple[str, Callable[[Event], Floats | None]], ...] = (
        ("terminated = 1", lambda batch: _column(batch, "terminated", lambda x: x != 0)),
        ("terminated = 0", lambda batch: _column(batch, "terminated", lambda x: x == 0)),
        ("a negative reward", lambda batch: _column(batch, "rewards", lambda x: x < 0)),
    )
    fitting = [words for words, mask_of in conditions if _explains(kept, mask_of)]
    return f"only rows with {' or '.join(fitting)} are off" if fitting else ""


def _column(batch: Event, name: str, holds: Callable[[Floats], NDArray[np.bool_]]) -> Floats | None:
    column = batch.arrays.get(name)
    return None if column is None else holds(column.astype(np.float64).ravel()).astype(np.float64)


def _explains(kept: Sequence[Failing], mask_of: Callable[[Event], Floats | None]) -> bool:
    """Return whether in every event all rows that are off have the flag, and some row has not."""
    n_clear = 0
    for one in kept:
        mask = mask_of(one.batch) if one.batch is not None else None
        if mask is None or mask.size != one.mine.size:
            return False
        off = np.abs(one.mine - one.reference) > FIT * max(
            1e-12, float(np.abs(one.reference).max())
        )
        if (off & (mask == 0)).any():
            return False
        n_clear += int((mask == 0).sum())
    return n_clear > 0
