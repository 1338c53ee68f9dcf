"""A2C of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import A2C
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from baselines.sb3 import normalisation, on_policy, training
from harness.side import Call, UnsupportedHyperparameter

# Hyperparameters beside those of every on-policy algorithm, under the constructor's names.
PASSED_ON = ("use_rms_prop", "rms_prop_eps")
# An argument of the policy, by its class name; SB3 leaves its constants to whoever asks for it.
OPTIMISER = "optimizer_class"
# As rl-baselines3-zoo's a2c.yml and SB3's documentation have it, and as SB3's RMSprop.
ALPHA = 0.99


def side(call: Call) -> None:
    """Train SB3's A2C once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's A2C does not take.
    """
    training.train(A2C, call, arguments_of(call), env=normalisation.environments(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `A2C`; the rest stay defaults."""
    own = (OPTIMISER, *normalisation.NAMES)
    arguments = on_policy.arguments_of(call, passed_on=PASSED_ON, own=own)
    name = call.hyperparameters.get(OPTIMISER)
    if name is None:
        return arguments
    if name != RMSpropTFLike.__name__:
        raise UnsupportedHyperparameter(OPTIMISER, name, f"expected {RMSpropTFLike.__name__}")
    constants = {"alpha": ALPHA, "eps": call.hyperparameters.get("rms_prop_eps", 1e-5)}
    optimiser = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": constants}
    return {**arguments, "policy_kwargs": {**arguments["policy_kwargs"], **optimiser}}
