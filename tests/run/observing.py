"""What the tests of observation share: a writer in memory, a run, and small trainings."""

import gymnasium
import torch

from harness.records import RunSpec, SideSpec
from harness.run.observe import Observation

CARTPOLE = "CartPole-v1"
TAPS = {"epsilon": "env_step", "td_target": "update", "q_values": "update", "rows": "none"}


class MemoryWriter:
    def __init__(self):
        self.episodes, self.lines, self.steps = [], [], []

    def progress(self, env_steps, updates):
        self.steps.append((env_steps, updates))

    def episode(self, **row):
        self.episodes.append(row)

    def metrics(self, env_step, values):
        self.lines.append((env_step, dict(values)))

    def series(self, name):
        return [(step, values[name]) for step, values in self.lines if name in values]


def a_run(total_timesteps=100, *, n_envs=1, env_id=CARTPOLE, taps=TAPS, seed=3):
    side = SideSpec("mine.py:side", "mine.py", None, "side", None, "")
    return RunSpec(
        key="k", side=side, algo="dqn", env_id=env_id, seed=seed, total_timesteps=total_timesteps,
        n_envs=n_envs, hyperparameters={}, device="cpu", fingerprint={}, taps=taps,
    )  # fmt: skip


def watch(work, **kwargs):
    """Run `work()` watched; return (observation, writer)."""
    writer = MemoryWriter()
    with Observation(a_run(**kwargs), writer) as observation:
        work()
    return observation, writer


def drive(env, n_steps, *, seed=0, action=0):
    """Step a single environment, resetting when an episode ends; return what was really paid."""
    env.reset(seed=seed)
    returns, total = [], 0.0
    for _ in range(n_steps):
        _, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        if terminated or truncated:
            returns.append(total)
            total = 0.0
            env.reset()
    return returns


def a_model(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))


def fit(model, optimiser, n_updates, *, max_norm=None):
    x = torch.arange(15.0).reshape(5, 3) / 10
    for _ in range(n_updates):
        loss = (model(x) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()


def cartpole():
    return gymnasium.make(CARTPOLE)
