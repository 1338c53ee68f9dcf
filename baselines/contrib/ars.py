"""ARS of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import ARS

from baselines.sb3 import training
from baselines.sb3.values import schedule_of
from harness.side import Call

PASSED_ON = ("n_delta", "n_top", "zero_policy", "alive_bonus_offset", "n_eval_episodes")
SCHEDULES = ("learning_rate", "delta_std")


def side(call: Call) -> None:
    """Train sb3-contrib's ARS once, with a linear policy as in the paper.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    training.train(ARS, call, arguments_of(call), policy="LinearPolicy")


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `ARS`; the rest stay defaults."""
    known = call.only(*PASSED_ON, *SCHEDULES)
    scheduled = {name: schedule_of(name, known[name]) for name in SCHEDULES if name in known}
    return {name: known[name] for name in PASSED_ON if name in known} | scheduled
