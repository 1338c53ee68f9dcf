"""QR-DQN of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import QRDQN

from baselines.sb3 import off_policy
from baselines.sb3.dqn import PASSED_ON
from harness.side import Call

# Hyperparameters that the constructor of the policy takes as they are. The others are DQN's.
POLICY = ("n_quantiles",)


def side(call: Call) -> None:
    """Train sb3-contrib's QR-DQN once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    off_policy.train(QRDQN, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `QRDQN`; the rest stay defaults."""
    return off_policy.arguments_of(call, passed_on=PASSED_ON, policy=POLICY)
