"""CrossQ of the installed sbx, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sbx import CrossQ

from baselines.sbx import off_policy
from harness.side import Call

# CrossQ has no target networks. Both tuples are those of `baselines.contrib.crossq`, which needs
# another library.
COMMON = tuple(name for name in off_policy.PASSED_ON if name != "tau")
PASSED_ON = ("ent_coef", "target_entropy", "policy_delay")


def side(call: Call) -> None:
    """Train sbx's CrossQ once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's CrossQ does not take.
    """
    off_policy.train(CrossQ, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `CrossQ`."""
    return off_policy.arguments_of(call, passed_on=PASSED_ON, common=COMMON)
