"""Whether one term of a sum is off: mine differs by a multiple of another known quantity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.segments.hints_base import FIT, Context, Floats, Pair, either, explains, is_vector
from harness.segments.hints_factor import factor, factor_names, listed

# Elements that a multiple must explain, in all and in each event where it may differ by event.
MIN_ELEMENTS = 8
MIN_IN_EVENT = 4
# Terms that are named when several fit.
MAX_TERMS = 3
# What is no term of a sum: counts, rates, and what comes before or after the values themselves.
NO_TERMS = ("_grad", "_step", "_after", "_updates", "_learning_rate", "_inputs", "_outputs")
# Multiples of events are one constant when they differ by no more than this share.
SAME = 1e-3


def term(pairs: Sequence[Pair], context: Context) -> str:
    """Return which other quantity of the update the difference is a multiple of; or "".

    Two forms: all but one term agrees (the difference is c times a quantity), or all but one term
    is scaled (mine less a quantity is c times the reference less it).
    """
    if context.tap.endswith(("grad", "step", "params")) or factor(pairs, context):
        return ""
    found = []
    for name, columns in _beside(pairs, context):
        found += [words for words in (_added(pairs, columns, name, context),) if words]
        found += [words for words in (_rest(pairs, columns, name, context),) if words]
    return either(found) if len(found) <= MAX_TERMS else ""


def _beside(pairs: Sequence[Pair], context: Context) -> Iterator[tuple[str, list[Floats]]]:
    """Yield every quantity that has as many elements at each of the places, with its arrays."""
    for tap, events in context.reference.events.items():
        if (
            tap == context.tap
            or tap.endswith(NO_TERMS)
            or not all(pair.slot in events for pair in pairs)
        ):
            continue
        for field in events[pairs[0].slot].arrays:
            arrays = [events[pair.slot].arrays.get(field) for pair in pairs]
            flat = [a.astype(np.float64).ravel() for a in arrays if a is not None]
            sizes = [a.size for a in flat]
            if sizes == [pair.reference.size for pair in pairs] and np.ptp(np.concatenate(flat)):
                yield tap if is_vector(field) or not field else field, flat


def _added(pairs: Sequence[Pair], columns: Sequence[Floats], name: str, context: Context) -> str:
    """Return that mine is the reference and a multiple of a quantity, where it is off."""
    parts = [
        (pair.mine.ravel()[off], pair.reference.ravel()[off], x[off])
        for pair, x in zip(pairs, columns, strict=True)
        if (off := pair.is_off).any()
    ]
    shares = _shares([(mine - known, x) for mine, known, x in parts])
    if shares is None:
        return ""
    models = [known + c * x for (_, known, x), c in zip(parts, shares, strict=True)]
    flat = [np.concatenate(xs) for xs in (models, [p[0] for p in parts], [p[1] for p in parts])]
    if not explains(*flat):
        return ""
    return f"the difference is {_multiple(shares, context)} times {name}"


def _rest(pairs: Sequence[Pair], columns: Sequence[Floats], name: str, context: Context) -> str:
    """Return that mine without a quantity is one multiple of the reference without it."""
    parts = [
        (pair.mine.ravel() - x, pair.reference.ravel() - x)
        for pair, x in zip(pairs, columns, strict=True)
    ]
    shares = _shares(parts)
    if shares is None or np.ptp(shares) > SAME * np.abs(shares).max():
        return ""
    mine, known = (np.concatenate(xs) for xs in zip(*parts, strict=True))
    if abs(shares[0]) < FIT or not explains(shares[0] * known, mine, known):
        return ""
    return f"less {name}, mine is {_multiple(shares, context)} times the reference"


def _shares(parts: Sequence[tuple[Floats, Floats]]) -> Floats | None:
    """Return the multiple that one array is of the other, for each event; None: too few elements.

    Events of few elements share one multiple.
    """
    y, x = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if x.size < MIN_ELEMENTS or not np.isfinite([x, y]).all() or not np.any(x):
        return None
    common = float(y @ x) / float(x @ x)
    if np.abs(y - common * x).max() <= SAME * np.abs(y).max():
        return np.full(len(parts), common)
    if any(b.size < MIN_IN_EVENT or not np.any(b) for _, b in parts):
        return None
    return np.array([float(a @ b) / float(b @ b) for a, b in parts])


def _multiple(shares: Floats, context: Context) -> str:
    """Return one multiple and what it may be, or the range of several."""
    if np.ptp(shares) > SAME * np.abs(shares).max():
        return f"{shares.min():.4g} to {shares.max():.4g}"
    return f"{shares[0]:.6g}{listed(factor_names(float(shares[0]), context), brackets=True)}"
