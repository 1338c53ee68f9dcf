"""MaskablePPO of the installed sb3-contrib, run as a side: no copy, only names translated.

An environment that has `action_masks()` is masked; another one is trained on as PPO does.
"""

from __future__ import annotations

import sys
from typing import Any

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import is_masking_supported
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines.sb3 import on_policy
from baselines.sb3.ppo import PASSED_ON, SCHEDULES
from harness.side import Call


def side(call: Call) -> None:
    """Train sb3-contrib's MaskablePPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that it does not take.
    """
    env = DummyVecEnv([call.make_env for _ in range(call.n_envs)])
    model = MaskablePPO("MlpPolicy", env, seed=call.seed, device=call.device, **arguments_of(call))
    model.learn(
        total_timesteps=call.total_timesteps,
        log_interval=sys.maxsize,
        use_masking=is_masking_supported(env),
    )
    env.close()


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `MaskablePPO`."""
    return on_policy.arguments_of(call, passed_on=PASSED_ON, schedules=SCHEDULES)
