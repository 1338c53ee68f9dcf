"""SAC of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines.sb3.values import activation_of, schedule_of, train_freq_of
from harness.side import Call

# Hyperparameters that SAC's constructor takes as they are, under the same name.
PASSED_ON = (
    "buffer_size",
    "learning_starts",
    "batch_size",
    "tau",
    "gamma",
    "gradient_steps",
    "ent_coef",
    "target_update_interval",
    "target_entropy",
)
TRANSLATED = ("learning_rate", "train_freq", "net_arch", "activation_fn")


def side(call: Call) -> None:
    """Train SB3's SAC once; no logging to disk, no progress bar, one environment per n_envs.

    Raises:
        UnsupportedHyperparameter: a name that is not in PASSED_ON or TRANSLATED.
    """
    env = DummyVecEnv([call.make_env for _ in range(call.n_envs)])
    model = SAC("MlpPolicy", env, seed=call.seed, device=call.device, **arguments_of(call))
    model.learn(total_timesteps=call.total_timesteps, log_interval=sys.maxsize)
    env.close()


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `SAC`; the rest stay defaults."""
    hyperparameters: Mapping[str, Any] = call.only(*PASSED_ON, *TRANSLATED)
    arguments = {name: hyperparameters[name] for name in PASSED_ON if name in hyperparameters}
    if "learning_rate" in hyperparameters:
        arguments["learning_rate"] = schedule_of("learning_rate", hyperparameters["learning_rate"])
    if "train_freq" in hyperparameters:
        arguments["train_freq"] = train_freq_of(hyperparameters["train_freq"])
    policy: dict[str, Any] = {}
    if "net_arch" in hyperparameters:
        policy["net_arch"] = hyperparameters["net_arch"]
    if "activation_fn" in hyperparameters:
        policy["activation_fn"] = activation_of(hyperparameters["activation_fn"])
    return {**arguments, "policy_kwargs": policy}
