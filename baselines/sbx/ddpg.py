"""DDPG of the installed sbx, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sbx import DDPG

from baselines.sb3.ddpg import PASSED_ON
from baselines.sbx import off_policy
from harness.side import Call


def side(call: Call) -> None:
    """Train sbx's DDPG once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's DDPG does not take.
    """
    off_policy.train(DDPG, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `DDPG`; the rest stay defaults.

    SB3 has one learning rate for both networks: so has sbx, where the critics' own is none.
    """
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON)
    return {**arguments, "qf_learning_rate": None}
