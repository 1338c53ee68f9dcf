"""SAC of the installed sbx, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sbx import SAC

from baselines.sb3.sac import PASSED_ON
from baselines.sbx import off_policy
from harness.side import Call


def side(call: Call) -> None:
    """Train sbx's SAC once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's SAC does not take.
    """
    off_policy.train(SAC, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `SAC`; the rest stay defaults."""
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON)
    return off_policy.without_interval(call, arguments)
