"""Whether a tapped number is descended: whether a gradient flows back through it."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

from typing import Any

import torch

from harness.segments.tape import Tape


def watch_descent(tape: Tape, name: str, value: Any) -> None:
    """Note the tap of a single number when a gradient other than 0 reaches it.

    Args:
        value: what the tap returned to the watched code.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.requires_grad:
        return

    def note(gradient: torch.Tensor) -> None:
        if gradient.any():
            tape.descended.add(name)

    value.register_hook(note)  # type: ignore[no-untyped-call]
