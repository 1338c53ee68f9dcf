"""What every algorithm of sbx asks of a call: names translated, values that it ignores refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from harness.side import Call, UnsupportedHyperparameter

# Names of activation functions, as in rl-baselines3-zoo's hyperparameter files, lower case.
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "tanh": nn.tanh,
    "elu": nn.elu,
    "leaky_relu": nn.leaky_relu,
}
CPU = "cpu"


def in_flax(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return SB3's keyword arguments with what its policies take from torch taken from flax.

    Raises:
        UnsupportedHyperparameter: the call asks for another device than the processor.
    """
    if call.device != CPU:
        name, reason = "device", "sbx is compared on the processor: --device cpu"
        raise UnsupportedHyperparameter(name, call.device, reason)
    policy = dict(arguments["policy_kwargs"])
    if "activation_fn" in policy:
        policy["activation_fn"] = ACTIVATIONS[str(call.hyperparameters["activation_fn"]).lower()]
    return {**arguments, "policy_kwargs": policy}


def refuse_other_than(call: Call, name: str, value: object, *, reason: str) -> None:
    """Check a hyperparameter that sbx lacks: it may only have the value that sbx stands for.

    Raises:
        UnsupportedHyperparameter: the call holds another value.
    """
    given = call.hyperparameters.get(name, value)
    if given != value:
        raise UnsupportedHyperparameter(name, given, reason)


def refuse_schedule(call: Call) -> None:
    """Check that the learning rate is a number: most of sbx's optimisers keep their first one.

    Raises:
        UnsupportedHyperparameter: it is a schedule.
    """
    rate = call.hyperparameters.get("learning_rate", 0.0)
    if isinstance(rate, str):
        name, reason = "learning_rate", "sbx changes it during a run for PPO alone: give a number"
        raise UnsupportedHyperparameter(name, rate, reason)
