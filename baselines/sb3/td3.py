"""TD3 of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

from stable_baselines3 import TD3

from baselines.sb3.off_policy import arguments_of, train
from harness.side import Call

# Hyperparameters beside those of every off-policy algorithm, under the constructor's names.
PASSED_ON = (
    "action_noise",
    "policy_delay",
    "target_policy_noise",
    "target_noise_clip",
)


def side(call: Call) -> None:
    """Train SB3's TD3 once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's TD3 does not take.
    """
    train(TD3, call, arguments_of(call, passed_on=PASSED_ON))
