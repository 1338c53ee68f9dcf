"""What SB3's off-policy algorithms share as sides: names translated, one environment per n_envs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from baselines.sb3 import training
from baselines.sb3.values import activation_of, schedule_of, train_freq_of
from harness.side import Call, UnsupportedHyperparameter

# Hyperparameters that every off-policy constructor takes as they are, under the same name.
PASSED_ON = (
    "buffer_size",
    "learning_starts",
    "batch_size",
    "tau",
    "gamma",
    "gradient_steps",
    "n_steps",
)
TRANSLATED = ("learning_rate", "train_freq", "net_arch", "activation_fn")

# Form of an action noise -> SB3's class; "normal_0.1" is the Gaussian one of deviation 0.1.
NOISES = {"normal": NormalActionNoise, "ou": OrnsteinUhlenbeckActionNoise}


def train(algorithm: type[OffPolicyAlgorithm], call: Call, arguments: dict[str, Any]) -> None:
    """Train an algorithm once; an action noise is made for the shape of the actions."""
    env = training.environments(call)
    if "action_noise" in arguments:
        noise = noise_of(arguments["action_noise"], shape=env.action_space.shape or ())
        arguments = {**arguments, "action_noise": noise}
    policy = arguments.pop("policy", "MlpPolicy")
    training.train(algorithm, call, arguments, env=env, policy=policy)


def arguments_of(
    call: Call,
    *,
    passed_on: tuple[str, ...],
    common: tuple[str, ...] = PASSED_ON,
    policy: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments; the rest stay defaults.

    Args:
        passed_on: those of this algorithm alone that its constructor takes as they are.
        common: those of most algorithms that its constructor has too.
        policy: those that the constructor of its policy takes as they are.

    Raises:
        UnsupportedHyperparameter: a name that is in neither of these nor known here.
    """
    known = (*common, *passed_on)
    hyperparameters: Mapping[str, Any] = call.only(*known, *policy, *TRANSLATED)
    arguments = {name: hyperparameters[name] for name in known if name in hyperparameters}
    if "learning_rate" in hyperparameters:
        arguments["learning_rate"] = schedule_of("learning_rate", hyperparameters["learning_rate"])
    if "train_freq" in hyperparameters:
        arguments["train_freq"] = train_freq_of(hyperparameters["train_freq"])
    of_policy = {n: hyperparameters[n] for n in ("net_arch", *policy) if n in hyperparameters}
    if "activation_fn" in hyperparameters:
        of_policy["activation_fn"] = activation_of(hyperparameters["activation_fn"])
    return {**arguments, "policy_kwargs": of_policy}


def noise_of(value: str | None, *, shape: tuple[int, ...]) -> ActionNoise | None:
    """Return "normal_X" or "ou_X" as SB3's noise of deviation X around 0, of an action's shape.

    Raises:
        UnsupportedHyperparameter: any other value.
    """
    if value is None:
        return None
    kind, _, deviation = str(value).partition("_")
    try:
        noise: ActionNoise = NOISES[kind](np.zeros(shape), float(deviation) * np.ones(shape))
    except (KeyError, ValueError):
        name, reason = "action_noise", "expected none, 'normal_X' or 'ou_X'"
        raise UnsupportedHyperparameter(name, value, reason) from None
    return noise
