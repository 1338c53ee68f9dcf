"""DQN of the installed sbx, run as a side: no copy, only names translated.

sbx clips no gradients by itself: the clip is made part of the optimiser that its policy is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import optax
from sbx import DQN

from baselines.sb3.dqn import PASSED_ON
from baselines.sbx import off_policy
from baselines.sbx.values import refuse_other_than
from harness.side import Call, UnsupportedHyperparameter

# SB3's default (stable_baselines3/dqn/dqn.py).
MAX_GRAD_NORM = 10.0


def side(call: Call) -> None:
    """Train sbx's DQN once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's DQN does not take.
    """
    off_policy.train(DQN, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `DQN`; the rest stay defaults."""
    refuse_other_than(call, "policy", "MlpPolicy", reason="images are not attached for sbx")
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON)
    _check_layers(call.hyperparameters.get("net_arch", [64, 64]))
    max_norm = arguments.pop("max_grad_norm", MAX_GRAD_NORM)
    arguments["policy_kwargs"]["optimizer_class"] = partial(clipped_adam, max_norm=max_norm)
    return arguments


def clipped_adam(
    learning_rate: float, *, max_norm: float, **constants: float
) -> optax.GradientTransformationExtraArgs:
    """Return Adam behind a clip of the gradients' Euclidean norm, as one optimiser."""
    clip = optax.clip_by_global_norm(max_norm)
    return optax.chain(clip, optax.adam(learning_rate, **constants))


def _check_layers(net_arch: Iterable[int]) -> None:
    units = [*net_arch]
    if len(units) != 2 or units[0] != units[1]:
        name, reason = "net_arch", "sbx's DQN has two hidden layers of one width"
        raise UnsupportedHyperparameter(name, net_arch, reason)
