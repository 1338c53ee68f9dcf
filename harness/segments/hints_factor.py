"""What a constant factor or offset is likely to be: hyperparameters, sizes and usual numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from harness.segments.hints_base import (
    FIT,
    MIN_ELEMENTS,
    Context,
    Floats,
    Pair,
    explains,
    stacked,
)
from harness.segments.names import ENV_ACTION

# Numbers that code multiplies with, whatever it computes.
USUAL_FACTORS = {
    "a plain 2": 2.0,
    "1/2": 0.5,
    "sqrt(2)": 2**0.5,
    "1/sqrt(2)": 2**-0.5,
    "255": 255.0,
}
USUAL_FACTORS |= {"1/255": 1 / 255, "log(2)": math.log(2), "1/log(2)": 1 / math.log(2)}
USUAL_OFFSETS = {"1/2": 0.5, "log(2)": math.log(2), "log(2 pi)/2": 0.9189385332046727}
# Counts that are no explanation: 2 is said to be a plain 2.
PLAIN = (1.0, 2.0)
# A number in place of another is believed to this share, when it has so few digits.
IN_PLACE_FIT, IN_PLACE_DIGITS = 1e-5, 2
# ... and is not another order of magnitude.
IN_PLACE_RATIO = 2.0
# Names of a number that are said; more than these and it is nothing in particular.
MAX_NAMES = 4
# Arrays of several events that are one size each.
Named = Mapping[str, Floats]


def factor(pairs: Sequence[Pair], context: Context) -> str:
    """Return what is said of a factor between mine and the reference, or "".

    The factor may differ between minibatches of different sizes, as 1 / B does.
    """
    mine, reference = stacked(pairs)
    if mine.size < MIN_ELEMENTS or not np.isfinite(mine).all() or not np.any(reference):
        return ""
    with np.errstate(all="ignore"):
        fitted = float(mine @ reference) / float(reference @ reference)
    if not np.isfinite(fitted) or abs(fitted) < FIT:
        return ""
    if explains(-reference, mine, reference):
        return "the sign is turned"
    if explains(fitted * reference, mine, reference):
        named = _names(fitted, pairs, context)
        return f"constant factor {fitted:.6g}{named}"
    per_event = _of_size(pairs)
    return f"factor {per_event} of every minibatch of B rows" if per_event else ""


def offset(pairs: Sequence[Pair], context: Context) -> str:
    """Return what is said of a constant difference, or ""."""
    mine, reference = stacked(pairs)
    if mine.size < MIN_ELEMENTS or not np.isfinite(mine).all():
        return ""
    if not np.any(reference):
        return ""
    with np.errstate(invalid="ignore"):
        fitted = float(np.mean(mine - reference))
    if not np.isfinite(fitted) or not explains(reference + fitted, mine, reference):
        return ""
    return f"constant offset {fitted:+.6g}{listed(offset_names(fitted, context))}"


def factor_names(value: float, context: Context, *, n_rows: int = 0) -> list[str]:
    """Return what a factor may be, simplest first; empty when it is nothing in particular."""
    size = abs(value)
    sign = "-" if value < 0 else ""
    simple = {**USUAL_FACTORS, **_sizes(n_rows), **_of_actions(context)}
    numbers = {name: x for name, x in context.numbers.items() if not _is_size(name, x, n_rows)}
    found = _near(size, itertools.chain(simple.items(), _of_numbers(numbers)))
    found = found or _near(size, _of_two(context.numbers)) or _in_place(size, context.numbers)
    return [f"{sign}({name})" if sign and " " in name else f"{sign}{name}" for name in found]


def offset_names(value: float, context: Context) -> list[str]:
    """Return what an offset may be; empty when it is nothing in particular."""
    n = _n_dimensions(context)
    per_action = {
        f"log(2) in each of {n} action dimensions": n * math.log(2),
        f"log(2 pi)/2 in each of {n} action dimensions": n * USUAL_OFFSETS["log(2 pi)/2"],
    }
    ranges = half_ranges(context)
    if ranges.size:
        per_action["sum of the logarithms of the half action ranges"] = float(np.log(ranges).sum())
    numbers = {name: x for name, x in context.numbers.items() if abs(x) != 1}
    logs = {f"log({name})": math.log(x) for name, x in numbers.items() if x > 0}
    twice = {f"2 {name}": 2 * x for name, x in numbers.items()}
    known = {**USUAL_OFFSETS, **(per_action if n > 1 else {}), **numbers, **twice, **logs}
    names = _near(abs(value), ((name, abs(x)) for name, x in known.items()))
    signed = (f"-{name}" if value * known[name] < 0 else name for name in names)
    return list(signed)


def half_ranges(context: Context) -> Floats:
    """Return half the width of every action dimension, from what the reference sent to its envs.

    Empty when the environment receives actions as they are chosen, or does not lie linearly in
    them.
    """
    sent = list(context.reference.of(ENV_ACTION).values())
    chosen = [event.arrays[""] for event in context.reference.of("action").values()]
    if not sent or not chosen or chosen[0].dtype.kind != "f":
        return np.zeros(0)
    width = int(np.size(sent[0].arrays[""]))
    a = np.concatenate([np.asarray(x, np.float64).reshape(-1, width) for x in chosen])
    b = np.stack([np.asarray(e.arrays[""], np.float64).reshape(width) for e in sent])
    if len(a) != len(b) or len(a) < 2 * MIN_ELEMENTS:
        return np.zeros(0)
    design = [np.stack([a[:, k], np.ones(len(a))], axis=1) for k in range(width)]
    fits = [np.linalg.lstsq(x, b[:, k], rcond=None)[0] for k, x in enumerate(design)]
    rebuilt = np.stack([x @ fit for x, fit in zip(design, fits, strict=True)], axis=1)
    scales = np.array([fit[0] for fit in fits])
    is_linear = np.allclose(rebuilt, b, atol=FIT) and (scales > 0).all()
    return scales if is_linear and not np.allclose(scales, 1.0, atol=FIT) else np.zeros(0)


def listed(names: Sequence[str], *, brackets: bool = False) -> str:
    """Return what follows a number to say what it may be; "" when it is nothing in particular."""
    if not names or len(names) > MAX_NAMES or names == ["a plain 2"]:
        return ""
    return f" ({' or '.join(names)})" if brackets else f": {' or '.join(names)}"


def _is_size(name: str, value: float, n_rows: int) -> bool:
    """Return whether a hyperparameter is the size of the minibatch, which is named already."""
    return name == "batch_size" and value == n_rows


def _names(value: float, pairs: Sequence[Pair], context: Context) -> str:
    sizes = {pair.n_rows for pair in pairs}
    n_rows = sizes.pop() if len(sizes) == 1 else 0
    return listed(factor_names(value, context, n_rows=n_rows))


def _near(value: float, named: Iterable[tuple[str, float]]) -> list[str]:
    """Return the names of every candidate that equals a value."""
    return [name for name, known in named if known and abs(known - value) <= FIT * abs(known)]


def _sizes(n_rows: int) -> dict[str, float]:
    """Return what a sum, a mean or a deviation over B rows is off by."""
    if n_rows < 2:
        return {}
    n, b = float(n_rows), f"B = {n_rows}"
    return {
        f"the minibatch size {b}": n,
        f"1/B with {b}": 1 / n,
        f"sqrt((B - 1)/B) with {b}": ((n - 1) / n) ** 0.5,
        f"sqrt(B/(B - 1)) with {b}": (n / (n - 1)) ** 0.5,
        f"(B - 1)/B with {b}": (n - 1) / n,
        f"B/(B - 1) with {b}": n / (n - 1),
    }


def _of_size(pairs: Sequence[Pair]) -> str:
    """Return which function of the minibatch size the factor is, where sizes differ; or ""."""
    sizes = {pair.n_rows for pair in pairs}
    if len(sizes) < 2 or min(sizes) < 2 or not all(pair.is_same_shape for pair in pairs):
        return ""
    mine, reference = stacked(pairs)
    words = [name.partition(" with ")[0] for name in _sizes(2)]
    words[0] = "B"
    values = {n: list(_sizes(n).values()) for n in sizes}
    for k, word in enumerate(words):
        model = np.concatenate([values[p.n_rows][k] * p.reference.ravel() for p in pairs])
        if explains(model, mine, reference):
            return word
    return ""


def _of_numbers(numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield simple functions of one hyperparameter."""
    for name, x in numbers.items():
        if abs(x) in PLAIN:
            continue
        shown = f"{name} = {x:.6g}"
        yield shown, abs(x)
        yield f"1/{name} with {shown}", abs(1 / x)
        if x != round(x):
            yield f"2 {name} with {shown}", abs(2 * x)
        if 0 < x < 1:
            yield f"1 - {name} with {shown}", 1 - x
            yield f"1/(1 - {name}) with {shown}", 1 / (1 - x)
            yield f"(1 - {name})/{name} with {shown}", (1 - x) / x


def _in_place(value: float, numbers: Mapping[str, float]) -> list[str]:
    """Return which hyperparameter another number of few digits may stand in place of."""
    is_plain = abs(_rounded(value) - value) <= FIT * value
    if is_plain or not 1 / IN_PLACE_RATIO < value < IN_PLACE_RATIO:
        return []
    weights = {name: abs(x) for name, x in numbers.items() if x != round(x)}
    return [
        f"{_rounded(value * x):g} in place of {name} = {x:.6g}"
        for name, x in weights.items()
        if abs(value * x - _rounded(value * x)) <= IN_PLACE_FIT * value * x
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{IN_PLACE_DIGITS}g}")


def _of_two(numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield products and ratios of two hyperparameters that are no counts."""
    weights = {name: x for name, x in numbers.items() if x != round(x)}
    for (a, x), (b, y) in itertools.combinations(weights.items(), 2):
        yield f"{a} * {b}", abs(x * y)
        yield f"{a} / {b}", abs(x / y)
        yield f"{b} / {a}", abs(y / x)


def _of_actions(context: Context) -> dict[str, float]:
    """Return the number of action dimensions and how actions are stretched."""
    n = _n_dimensions(context)
    found: dict[str, float] = {}
    if n > 1:
        found |= {f"the number of action dimensions {n}": float(n)}
        found |= {f"1 / the number of action dimensions {n}": 1.0 / n}
    for k, x in enumerate(half_ranges(context)):
        found |= {f"half the range of action dimension {k}": float(x)}
        found |= {f"1 / half the range of action dimension {k}": float(1 / x)}
    if context.n_envs > 1:
        found |= {"n_envs": float(context.n_envs), "1/n_envs": 1 / context.n_envs}
    return found


def _n_dimensions(context: Context) -> int:
    """Return how many numbers an action is; 1 when it is a whole number, 0 when unknown."""
    event = next(iter(context.reference.of(ENV_ACTION).values()), None)
    if event is None or not event.arrays:
        return 0
    array = next(iter(event.arrays.values()))
    return int(array.size) if array.dtype.kind == "f" else 1
