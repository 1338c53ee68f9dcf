"""What hints are derived from: pairs of arrays that differ, and when a relation explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.segments.tape import Event, Slot, Tape, fits

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A relation fits when no element is off by more than this share of the largest entry ...
FIT = 1e-4
# ... nor by more than this share of what it is to explain, the largest difference ...
EXPLAINED = 0.02
# ... where four rounding units of float32 (2^-23) are always granted.
ROUNDING = 4 * 2.0**-23
# Failing events looked at; a relation must fit all of them.
EVENTS_KEPT = 20
# A relation with one free number needs this many elements.
MIN_ELEMENTS = 2


@dataclass(frozen=True)
class Failing:
    """One field of one event that differs, with what hints may look at.

    Attributes:
        share: of its elements that are off.
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


@dataclass(frozen=True)
class Context:
    """Where a quantity comes from.

    Attributes:
        tap: name of the quantity.
        hyperparameters: of the call, under the names of the card.
        n_envs: parallel environments of the call.
    """

    tap: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    n_envs: int = 1
    mine: Tape = field(default_factory=Tape)
    reference: Tape = field(default_factory=Tape)

    @property
    def numbers(self) -> Mapping[str, float]:
        """The hyperparameters that are numbers other than 0 and 1; of "lin_X" and the like, X."""
        found = {name: _number(value) for name, value in self.hyperparameters.items()}
        return {k: x for k, x in found.items() if math.isfinite(x) and x not in (0.0, 1.0)}


@dataclass(frozen=True)
class Pair:
    """One event of one field; of a module or its gradient all its arrays, as one flat vector.

    Attributes:
        mine, reference: (...), in their own shapes. before, after: the reference's previous and
            next event of the quantity, in its shape, or None.
        is_off: (size of the reference,), which elements differ; empty when the shapes do.
        n_rows: of the minibatch of the same update; 0: there is none.
    """

    slot: Slot
    mine: Floats
    reference: Floats
    is_off: Flags
    before: Floats | None = None
    after: Floats | None = None
    n_rows: int = 0

    @property
    def is_same_shape(self) -> bool:
        """Whether mine and the reference's have one shape, but for axes of size 1."""
        return fits(self.mine, self.reference)


def is_vector(field_name: str) -> bool:
    """Return whether a field is one of the numbered arrays of a module, gradient or step."""
    return field_name.isdigit() or field_name.startswith("mine.")


def pairs_of(failing: Sequence[Failing], field_name: str, context: Context) -> tuple[Pair, ...]:
    """Return the first failing events of one field, or of all numbered fields together."""
    events: dict[Slot, list[Failing]] = {}
    for one in failing:
        if one.field == field_name or is_vector(field_name):
            events.setdefault(one.slot, []).append(one)
    following = _following(context)
    chosen = list(events.items())[:EVENTS_KEPT]
    return tuple(_pair(ones, field_name, following.get(slot)) for slot, ones in chosen)


def _pair(ones: Sequence[Failing], field_name: str, after: Event | None) -> Pair:
    first = ones[0]
    names = _common(first.ours, first.theirs) if is_vector(field_name) else [field_name]
    shares = {one.field: one.share for one in ones}
    if is_vector(field_name) and not names:
        names = [first.field]
    off = [_off(first, name, shares.get(name, 0.0)) for name in names]
    return Pair(
        first.slot,
        _joined(first.ours, names),
        _joined(first.theirs, names),
        np.concatenate(off) if off else np.zeros(0, bool),
        _beside(first.before, first.theirs, names),
        _beside(after, first.theirs, names),
        _n_rows(first.batch),
    )


def _off(one: Failing, name: str, share: float) -> Flags:
    """Return which elements are off: those with the largest errors, as many as were counted."""
    if name not in one.ours.arrays or name not in one.theirs.arrays:
        return np.zeros(0, bool)
    mine, reference = (e.arrays[name].astype(np.float64).ravel() for e in (one.ours, one.theirs))
    if mine.size != reference.size:
        return np.zeros(0, bool)
    with np.errstate(invalid="ignore"):
        error = np.abs(mine - reference)
    error[np.isnan(error)] = np.inf
    error[(mine == reference) | (np.isnan(mine) & np.isnan(reference))] = 0.0
    n_off = round(share * error.size)
    if n_off == 0:
        return np.zeros(error.size, bool)
    least: float = np.sort(error)[-n_off]
    return (error >= least) & (error > 0)


def _common(ours: Event, theirs: Event) -> list[str]:
    """Return the numbered fields that both sides carry in one size."""
    return [
        name
        for name in sorted(theirs.arrays, key=lambda x: (len(x), x))
        if name in ours.arrays and ours.arrays[name].size == theirs.arrays[name].size
    ]


def _joined(event: Event, names: Sequence[str]) -> Floats:
    arrays = [event.arrays[name].astype(np.float64) for name in names if name in event.arrays]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate([array.ravel() for array in arrays]) if arrays else np.zeros(0)


def _beside(event: Event | None, theirs: Event, names: Sequence[str]) -> Floats | None:
    """Return the same fields of a neighbouring event, when they have the same sizes."""
    if event is None:
        return None
    for name in names:
        if name not in event.arrays or event.arrays[name].size != theirs.arrays[name].size:
            return None
    return _joined(event, names)


def _following(context: Context) -> Mapping[Slot, Event]:
    events = list(context.reference.of(context.tap).items())
    return {slot: events[i + 1][1] for i, (slot, _) in enumerate(events[:-1])}


def _n_rows(batch: Event | None) -> int:
    sizes = {len(array) for array in batch.arrays.values() if array.ndim} if batch else set()
    return max(sizes, default=0)


def stacked(pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Return all elements of mine and of the reference, flat, event after event."""
    return (
        np.concatenate([pair.mine.ravel() for pair in pairs]),
        np.concatenate([pair.reference.ravel() for pair in pairs]),
    )


def explains(model: Floats, mine: Floats, reference: Floats) -> bool:
    """Return whether a model of mine is right, and so much nearer than the reference itself is."""
    if model.size == 0 or not (np.isfinite(model).all() and np.isfinite(mine).all()):
        return False
    scale = max(float(np.abs(mine).max()), float(np.abs(model).max()))
    is_finite = bool(np.isfinite(reference).all())
    difference = float(np.abs(mine - reference).max()) if is_finite else scale
    allowed = min(FIT * scale, max(EXPLAINED * difference, ROUNDING * scale))
    return bool(np.abs(mine - model).max() <= allowed) and difference > ROUNDING * scale


def either(sentences: Sequence[str]) -> str:
    """Return one sentence that names all of several explanations; "" when there is none."""
    kept = list(dict.fromkeys(s.removeprefix("either ") for s in sentences if s))
    if not kept:
        return ""
    is_one = len(kept) == 1 and kept[0] in sentences
    return kept[0] if is_one else f"either {' or '.join(kept)}"


def _number(value: Any) -> float:  # noqa: ANN401 - a hyperparameter of any kind
    if isinstance(value, str):
        value = value.rpartition("_")[2]
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan
