"""Tapped values as named arrays, and the reference's arrays as a value of the caller's own type."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.segments.tape import Array, Arrays, fits


def arrays_of(value: Any) -> Arrays:
    """Return copies of everything numeric in a value: field path -> array; "" for a plain value.

    Args:
        value: number, array, tensor, or a mapping, named tuple or dataclass of these.

    Raises:
        TypeError: a part is none of these.
    """
    fields = fields_of(value)
    if fields is None:
        return {"": _copy(value)}
    found: Arrays = {}
    for name, part in fields.items():
        for path, array in arrays_of(part).items():
            found[f"{name}.{path}" if path else str(name)] = array
    return found


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """Return the named parts of a structured value, or None for a plain one."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return None


def _copy(value: Any) -> Array:
    if isinstance(value, torch.Tensor):
        return np.array(value.detach().cpu().numpy())
    array = np.array(value)
    if array.dtype.kind not in "fiub":
        msg = f"expected a number, array or tensor, saw {type(value).__name__}"
        raise TypeError(msg)
    return array


def hand_on(value: Any, reference: Arrays) -> Any:
    """Return the reference's numbers as a fresh value of the caller's type, dtype and exact shape.

    Gradients still flow through a tensor with a graph. A part whose shape differs, or that the
    reference lacks, stays the caller's own.
    """
    fields = fields_of(value)
    if fields is None:
        return _as_caller(value, reference.get(""))
    parts = {name: hand_on(part, _below(reference, str(name))) for name, part in fields.items()}
    return _rebuild(value, parts)


def _below(reference: Arrays, name: str) -> Arrays:
    """Return the arrays of one field, with the field's name taken off their paths."""
    found = {"": reference[name]} if name in reference else {}
    prefix = f"{name}."
    return found | {
        path.removeprefix(prefix): array
        for path, array in reference.items()
        if path.startswith(prefix)
    }


def _rebuild(value: Any, parts: dict[Any, Any]) -> Any:
    if isinstance(value, dict):
        return type(value)(parts)
    if isinstance(value, tuple):
        return type(value)(**parts)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **parts)
    return parts


def _as_caller(value: Any, reference: Array | None) -> Any:
    if reference is None or not fits(_copy(value), reference):
        return value
    if isinstance(value, torch.Tensor):
        known = torch.as_tensor(reference, dtype=value.dtype, device=value.device)
        known = known.reshape(value.shape).clone()
        return _HandOn.apply(value, known) if value.requires_grad else known  # type: ignore[no-untyped-call]
    if isinstance(value, (np.ndarray, np.generic)):
        array = reference.reshape(value.shape).astype(value.dtype)
        return array if isinstance(value, np.ndarray) else array[()]
    if isinstance(value, list):
        return reference.reshape(np.shape(value)).tolist()
    if hasattr(value, "__array_namespace__"):  # arrays of other libraries, such as JAX
        namespace = value.__array_namespace__()
        return namespace.asarray(reference.reshape(value.shape), dtype=value.dtype)
    # Where a library cannot be asked to make an array, numpy's goes on.
    is_array = hasattr(value, "__array__")
    own = _copy(value)
    array = reference.reshape(own.shape)
    return array.astype(own.dtype) if is_array else type(value)(array.item())


class _HandOn(torch.autograd.Function):
    """Forward: the reference's value, exactly. Backward: the gradient, to the caller's graph."""

    @staticmethod
    def forward(ctx: Any, own: torch.Tensor, known: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        return known

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return gradients[0], None
