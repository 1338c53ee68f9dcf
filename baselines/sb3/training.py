"""One training of an algorithm of stable-baselines3, or of a library built on it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from harness.side import Call


def environments(call: Call) -> DummyVecEnv:
    """Return one environment per n_envs, in a vector of them."""
    return DummyVecEnv([call.make_env for _ in range(call.n_envs)])


def train(
    algorithm: type[BaseAlgorithm],
    call: Call,
    arguments: Mapping[str, Any],
    *,
    env: VecEnv | None = None,
    policy: str = "MlpPolicy",
    **learning: Any,  # noqa: ANN401 - as `learn` takes them
) -> None:
    """Train an algorithm once; no logging to disk, no progress bar.

    Args:
        arguments: of the constructor. learning: further ones of `learn`.
        env: `environments(call)`, where its spaces had to be known before; None: made here.
    """
    env = env or environments(call)
    model = algorithm(policy, env, seed=call.seed, device=call.device, **arguments)
    model.learn(total_timesteps=call.total_timesteps, log_interval=sys.maxsize, **learning)
    env.close()
