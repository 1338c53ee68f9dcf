"""REINFORCE with a baseline as a case of the installed stable-baselines3's A2C, run as a side.

SB3 has no REINFORCE; its A2C is one under these arguments (docs/equivalences.md shows why).
"""

from __future__ import annotations

import math
from typing import Any

from stable_baselines3 import A2C

from baselines.sb3 import on_policy, training
from harness.side import Call

# What makes A2C REINFORCE; everything else is the caller's.
AS_REINFORCE = {
    "gae_lambda": 1.0,  # the advantage is return minus value
    "ent_coef": 0.0,
    "vf_coef": 0.5,  # half a square, whose gradient is that of the baseline's update
    "use_rms_prop": False,  # Adam
    "max_grad_norm": math.inf,  # no gradient is clipped
}
HYPERPARAMETERS = (
    "learning_rate",
    "n_steps",
    "gamma",
    "normalize_advantage",
    "net_arch",
    "ortho_init",
)


def side(call: Call) -> None:
    """Train SB3's A2C once, as REINFORCE.

    Raises:
        UnsupportedHyperparameter: a name or a value that REINFORCE does not take.
    """
    training.train(A2C, call, arguments_of(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `A2C`, and AS_REINFORCE."""
    call.only(*HYPERPARAMETERS)
    return {**on_policy.arguments_of(call, passed_on=()), **AS_REINFORCE}
