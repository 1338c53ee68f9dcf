"""How else mine may follow from the reference: order, lag, functions, bounds, types, lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.segments.hints_base import (
    FIT,
    MIN_ELEMENTS,
    Context,
    Floats,
    Pair,
    either,
    explains,
    stacked,
)
from harness.segments.hints_factor import factor_names, listed
from harness.segments.tape import Event

# A relation with two free numbers per event needs this many elements in it.
MIN_AFFINE = 4
# Columns that are looked at one by one.
MAX_COLUMNS = 8
# Values that the reference must have before mine is believed to be a function of it.
MIN_DIFFERENT = 3
# Elements that must lie at a bound, of different references, before a bound is believed.
MIN_BOUNDED = 2
# Lengths of clipped gradients agree to this share: torch adds 1e-6 to the length it divides by.
LENGTH_FIT = 1e-3

# Words -> function of the reference; all without a free number.
FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "the absolute value of the reference": np.abs,
    "the square of the reference": np.square,
    "the square root of the reference": np.sqrt,
    "the sign of the reference": np.sign,
    "exp of the reference": np.exp,
    "the logarithm of the reference": np.log,
    "tanh of the reference": np.tanh,
    "1 - the reference": lambda x: 1 - x,
    "1 / the reference": lambda x: 1 / x,
    "the reference below 0 and 0 above": lambda x: np.minimum(x, 0),
    "the reference above 0 and 0 below": lambda x: np.maximum(x, 0),
    "the reference as 0 or 1": lambda x: (x != 0).astype(np.float64),
    "the reference modulo 256: it is held in 8 bits": lambda x: np.mod(np.trunc(x), 256),
    "the reference in half precision": lambda x: x.astype(np.float16).astype(np.float64),
}
INVERSES = ("the absolute value", "the square", "exp", "the logarithm", "tanh")
WHOLE: tuple[Callable[[Floats], Floats], ...] = (np.trunc, np.rint, np.floor)


def constant(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether mine is one number where the reference varies."""
    del context
    mine, reference = stacked(pairs)
    if mine.size < MIN_ELEMENTS or not np.isfinite([mine, reference]).all() or np.ptp(mine):
        return ""
    if np.ptp(reference):
        return f"mine is {mine[0]:.6g} everywhere"
    is_told = reference[0] != 0 and mine[0] != 0  # by a factor or offset
    return "" if is_told else f"mine is {mine[0]:.6g} where the reference is {reference[0]:.6g}"


def function(pairs: Sequence[Pair], context: Context) -> str:
    """Return which function of the reference mine is, or the reference of mine; or ""."""
    del context
    mine, reference = stacked(pairs)
    if len(np.unique(reference)) < MIN_DIFFERENT:
        return ""
    with np.errstate(all="ignore"):
        if any(explains(cut(reference), mine, reference) for cut in WHOLE):
            return "mine is the reference cut to whole numbers"
        found = [
            f"mine is {w}" for w, f in FUNCTIONS.items() if explains(f(reference), mine, reference)
        ]
        found += [
            f"the reference is {words.removesuffix(' of the reference')} of mine"
            for words, f in FUNCTIONS.items()
            if words.startswith(INVERSES) and not found
            if explains(f(mine), reference, mine)
        ]
    return either(found)


def bounded(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether one side is a copy of the other, cut off at bounds."""
    mine, reference = stacked(pairs)
    if mine.size <= MIN_BOUNDED or not (np.isfinite(mine).all() and np.isfinite(reference).all()):
        return ""
    for width in dict.fromkeys((1, _width(pairs))):
        if said := _bounds_of_columns(mine, reference, width, context):
            return f"mine is the reference clipped {said}"
        if said := _bounds_of_columns(reference, mine, width, context):
            return f"the reference is clipped {said}, mine is not"
    return ""


def _width(pairs: Sequence[Pair]) -> int:
    """Return how many columns every event has, each of which may have bounds of its own."""
    widths = {pair.reference.shape[-1] if pair.reference.ndim else 1 for pair in pairs}
    width = widths.pop()
    return width if not widths and width <= MAX_COLUMNS else 1


def _bounds_of_columns(short: Floats, long: Floats, width: int, context: Context) -> str:
    """Return the bounds that cut each column of one array to the other's, in words; or ""."""
    found = []
    for k in range(width):
        a, b = short[k::width], long[k::width]
        if np.abs(a - b).max() > FIT * np.abs(b).max():
            said = _bounds(a, b, context)
            if not said:
                return ""
            found.append(f"{said} in column {k}" if width > 1 else said)
    return " and ".join(found)


def _bounds(short: Floats, long: Floats, context: Context) -> str:
    """Return the bounds that cut one array to the other, in words; or ""."""
    low, high = float(short.min()), float(short.max())
    is_below, is_above = (_is_bound(short, long, x, s) for x, s in ((low, 1.0), (high, -1.0)))
    cut = np.clip(long, low if is_below else -np.inf, high if is_above else np.inf)
    if not (is_below or is_above) or not explains(cut, short, long):
        return ""
    if is_below and is_above:
        names = factor_names(high, context) if np.isclose(-low, high, rtol=FIT) else []
        return f"to [{low:.6g}, {high:.6g}]{listed(names, brackets=True)}"
    return f"from below at {low:.6g}" if is_below else f"from above at {high:.6g}"


def _is_bound(short: Floats, long: Floats, bound: float, sign: float) -> bool:
    """Return whether several different elements beyond a bound lie at it, and some do not."""
    at = np.abs(short - bound) <= FIT * max(abs(bound), 1e-12)
    beyond = np.unique(long[at & (sign * (long - bound) < 0)])
    return len(beyond) >= MIN_BOUNDED and not at.all()


def order(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether mine has the reference's values, or rows, in another order."""
    del context
    if any(pair.mine.size < MIN_ELEMENTS for pair in pairs):
        return ""
    for words, arrange in _ARRANGEMENTS.items():
        if _all_explain(pairs, arrange):
            return words
    return ""


def _by_rows(pair: Pair) -> Floats | None:
    """Return the reference's rows in the order that sorting gives mine's."""
    if pair.reference.ndim < 2 or pair.mine.shape[0] != pair.reference.shape[0]:
        return None
    rows = [x.reshape(len(x), -1) for x in (pair.mine, pair.reference)]
    if rows[0].shape[1] < 2 or rows[0].shape[0] < 2:
        return None
    ranks = [np.lexsort(x.T[::-1]) for x in rows]
    model = np.empty_like(rows[0])
    model[ranks[0]] = rows[1][ranks[1]]
    return model.ravel()


def _by_values(pair: Pair) -> Floats:
    mine = pair.mine.ravel()
    model = np.empty_like(mine)
    model[np.argsort(mine, kind="stable")] = np.sort(pair.reference, axis=None)
    return model


def _transposed(pair: Pair) -> Floats | None:
    return pair.reference.ravel(order="F") if pair.reference.ndim > 1 else None


def _reversed_rows(pair: Pair) -> Floats | None:
    return pair.reference[::-1].ravel() if pair.reference.ndim else None


def _last_axis(pair: Pair) -> Floats | None:
    return pair.reference[..., ::-1].ravel() if pair.reference.ndim > 1 else None


_ARRANGEMENTS: dict[str, Callable[[Pair], Floats | None]] = {
    "mine is the reference transposed: its axes are exchanged": _transposed,
    "the same rows in reverse order": _reversed_rows,
    "the same columns in reverse order": _last_axis,
    "the same rows in another order": _by_rows,
    "the same values in another order": _by_values,
}


def beside(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether mine is an earlier or later value of the reference, or a sum over events."""
    if context.tap.endswith("_params"):
        return ""
    found = [
        words
        for words, model in _BESIDE.items()
        if _all_explain([pair for pair in pairs if model(pair) is not None], model)
    ]
    if found:
        return either(found)
    return _running_sum(pairs, context)


_BESIDE: dict[str, Callable[[Pair], Floats | None]] = {
    "mine is the reference's previous value: a lag of one": lambda p: p.before,
    "mine is the reference's next value: it runs ahead by one": lambda p: p.after,
    "mine is the sum of this value and the one before: it accumulates": lambda p: (
        None if p.before is None else p.before.ravel() + p.reference.ravel()
    ),
    "mine is the change since the value before": lambda p: (
        None if p.before is None else p.reference.ravel() - p.before.ravel()
    ),
}


def moved(pairs: Sequence[Pair], context: Context) -> str:
    """Return how far mine moved from the value before, as a share of the reference's move."""
    known = [pair for pair in pairs if pair.before is not None and pair.is_same_shape]
    if not known or not context.tap.endswith("_params"):
        return ""
    before = np.concatenate([p.before.ravel() for p in known if p.before is not None])
    mine, reference = stacked(known)
    move = reference - before
    if not np.any(move):
        return "mine changed where the reference did not"
    share = float((mine - before) @ move) / float(move @ move)
    if not explains(before + share * move, mine, reference):
        return _moments(known)
    if abs(share) < FIT:
        return "mine did not move where the reference did"
    names = listed(factor_names(share, context))
    return f"mine moved {share:.6g} times as far from the value before{names}"


def _moments(pairs: Sequence[Pair]) -> str:
    """Return in how many events only one side moved from the value before."""
    alone = {"mine": 0, "the reference": 0}
    for pair in pairs:
        before = np.zeros(0) if pair.before is None else pair.before.ravel()
        has_moved = [not np.array_equal(x.ravel(), before) for x in (pair.mine, pair.reference)]
        if has_moved[0] == has_moved[1]:
            return ""
        alone["mine" if has_moved[0] else "the reference"] += 1
    counts = ", ".join(f"{n} times {name} alone" for name, n in alone.items())
    return f"mine moves at other times: of {len(pairs)} events looked at, {counts}"


def affine(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether mine is in every event a shifted and scaled copy, differently each time."""
    del context
    models, factors = [], []
    for pair in pairs:
        x, y = pair.reference.ravel(), pair.mine.ravel()
        if x.size < MIN_AFFINE or np.ptp(x) == 0 or not np.isfinite([x, y]).all():
            return ""
        slope = float(y @ x) / float(x @ x)
        if explains(slope * x, y, x):
            models.append("factor")
            factors.append(slope)
        elif explains(x + float(np.mean(y - x)), y, x):
            models.append("offset")
            factors.append(float(np.mean(y - x)))
        elif x.size > MIN_AFFINE and explains(_line(x, y), y, x):
            models.append("scale and shift")
        else:
            return ""
    if len(set(models)) > 1 or models[0] == "scale and shift":
        return "within every event mine is the reference scaled and shifted: normalised differently"
    span = f"from {min(factors):.4g} to {max(factors):.4g}"
    return f"one {models[0]} in each event, {span} over events" if len(pairs) > 1 else ""


def _line(x: Floats, y: Floats) -> Floats:
    """Return the straight line through points, at their places."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    fitted: Floats = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return fitted


def length(pairs: Sequence[Pair], context: Context) -> str:
    """Return how gradients of one direction differ in length, when a limit shows in it; or ""."""
    if not context.tap.endswith("grad") or len(pairs) < MIN_ELEMENTS:
        return ""
    for pair in pairs:
        x, y = pair.reference.ravel(), pair.mine.ravel()
        if x.size < MIN_AFFINE or not np.any(x) or not explains((y @ x) / (x @ x) * x, y, x):
            return ""
    mine, reference = (
        [float(np.linalg.norm(x)) for x in xs]
        for xs in ([pair.mine for pair in pairs], [pair.reference for pair in pairs])
    )
    own, known = _limit(mine, context), _limit(reference, context)
    if not (own or known):
        return ""
    own, known = (f"clipped to the length {x}" if x else "not clipped" for x in (own, known))
    return f"the direction agrees: mine is {own}, the reference is {known}"


def _limit(lengths: Sequence[float], context: Context) -> str:
    """Return the length that all gradients have, in words; "" when they differ."""
    if np.ptp(lengths) > LENGTH_FIT * max(lengths):
        return ""
    names = [n for n, x in context.numbers.items() if abs(lengths[0] - x) <= LENGTH_FIT * x]
    return f"{lengths[0]:.4g}" + (f" ({' or '.join(names)})" if names else "")


def _running_sum(pairs: Sequence[Pair], context: Context) -> str:
    """Return whether mine is the sum over all events so far."""
    events = context.reference.of(context.tap)
    field = _field_of(pairs[0], events.get(pairs[0].slot))
    if field is None or len(events) <= MIN_ELEMENTS:
        return ""
    total, models = np.zeros(1), {}
    for slot, event in events.items():
        array = event.arrays.get(field)
        if array is None or total.size not in (1, array.size):
            return ""
        total = total + array.astype(np.float64).ravel()
        models[slot] = total
    is_sum = _all_explain(pairs, lambda pair: models[pair.slot])
    return "mine is the running sum of the reference over events: it accumulates" if is_sum else ""


def _field_of(pair: Pair, event: Event | None) -> str | None:
    """Return the field that a pair was taken from."""
    for name, array in event.arrays.items() if event else ():
        if array.shape == pair.reference.shape and np.array_equal(array, pair.reference):
            return name
    return None


def _all_explain(pairs: Sequence[Pair], model: Callable[[Pair], Floats | None]) -> bool:
    """Return whether a model fits all pairs together."""
    models = [model(pair) for pair in pairs]
    known = [x.ravel() for x in models if x is not None]
    if not pairs or len(known) != len(pairs):
        return False
    mine, reference = stacked(pairs)
    flat = np.concatenate(known)
    return flat.size == mine.size >= MIN_ELEMENTS and explains(flat, mine, reference)
