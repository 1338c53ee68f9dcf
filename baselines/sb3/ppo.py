"""PPO of the installed stable-baselines3, run as a side: no copy, only names translated."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines.sb3.values import activation_of, schedule_of
from harness.side import Call

# Hyperparameters that PPO's constructor takes as they are, under the same name.
PASSED_ON = (
    "n_steps",
    "batch_size",
    "n_epochs",
    "gamma",
    "gae_lambda",
    "normalize_advantage",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
    "target_kl",
)
# A number or "lin_X"; clip_range_vf may be None.
SCHEDULES = ("learning_rate", "clip_range", "clip_range_vf")
# Arguments of the policy.
POLICY = ("net_arch", "ortho_init", "log_std_init", "activation_fn")


def side(call: Call) -> None:
    """Train SB3's PPO once; no logging to disk, no progress bar, one environment per n_envs.

    Raises:
        UnsupportedHyperparameter: a name that is not in PASSED_ON, SCHEDULES or POLICY.
    """
    env = DummyVecEnv([call.make_env for _ in range(call.n_envs)])
    arguments = arguments_of(call)
    with warnings.catch_warnings():
        # An incomplete last minibatch is meant where it is asked for.
        warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
        model = PPO("MlpPolicy", env, seed=call.seed, device=call.device, **arguments)
    model.learn(total_timesteps=call.total_timesteps, log_interval=sys.maxsize)
    env.close()


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `PPO`; the rest stay defaults."""
    hyperparameters: Mapping[str, Any] = call.only(*PASSED_ON, *SCHEDULES, *POLICY)
    arguments = {name: hyperparameters[name] for name in PASSED_ON if name in hyperparameters}
    for name in SCHEDULES:
        if hyperparameters.get(name) is not None:
            arguments[name] = schedule_of(name, hyperparameters[name])
    policy = {name: hyperparameters[name] for name in POLICY if name in hyperparameters}
    if "activation_fn" in policy:
        policy["activation_fn"] = activation_of(policy["activation_fn"])
    return {**arguments, "policy_kwargs": policy}
