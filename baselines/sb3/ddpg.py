"""DDPG of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

from stable_baselines3 import DDPG

from baselines.sb3.off_policy import arguments_of, train
from harness.side import Call

# Hyperparameters beside those of every off-policy algorithm, under the constructor's names.
PASSED_ON = ("action_noise",)


def side(call: Call) -> None:
    """Train SB3's DDPG once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's DDPG does not take.
    """
    train(DDPG, call, arguments_of(call, passed_on=PASSED_ON))
