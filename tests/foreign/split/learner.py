"""The learner: networks, target, loss; knows nothing of environments."""

import copy

import numpy as np
import torch
from torch import nn

from harness.tap import tap

from .memory import Transition  # noqa: TID252 - siblings, as in a learner's own folder


def build(n_inputs, n_outputs, hidden):
    net = nn.Sequential()
    for k, width in enumerate(hidden):
        net.add_module(f"dense{k}", nn.Linear(n_inputs, width))
        net.add_module(f"relu{k}", nn.ReLU())
        n_inputs = width
    net.add_module("values", nn.Linear(n_inputs, n_outputs))
    return net


class Learner:
    """Both networks are listed in one fused optimiser; the target never gets a gradient."""

    def __init__(self, n_inputs, n_outputs, options):
        self.options = options
        self.online = build(n_inputs, n_outputs, options["net_arch"])
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.huber = nn.HuberLoss()
        self.optimizer = torch.optim.Adam(
            [
                {"params": list(self.online.parameters())},
                {"params": list(self.target.parameters())},
            ],
            lr=options["learning_rate"],
            fused=True,
        )

    def values_of(self, obs):
        with torch.inference_mode():
            return self.online(torch.tensor(obs, dtype=torch.float32).unsqueeze(0))[0]

    def learn(self, transitions):
        columns = Transition(*zip(*transitions, strict=True))
        batch = {
            "obs": torch.tensor(np.array(columns.obs)),
            "actions": torch.tensor(columns.action),
            "rewards": torch.tensor(columns.reward, dtype=torch.float32),
            "next_obs": torch.tensor(np.array(columns.next_obs)),
            "terminated": torch.tensor(columns.terminated, dtype=torch.float32),
        }
        tap("batch", batch)
        with torch.no_grad():
            best = self.target(batch["next_obs"]).amax(dim=-1)
            best[batch["terminated"].bool()] = 0.0
            y = tap("td_target", batch["rewards"] + self.options["gamma"] * best)
        rows = torch.arange(len(transitions))
        q = tap("q_values", self.online(batch["obs"])[rows, batch["actions"]])
        for parameter in self.online.parameters():
            parameter.grad = None
        self.huber(q, y).backward()
        torch.nn.utils.clip_grad_norm_(self.online.parameters(), self.options["max_grad_norm"])
        self.optimizer.step()

    def synchronise(self):
        tau = self.options["tau"]
        weights = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for target, online in weights:
            target.data.lerp_(online.data, tau)
