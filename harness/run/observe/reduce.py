"""Reduce a tapped value to scalars under the metric names of the vocabulary."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below this many elements plain Python is faster than numpy (measured: 4 us against 20 us).
FEW_ELEMENTS = 32

ARRAY_STATISTICS = ("mean", "std", "min", "max", "norm", "nonfinite")
Measured = tuple[float, float, float, float, float, float]  # in the order of ARRAY_STATISTICS

# Tensors of these types on the CPU share their memory with numpy.
SHARED_DTYPES = frozenset({"torch.float32", "torch.float64", "torch.int64", "torch.bool"})


def scalars(name: str, value: Any) -> dict[str, float]:
    """Return metric name -> value for everything numeric in `value`.

    A single number gives `<name>.mean` and `<name>.nonfinite`; an array adds `.std` (population),
    `.min`, `.max` and `.norm` (Euclidean); a mapping, named tuple or dataclass gives the same per
    field as `<name>.<field>.mean`. Modules and absent (None) fields give nothing.

    Raises:
        TypeError: a value is none of these.

    >>> scalars("epsilon", 0.25)
    {'epsilon.mean': 0.25, 'epsilon.nonfinite': 0.0}
    """
    if isinstance(value, (float, int)):
        return _one(name, float(value))
    fields = fields_of(value)
    if fields is None:
        return _of_array(name, value)
    found: dict[str, float] = {}
    for field, content in fields:
        found.update(scalars(f"{name}.{field}", content))
    return found


def fields_of(value: Any) -> Iterable[tuple[str, Any]] | None:
    """Return the named parts of a structured value, or None for a plain one."""
    if isinstance(value, dict):
        return value.items()
    if value is None or _is_module(value):
        return ()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return zip(value._fields, value, strict=True)
    if dataclasses.is_dataclass(value):
        return ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    return value.items() if isinstance(value, Mapping) else None


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _of_array(name: str, value: Any) -> dict[str, float]:
    array = _as_array(name, value)
    if array.size == 1:
        return _one(name, float(array.item()))
    if array.size == 0:
        return {}
    if array.size < FEW_ELEMENTS:
        measured = _of_few(array.ravel().tolist())
    else:
        measured = _of_many(array.astype(np.float64).ravel())
    return dict(zip(_names(name), measured, strict=True))


def _as_array(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a tensor; numpy has no bfloat16
        value = value.detach()
        is_shared = value.device.type == "cpu" and str(value.dtype) in SHARED_DTYPES
        value = value.numpy() if is_shared else value.cpu().double().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        message = (
            f"tap {name!r}: expected a number, array, tensor, module, or a mapping, named tuple or "
            f"dataclass of these, saw {type(value).__name__}"
        )
        raise TypeError(message)
    return array


@cache
def _names(name: str) -> tuple[str, ...]:
    """Return the metric names in the order of ARRAY_STATISTICS."""
    return tuple(f"{name}.{statistic}" for statistic in ARRAY_STATISTICS)


def _one(name: str, value: float) -> dict[str, float]:
    return {f"{name}.mean": value, f"{name}.nonfinite": 0.0 if math.isfinite(value) else 1.0}


def _of_few(values: list[float]) -> Measured:
    """Return what `_of_many` returns, without numpy's cost per call."""
    n = len(values)
    if not all(map(math.isfinite, values)):
        return _of_many(np.array(values, dtype=np.float64))
    mean = sum(values) / n
    std = math.sqrt(sum([(x - mean) ** 2 for x in values]) / n)
    norm = math.sqrt(sum([x * x for x in values]))
    return mean, std, float(min(values)), float(max(values)), norm, 0.0


def _of_many(values: NDArray[np.float64]) -> Measured:
    squares = float(np.dot(values, values))
    if not math.isfinite(squares):
        return _of_non_finite(values)
    n = values.size
    mean = float(np.add.reduce(values)) / n
    deviations = values - mean
    std = math.sqrt(float(np.dot(deviations, deviations)) / n)
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    return mean, std, low, high, math.sqrt(squares), 0.0


def _of_non_finite(values: NDArray[np.float64]) -> Measured:
    """Return the statistics with NaN and infinity where they belong, and how many there are."""
    with np.errstate(all="ignore"):
        mean, std = float(values.mean()), float(values.std())
        norm = float(np.sqrt((values * values).sum()))
    share = 1.0 - float(np.isfinite(values).mean())
    return mean, std, float(values.min()), float(values.max()), norm, share
