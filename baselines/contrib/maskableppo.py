"""MaskablePPO of the installed sb3-contrib, run as a side: no copy, only names translated.

An environment that has `action_masks()` is masked; another one is trained on as PPO does.
"""

from __future__ import annotations

from typing import Any

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import is_masking_supported

from baselines.sb3 import on_policy, training
from baselines.sb3.ppo import PASSED_ON, SCHEDULES
from harness.side import Call


def side(call: Call) -> None:
    """Train sb3-contrib's MaskablePPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    env = training.environments(call)
    is_masked = is_masking_supported(env)
    training.train(MaskablePPO, call, arguments_of(call), env=env, use_masking=is_masked)


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `MaskablePPO`."""
    return on_policy.arguments_of(call, passed_on=PASSED_ON, schedules=SCHEDULES)
