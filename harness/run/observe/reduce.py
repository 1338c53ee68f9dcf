"""Reduce a tapped value to scalars under the metric names of the vocabulary."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below this many elements plain Python is faster than numpy (measured: 4 us against 20 us).
FEW_ELEMENTS = 32


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
    fields = _fields(value)
    if fields is None:
        return _of_array(name, value)
    found: dict[str, float] = {}
    for field, content in fields:
        found.update(scalars(f"{name}.{field}", content))
    return found


def _fields(value: Any) -> Iterator[tuple[str, Any]] | None:
    """Return the named parts of a structured value, or None for a plain one."""
    if value is None or _is_module(value):
        return iter(())
    if isinstance(value, Mapping):
        return ((str(key), content) for key, content in value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return zip(value._fields, value, strict=True)
    if dataclasses.is_dataclass(value):
        return ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    return None


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
        return _of_few(name, [float(x) for x in array.ravel().tolist()])
    return _of_many(name, array.astype(np.float64).ravel())


def _as_array(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value if value.is_floating_point() is False else value.double()).numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        message = (
            f"tap {name!r}: expected a number, array, tensor, module, or a mapping, named tuple or "
            f"dataclass of these, saw {type(value).__name__}"
        )
        raise TypeError(message)
    return array


def _one(name: str, value: float) -> dict[str, float]:
    return {f"{name}.mean": value, f"{name}.nonfinite": 0.0 if math.isfinite(value) else 1.0}


def _of_few(name: str, values: list[float]) -> dict[str, float]:
    """Return what `_of_many` returns, without numpy's cost per call."""
    n = len(values)
    n_finite = sum(map(math.isfinite, values))
    if n_finite < n:
        return _of_many(name, np.array(values))
    mean = sum(values) / n
    return {
        f"{name}.mean": mean,
        f"{name}.std": math.sqrt(sum((x - mean) ** 2 for x in values) / n),
        f"{name}.min": min(values),
        f"{name}.max": max(values),
        f"{name}.norm": math.sqrt(sum(x * x for x in values)),
        f"{name}.nonfinite": 0.0,
    }


def _of_many(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    with np.errstate(all="ignore"):
        mean = float(values.sum()) / values.size
        deviations = values - mean
        norm = math.sqrt(float(values @ values))
        std = math.sqrt(float(deviations @ deviations) / values.size)
    n_nonfinite = 0 if math.isfinite(norm) else values.size - int(np.isfinite(values).sum())
    return {
        f"{name}.mean": mean,
        f"{name}.std": std,
        f"{name}.min": float(values.min()),
        f"{name}.max": float(values.max()),
        f"{name}.norm": norm,
        f"{name}.nonfinite": n_nonfinite / values.size,
    }
