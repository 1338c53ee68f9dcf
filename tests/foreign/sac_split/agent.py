"""A SAC in four files with classes: the loop, a replay memory, networks, and the learner."""

import numpy as np
import torch

from harness.side import UnsupportedHyperparameter
from harness.tap import tap

from .learner import Learner  # noqa: TID252 - siblings, as in a learner's own folder
from .replay import Replay  # noqa: TID252 - siblings, as in a learner's own folder

OPTIONS = (
    *("learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma"),
    *("train_freq", "gradient_steps", "ent_coef", "target_update_interval", "target_entropy"),
    "net_arch",
)


class Agent:
    def __init__(self, call):
        if call.n_envs != 1:
            name = "n_envs"
            raise UnsupportedHyperparameter(name, call.n_envs, "this agent lives in one world")
        self.call, self.options = call, call.only(*OPTIONS)
        self.env = call.make_env()
        self.low, self.high = self.env.action_space.low, self.env.action_space.high
        torch.manual_seed(call.seed)
        self.random = np.random.default_rng(call.seed)
        self.replay = Replay(self.options["buffer_size"], call.seed)
        n_inputs = int(np.prod(self.env.observation_space.shape))
        self.learner = Learner(n_inputs, self.low.size, self.options)

    def stretched(self, action):
        """Return an action of [-1, 1] in the environment's bounds."""
        share = (action.reshape(self.low.shape) + 1) / 2
        return ((1 - share) * self.low + share * self.high).astype(np.float32)

    def choose(self, obs, t):
        if t < self.options["learning_starts"]:
            return self.random.uniform(-1, 1, self.low.size).astype(np.float32)
        return self.learner.act(obs)

    def train(self):
        obs, _ = self.env.reset(seed=self.call.seed)
        t = 0
        while t < self.call.total_timesteps or t % self.options["train_freq"]:
            obs = tap("obs", obs)
            action = tap("action", self.choose(obs, t))
            next_obs, reward, terminated, truncated, _ = self.env.step(self.stretched(action))
            self.replay.push(
                {"obs": obs, "action": action, "reward": reward,
                 "next_obs": next_obs, "terminated": terminated}
            )  # fmt: skip
            obs = self.env.reset()[0] if terminated or truncated else next_obs
            t += 1
            if t % self.options["train_freq"] == 0 and t > self.options["learning_starts"]:
                self.learn(t)
        self.env.close()

    def learn(self, t):
        self.learner.set_rate(t / self.call.total_timesteps)
        n_updates = self.options["gradient_steps"]
        for k in range(self.options["train_freq"] if n_updates < 0 else n_updates):
            self.learner.learn(
                self.replay.draw(self.options["batch_size"]),
                moves_targets=k % self.options["target_update_interval"] == 0,
            )


def side(call):
    Agent(call).train()
