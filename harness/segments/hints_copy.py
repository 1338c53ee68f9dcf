"""Whether mine is another quantity of the reference, or the right one in another shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.segments.hints_base import (
    FIT,
    MIN_ELEMENTS,
    Context,
    Failing,
    Floats,
    either,
    explains,
    is_vector,
)
from harness.segments.tape import Array

# Other values that mine is a copy of; more are not named.
MAX_COPIES = 3
SAME_NUMBERS = "the same numbers in the same order"


def exchanged(failing: Sequence[Failing], field: str, context: Context) -> str:
    """Return which other value of the reference mine is: another field, or another quantity."""
    own = [one.ours.arrays[field] for one in failing if field in one.ours.arrays]
    if is_vector(field) or not own or len(own) != len(failing):
        return ""
    found = [
        f"mine is the reference's {words}"
        for words, columns in _others(failing, field, context)
        if len(columns) == len(own) and _is_copy(own, columns, failing, field)
    ]
    return either(found[:MAX_COPIES])


def _others(
    failing: Sequence[Failing], field: str, context: Context
) -> Iterator[tuple[str, list[Array]]]:
    """Yield everything else that the reference has at the same places, in words."""
    for name in failing[0].theirs.arrays:
        if name != field:
            yield name, [f.theirs.arrays[name] for f in failing if name in f.theirs.arrays]
    for tap, events in context.reference.events.items():
        if tap == context.tap or tap.endswith(("_after", "_params", "_grad", "_step")):
            continue
        here = [events[f.slot] for f in failing if f.slot in events]
        for name in here[0].arrays if len(here) == len(failing) else ():
            words = f"{tap}.{name}" if name else tap
            yield words, [event.arrays[name] for event in here if name in event.arrays]


def _is_copy(
    own: Sequence[Array], others: Sequence[Array], failing: Sequence[Failing], field: str
) -> bool:
    if any(a.size != b.size for a, b in zip(own, others, strict=True)):
        return False
    theirs = [one.theirs.arrays[field] for one in failing]
    if any(a.size != b.size for a, b in zip(own, theirs, strict=True)):
        return False
    flat = [
        np.concatenate([x.astype(np.float64).ravel() for x in xs]) for xs in (others, own, theirs)
    ]
    return flat[0].size >= MIN_ELEMENTS and np.ptp(flat[1]) > 0 and explains(*flat)


def shape(failing: Sequence[Failing], field: str) -> str:
    """Return both shapes, and what makes one of the other when something does."""
    first = failing[0]
    if field not in first.ours.arrays or field not in first.theirs.arrays:
        return ""
    mine, reference = (e.arrays[field] for e in (first.ours, first.theirs))
    said = f"shape {mine.shape} where the reference has {reference.shape}"
    return f"{said}: {how}" if (how := _reshaped(mine, reference)) else said


def _reshaped(mine: Array, reference: Array) -> str:
    """Return what makes one shape of the other; "" when nothing simple does."""
    a, b = mine.astype(np.float64), reference.astype(np.float64)
    n = b.size
    if a.ndim == 0 and b.ndim:
        words = {"mine is its mean": b.mean(), "mine is its sum": b.sum()}
        return either([w for w, x in words.items() if _near(x, a)])
    if b.ndim and a.size == n * n and n > 1:
        return f"every row is paired with every other, a broadcast of ({n},) and ({n}, 1)"
    if a.shape[:-1] == b.shape:
        return either([f"{words} is missing" for words, f in _REDUCED.items() if _near(f(a), b)])
    if b.shape[:-1] == a.shape:
        return either(
            [f"mine alone has {words}" for words, f in _REDUCED.items() if _near(f(b), a)]
        )
    is_turned = a.ndim > 1 and a.shape == b.shape[::-1] and _near(a.T, b)
    is_same = a.size == n and _near(a.ravel(), b.ravel())
    return "its axes are exchanged" if is_turned else SAME_NUMBERS if is_same else ""


_REDUCED: dict[str, Callable[[Floats], Floats]] = {
    "the sum over the last axis": lambda x: x.sum(-1),
    "the mean over the last axis": lambda x: x.mean(-1),
    "the minimum over the last axis": lambda x: x.min(-1),
    "the maximum over the last axis": lambda x: x.max(-1),
    "the choice of one column of the last axis": lambda x: x[..., 0],
}


def _near(a: Array | np.floating, b: Array) -> bool:
    scale = float(np.abs(b).max(initial=0.0))
    return bool(np.abs(a - b).max(initial=0.0) <= FIT * scale)
