"""CrossQ of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import CrossQ

from baselines.sb3 import off_policy
from harness.side import Call

# Of the hyperparameters that off-policy constructors share, CrossQ has all but that of the target
# networks, of which it has none.
COMMON = tuple(name for name in off_policy.PASSED_ON if name != "tau")
PASSED_ON = ("ent_coef", "target_entropy", "policy_delay")


def side(call: Call) -> None:
    """Train sb3-contrib's CrossQ once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    off_policy.train(CrossQ, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `CrossQ`."""
    return off_policy.arguments_of(call, passed_on=PASSED_ON, common=COMMON)
