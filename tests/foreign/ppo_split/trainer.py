"""A PPO in classes and files; tapped. The class below holds the environments and the loop."""

from dataclasses import dataclass, fields

import gymnasium
import numpy as np
import torch

from harness.tap import tap

from .learner import Learner  # noqa: TID252 - siblings, as in a learner's own folder
from .networks import Networks  # noqa: TID252 - siblings, as in a learner's own folder
from .rollout import RolloutBuffer  # noqa: TID252 - siblings, as in a learner's own folder


@dataclass
class Options:
    learning_rate: object = 3e-4
    n_steps: int = 2048
    batch_size: int = 64
    n_epochs: int = 10
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: object = 0.2
    clip_range_vf: object = None
    normalize_advantage: bool = True
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    target_kl: float | None = None
    net_arch: object = (64, 64)
    ortho_init: bool = True

    def at(self, name, left):
        """Return a setting when the share `left` of the run is left."""
        value = getattr(self, name)
        return float(value[len("lin_") :]) * left if isinstance(value, str) else value


class Worker:
    """One environment, which starts its next episode at once."""

    def __init__(self, env, seed):
        self.env = env
        self.obs, _ = env.reset(seed=seed)
        self.is_start = True

    def step(self, action):
        """Return (reward, final observation of an episode that was cut off, or None)."""
        obs, reward, terminated, truncated, _ = self.env.step(action)
        self.is_start = terminated or truncated
        self.obs = self.env.reset()[0] if self.is_start else obs
        return reward, obs if truncated and not terminated else None


class Trainer:
    def __init__(self, call, options):
        self.call, self.options = call, options
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        envs = [call.make_env() for _ in range(call.n_envs)]
        self.space = envs[0].action_space
        self.is_box = isinstance(self.space, gymnasium.spaces.Box)
        n_actions = self.space.shape[0] if self.is_box else self.space.n
        n_inputs = int(np.prod(envs[0].observation_space.shape))
        self.networks = tap("policy", Networks(n_inputs, n_actions, options, self.is_box))
        self.learner = Learner(self.networks, options)
        self.buffer = RolloutBuffer(call.n_envs, options.gamma, options.gae_lambda)
        self.workers = [Worker(env, call.seed + i) for i, env in enumerate(envs)]

    def value_of(self, obs):
        return self.networks.value(torch.from_numpy(np.asarray(obs, np.float32)).flatten(1))

    @torch.no_grad()
    def step(self):
        obs = tap("obs", np.stack([worker.obs for worker in self.workers]))
        starts = [worker.is_start for worker in self.workers]
        outputs = self.networks.outputs(torch.from_numpy(obs).flatten(1))
        actions = tap("action", self.networks.sample(outputs))
        log_prob = tap("log_prob", self.networks.log_density(outputs, actions))
        value = tap("value", self.value_of(obs))
        chosen = actions.numpy()
        if self.is_box:
            chosen = np.minimum(np.maximum(chosen, self.space.low), self.space.high)
        made = [worker.step(one) for worker, one in zip(self.workers, chosen, strict=True)]
        rewards = np.array([reward for reward, _ in made], np.float64)
        for i, (_, last_obs) in enumerate(made):
            if last_obs is not None:
                beyond = tap("terminal_value", self.value_of(last_obs[None]).item())
                rewards[i] += self.options.gamma * beyond
        transition = {"obs": obs, "action": actions, "reward": rewards, "episode_start": starts}
        self.buffer.add(tap("transition", transition), value, log_prob)

    def train(self):
        n_made = 0
        while n_made < self.call.total_timesteps:
            self.buffer.clear()
            for _ in range(self.options.n_steps):
                self.step()
            n_made += self.options.n_steps * len(self.workers)
            with torch.no_grad():
                last = tap("last_value", self.value_of([worker.obs for worker in self.workers]))
            self.buffer.finish(last.numpy(), [worker.is_start for worker in self.workers])
            self.learner.learn(self.buffer, self.rng, 1 - n_made / self.call.total_timesteps)


def side(call):
    Trainer(call, Options(**call.only(*(field.name for field in fields(Options))))).train()
