"""Run a side in float64: every float32 tensor that torch makes is widened as it is born.

What the reference computes in float32 differs from this by its own rounding: the noise floor of a
quantity (docs/statistics.md). Arrays of numpy stay as they are; what passes through them is rounded
to float32 on the way, as in the side itself.
"""

# ruff: noqa: ANN401 - the edge to torch, whose functions take and return anything

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _Widened(TorchFunctionMode):
    """Turns requests for float32 into float64, and float32 results into float64 ones."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        wide = tuple(_wide_type(one) for one in args)
        named = {key: _wide_type(value) for key, value in (kwargs or {}).items()}
        result = func(*wide, **named)
        if isinstance(result, torch.Tensor) and result.dtype == torch.float32:
            is_leaf_parameter = isinstance(result, torch.nn.Parameter)
            return result if is_leaf_parameter else result.to(torch.float64)
        return result


def _wide_type(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


@contextmanager
def widened() -> Iterator[None]:
    """Compute in float64 inside the with block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Widened():
            yield
    finally:
        torch.set_default_dtype(before)
