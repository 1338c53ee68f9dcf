"""TQC of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import TQC

from baselines.sb3 import off_policy
from baselines.sb3.sac import PASSED_ON as OF_SAC
from harness.side import Call

# Hyperparameters that the constructor takes as they are: SAC's, and one more.
PASSED_ON = (*OF_SAC, "top_quantiles_to_drop_per_net")
# Those that the constructor of the policy takes as they are.
POLICY = ("n_quantiles", "n_critics")


def side(call: Call) -> None:
    """Train sb3-contrib's TQC once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    off_policy.train(TQC, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `TQC`; the rest stay defaults."""
    return off_policy.arguments_of(call, passed_on=PASSED_ON, policy=POLICY)
