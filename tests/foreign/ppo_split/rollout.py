"""What one rollout holds: lists of one environment each, flattened environment by environment."""

from dataclasses import dataclass

import numpy as np
import torch

from harness.tap import tap


@dataclass
class Minibatch:
    obs: torch.Tensor
    actions: torch.Tensor
    old_log_prob: torch.Tensor
    old_values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


class RolloutBuffer:
    def __init__(self, n_envs, gamma, gae_lambda):
        self.n_envs, self.gamma, self.gae_lambda = n_envs, gamma, gae_lambda
        self.clear()

    def clear(self):
        self.steps = []

    def add(self, transition, value, log_prob):
        self.steps.append({**transition, "value": value, "log_prob": log_prob})

    def column(self, name, dtype=np.float32):
        """Return (n_envs, n_steps, ...)."""
        return np.stack([np.asarray(step[name], dtype) for step in self.steps], axis=1)

    def finish(self, last_value, is_start):
        """Weigh the errors of all later steps of the episode: sum of (gamma lambda)^k delta."""
        rewards, values = self.column("reward"), self.column("value")
        starts = np.column_stack([self.column("episode_start"), is_start]).astype(bool)
        following = np.column_stack([values[:, 1:], last_value])
        delta = rewards + self.gamma * np.where(starts[:, 1:], 0, following) - values
        advantages = np.zeros_like(delta)
        for env in range(self.n_envs):
            carried = 0.0
            for step in range(len(self.steps) - 1, -1, -1):
                if starts[env, step + 1]:
                    carried = 0.0
                carried = delta[env, step] + self.gamma * self.gae_lambda * carried
                advantages[env, step] = carried
        self.advantages = tap("advantages", advantages.T).T
        self.returns = tap("returns", (self.advantages + values).T).T

    def minibatches(self, size, rng):
        n_steps = len(self.steps)
        flat = {
            "obs": self.column("obs"),
            "actions": self.column("action", None),
            "old_log_prob": self.column("log_prob"),
            "old_values": self.column("value"),
            "advantages": self.advantages,
            "returns": self.returns,
        }
        flat = {
            name: torch.from_numpy(x.reshape(n_steps * self.n_envs, *x.shape[2:]))
            for name, x in flat.items()
        }
        order = rng.permutation(n_steps * self.n_envs)
        for chosen in np.split(order, range(size, len(order), size)):
            env, step = np.divmod(chosen, n_steps)
            rows = tap("rows", {"env": env, "step": step})
            places = rows["env"] * n_steps + rows["step"]
            yield tap("minibatch", Minibatch(**{name: x[places] for name, x in flat.items()}))
