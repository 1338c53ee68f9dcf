"""TRPO of the installed sb3-contrib, run as a side: no copy, only names translated."""

from __future__ import annotations

from typing import Any

from sb3_contrib import TRPO

from baselines.sb3 import on_policy, training
from harness.side import Call

# Of the hyperparameters that on-policy constructors share, TRPO's has these.
COMMON = ("n_steps", "gamma", "gae_lambda", "normalize_advantage")
PASSED_ON = (
    "batch_size",
    "cg_max_steps",
    "cg_damping",
    "line_search_shrinking_factor",
    "line_search_max_iter",
    "n_critic_updates",
    "target_kl",
    "sub_sampling_factor",
)


def side(call: Call) -> None:
    """Train sb3-contrib's TRPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    training.train(TRPO, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `TRPO`; the rest stay defaults."""
    return on_policy.arguments_of(call, passed_on=PASSED_ON, common=COMMON)
