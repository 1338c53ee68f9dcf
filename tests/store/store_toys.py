"""Small runs and traces for the tests of the store."""

import math

import numpy as np

from harness.records import RunSpec, SideSpec


def make_run(key="ab" * 32, **changes):
    side = SideSpec("toy", "/somewhere/toy.py", None, "side", None, "d" * 64)
    fields = {
        "key": key,
        "side": side,
        "algo": "dqn",
        "env_id": "CartPole-v1",
        "seed": 3,
        "total_timesteps": 100,
        "n_envs": 1,
        "hyperparameters": {"gamma": 0.9, "max_grad_norm": math.inf, "net_arch": [4, 4]},
        "device": "cpu",
        "fingerprint": {"torch": "2"},
        "taps": {"epsilon": "env_step"},
    }
    return RunSpec(**{**fields, **changes})


def train(writer, n_steps=40, seed=0, first_non_finite=None):
    rng = np.random.default_rng(seed)
    for env_step in range(1, n_steps + 1):
        writer.progress(env_step, env_step // 2)
        if env_step % 10 == 0:
            writer.episode(
                end_env_step=env_step,
                episode_return=float(rng.normal()),
                length=10,
                terminated=True,
                truncated=False,
            )
            writer.metrics(env_step, {"loss": float(rng.normal()), "td_target.mean": math.nan})
    writer.finish(
        facts={"env_steps": n_steps, "lr": [math.nan, 1.0]},
        provenance={"hyperparameters": {"max_grad_norm": math.inf}},
        env_steps=n_steps,
        updates=n_steps // 2,
        first_non_finite=first_non_finite,
    )
