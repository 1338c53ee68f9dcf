"""TQC of the installed sbx, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sbx import TQC

from baselines.sb3.sac import PASSED_ON as OF_SAC
from baselines.sbx import off_policy
from baselines.sbx.values import refuse_other_than
from harness.side import Call

PASSED_ON = (*OF_SAC, "top_quantiles_to_drop_per_net")
POLICY = ("n_quantiles", "n_critics")


def side(call: Call) -> None:
    """Train sbx's TQC once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's TQC does not take.
    """
    off_policy.train(TQC, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `TQC`; the rest stay defaults."""
    refuse_other_than(call, "n_critics", 2, reason="sbx's TQC has two critics")
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON, policy=POLICY)
    return off_policy.without_interval(call, arguments)
