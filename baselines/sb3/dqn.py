"""DQN of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

from stable_baselines3 import DQN

from baselines.sb3.off_policy import arguments_of, train
from harness.side import Call

# Hyperparameters beside those of every off-policy algorithm, under the constructor's names.
PASSED_ON = (
    "target_update_interval",
    "exploration_fraction",
    "exploration_initial_eps",
    "exploration_final_eps",
    "max_grad_norm",
    "policy",
)


def side(call: Call) -> None:
    """Train SB3's DQN once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's DQN does not take.
    """
    train(DQN, call, arguments_of(call, passed_on=PASSED_ON))
