"""SAC of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

from stable_baselines3 import SAC

from baselines.sb3.off_policy import arguments_of, train
from harness.side import Call

# Hyperparameters beside those of every off-policy algorithm, under the constructor's names.
PASSED_ON = (
    "ent_coef",
    "target_update_interval",
    "target_entropy",
)


def side(call: Call) -> None:
    """Train SB3's SAC once.

    Raises:
        UnsupportedHyperparameter: a name or a value that SB3's SAC does not take.
    """
    train(SAC, call, arguments_of(call, passed_on=PASSED_ON))
