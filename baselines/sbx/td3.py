"""TD3 of the installed sbx, run as a side: no copy, only names translated.

sbx moves all targets at every update, where SB3 moves them with the actor.
"""

from __future__ import annotations

from typing import Any

from sbx import TD3

from baselines.sb3.td3 import PASSED_ON
from baselines.sbx import off_policy
from harness.side import Call


def side(call: Call) -> None:
    """Train sbx's TD3 once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's TD3 does not take.
    """
    off_policy.train(TD3, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `TD3`; the rest stay defaults."""
    return off_policy.arguments_of(call, passed_on=PASSED_ON)
