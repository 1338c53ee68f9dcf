"""Running normalisation of observations and rewards, by SB3's VecNormalize."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from baselines.sb3 import training
from harness.side import Call, UnsupportedHyperparameter

# Hyperparameters of the wrapper; its `epsilon` is called norm_epsilon, its gamma is the algorithm's
# (as in rl-baselines3-zoo).
NAMES = ("norm_obs", "norm_reward", "clip_obs", "clip_reward", "norm_epsilon")


def environments(call: Call) -> VecEnv:
    """Return the environments of a call, in the wrapper where it asks for one.

    Raises:
        UnsupportedHyperparameter: observations are to be scaled that are no arrays of numbers.
    """
    env = training.environments(call)
    asked = call.hyperparameters
    norm_obs, norm_reward = bool(asked.get("norm_obs")), bool(asked.get("norm_reward"))
    if not norm_obs and not norm_reward:
        return env
    options = {name: asked[name] for name in ("clip_obs", "clip_reward", "gamma") if name in asked}
    if "norm_epsilon" in asked:
        options["epsilon"] = asked["norm_epsilon"]
    try:
        return VecNormalize(env, norm_obs=norm_obs, norm_reward=norm_reward, **options)
    except ValueError as error:
        raise UnsupportedHyperparameter(NAMES[0], norm_obs, str(error)) from error
