"""RecurrentPPO of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import RecurrentPPO

from baselines.sb3 import on_policy, training
from baselines.sb3.ppo import PASSED_ON, SCHEDULES
from harness.side import Call

# Those that the constructor of the policy takes as they are.
POLICY = ("lstm_hidden_size", "n_lstm_layers", "shared_lstm", "enable_critic_lstm")


def side(call: Call) -> None:
    """Train sb3-contrib's RecurrentPPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    training.train(RecurrentPPO, call, arguments_of(call), policy="MlpLstmPolicy")


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `RecurrentPPO`."""
    arguments = on_policy.arguments_of(call, passed_on=PASSED_ON, schedules=SCHEDULES, own=POLICY)
    known = call.hyperparameters
    arguments["policy_kwargs"] |= {name: known[name] for name in POLICY if name in known}
    return arguments
