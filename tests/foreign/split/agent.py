"""A DQN in three files with classes; tapped; makes a spare environment and evaluates now and then.

The class below holds the loop, its neighbours the memory and the learner.
"""

import random

import gymnasium
import numpy as np
import torch

from harness.tap import tap

from .learner import Learner  # noqa: TID252 - siblings, as in a learner's own folder
from .memory import Memory  # noqa: TID252 - siblings, as in a learner's own folder

EVALUATE_EVERY = 300  # env steps


class Agent:
    def __init__(self, call):
        self.call, self.options = call, dict(call.hyperparameters)
        spare = gymnasium.make(call.env_id)  # only for its spaces
        self.n_actions = int(spare.action_space.n)
        n_inputs = spare.observation_space.shape[0]
        self.env = gymnasium.make(call.env_id)
        self.evaluation = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(call.env_id))
        torch.manual_seed(call.seed)
        self.random = random.Random(call.seed)
        self.memory = Memory(self.options["buffer_size"], call.seed)
        self.learner = Learner(n_inputs, self.n_actions, self.options)

    def epsilon(self, t):
        start = self.options["exploration_initial_eps"]
        end = self.options["exploration_final_eps"]
        share = t / (self.options["exploration_fraction"] * self.call.total_timesteps)
        return start + min(share, 1.0) * (end - start)

    def choose(self, obs, t):
        # The first epsilon is never logged: SB3 sets it after each step.
        epsilon = tap("epsilon", self.epsilon(t))
        if t < self.options["learning_starts"] or self.random.random() < epsilon:
            return self.random.randrange(self.n_actions)
        return int(np.argmax(self.learner.values_of(obs).numpy()))

    def evaluate(self):
        obs, _ = self.evaluation.reset()
        is_over = False
        while not is_over:
            action = int(self.learner.values_of(obs).argmax())
            obs, _, terminated, truncated, _ = self.evaluation.step(action)
            is_over = terminated or truncated

    def train(self):
        self.env.reset()
        obs, _ = self.env.reset(seed=self.call.seed)
        for t in range(self.call.total_timesteps):
            action = self.choose(obs, t)
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            stored = self.memory.push(obs, action, np.float64(reward), next_obs, terminated)
            tap("transition", stored)
            obs = self.env.reset()[0] if terminated or truncated else next_obs
            self.after_step(t + 1)

    def after_step(self, t):
        if t % self.options["target_update_interval"] == 0:
            self.learner.synchronise()
        if t % self.options["train_freq"] == 0 and t > self.options["learning_starts"]:
            n_updates = self.options["gradient_steps"]
            for _ in range(self.options["train_freq"] if n_updates < 0 else n_updates):
                self.learner.learn(self.memory.draw(self.options["batch_size"]))
        if t % EVALUATE_EVERY == 0:
            self.evaluate()


def side(call):
    Agent(call).train()
