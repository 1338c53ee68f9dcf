"""PPO of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

import warnings
from typing import Any

from stable_baselines3 import PPO

from baselines.sb3 import normalisation, on_policy, training
from harness.side import Call

# Hyperparameters beside those of every on-policy algorithm, under the constructor's names.
PASSED_ON = ("batch_size", "n_epochs", "target_kl")
SCHEDULES = ("clip_range", "clip_range_vf")  # the latter may be None


def side(call: Call) -> None:
    """Train SB3's PPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's PPO does not take.
    """
    arguments = arguments_of(call)
    with warnings.catch_warnings():
        # An incomplete last minibatch is meant where it is asked for.
        warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
        training.train(PPO, call, arguments, env=normalisation.environments(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `PPO`; the rest stay defaults."""
    own = normalisation.NAMES
    return on_policy.arguments_of(call, passed_on=PASSED_ON, schedules=SCHEDULES, own=own)
