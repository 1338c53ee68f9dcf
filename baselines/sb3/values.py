"""Serialisable hyperparameter values -> the callables, classes and tuples that SB3 expects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from harness.side import UnsupportedHyperparameter

# Names of activation functions, as in rl-baselines3-zoo's hyperparameter files, lower case.
ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "elu": torch.nn.ELU,
    "leaky_relu": torch.nn.LeakyReLU,
}


def schedule_of(name: str, value: float | str) -> float | Callable[[float], float]:
    """Return a number as it is, and "lin_X" as X times the remaining progress (rl-zoo's form).

    Raises:
        UnsupportedHyperparameter: any other value.
    """
    if isinstance(value, (int, float)):
        return float(value)
    kind, _, start = value.partition("_")
    try:
        initial = float(start)
    except ValueError:
        initial = math.nan
    if kind != "lin" or math.isnan(initial):
        raise UnsupportedHyperparameter(name, value, "expected a number or 'lin_X'")
    return lambda progress_remaining: progress_remaining * initial


def train_freq_of(value: int | list[Any] | tuple[Any, ...]) -> int | tuple[int, str]:
    """Return a number of env steps as it is, and [number, unit] as the tuple SB3 asks for.

    Raises:
        UnsupportedHyperparameter: any other value.
    """
    if isinstance(value, int):
        return value
    if len(value) == 2 and value[1] in ("step", "episode"):
        return int(value[0]), str(value[1])
    name = "train_freq"
    raise UnsupportedHyperparameter(name, value, "expected n or [n, 'step' | 'episode']")


def activation_of(value: str) -> type[torch.nn.Module]:
    """Return the class of an activation function.

    Raises:
        UnsupportedHyperparameter: a name outside ACTIVATIONS.
    """
    found = ACTIVATIONS.get(str(value).lower())
    if found is None:
        name = "activation_fn"
        raise UnsupportedHyperparameter(name, value, f"one of {', '.join(ACTIVATIONS)}")
    return found
