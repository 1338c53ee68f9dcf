"""The learner: networks, targets, losses; knows nothing of environments."""

import copy

import numpy as np
import torch
from torch.optim import Adam

from harness.tap import tap

from .networks import (  # noqa: TID252 - siblings, as in a learner's own folder
    SquashedGaussian,
    critics,
    log_likelihood,
)

FIELDS = ("obs", "actions", "rewards", "next_obs", "terminated")


class Temperature:
    """alpha, learnt by its logarithm, or fixed."""

    def __init__(self, options, n_actions):
        wish, target = options["ent_coef"], options["target_entropy"]
        self.target = -float(n_actions) if target == "auto" else float(target)
        self.is_learnt = isinstance(wish, str)
        self.value = torch.tensor(float(wish.partition("_")[2] or 1) if self.is_learnt else wish)
        self.log = self.value.log()
        if self.is_learnt:
            self.log = tap("log_alpha", self.log.requires_grad_())

    def now(self):
        value = self.log.detach().exp() if self.is_learnt else self.value
        return tap("alpha", value)


class Learner:
    def __init__(self, n_inputs, n_actions, options):
        self.options = options
        layers = options["net_arch"]
        layers = layers if isinstance(layers, dict) else {"pi": layers, "qf": layers}
        self.actor = tap("actor", SquashedGaussian(n_inputs, n_actions, layers["pi"]))
        self.critics = tap("critic", critics(n_inputs, n_actions, layers["qf"]))
        self.targets = tap("critic_target", copy.deepcopy(self.critics).requires_grad_(False))
        self.temperature = Temperature(options, n_actions)
        self.optimizers = {
            "critic": Adam(self.critics.parameters(), foreach=True),
            "actor": Adam(self.actor.parameters(), foreach=True),
        }
        if self.temperature.is_learnt:
            self.optimizers["temperature"] = Adam([self.temperature.log])
        self.set_rate(0.0)

    def set_rate(self, progress):
        rate = self.options["learning_rate"]
        if isinstance(rate, str):
            rate = float(rate.removeprefix("lin_")) * (1.0 - progress)
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = rate

    @torch.inference_mode()
    def act(self, obs):
        flat = torch.as_tensor(obs, dtype=torch.float32).flatten()
        loc, log_scale = self.actor(flat)
        return torch.tanh(torch.normal(loc, log_scale.exp())).numpy()

    def values(self, nets, obs, actions):
        """Return the value of each critic, (B, number of critics)."""
        return torch.cat([net(torch.hstack([obs, actions])) for net in nets], dim=1)

    def step(self, name, loss):
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()

    def learn(self, transitions, *, moves_targets):
        columns = (np.array(column) for column in zip(*transitions, strict=True))
        batch = {
            name: torch.as_tensor(column, dtype=torch.float32)
            for name, column in zip(FIELDS, columns, strict=True)
        }
        batch = tap("batch", batch)
        obs = batch["obs"].flatten(1)
        alpha = self.temperature.now()
        self.learn_critics(batch, obs, alpha)

        loc, log_scale = self.actor(obs)
        noise = tap("policy_noise", torch.randn_like(loc))
        before_tanh = torch.addcmul(loc, log_scale.exp(), noise)
        actions = tap("action_pi", before_tanh.tanh())
        log_prob = tap("log_prob", log_likelihood(before_tanh, noise, log_scale))
        if self.temperature.is_learnt:
            gap = self.temperature.target + log_prob.detach()
            self.step("temperature", tap("alpha_loss", -self.temperature.log * gap.mean()))
        self.critics.requires_grad_(False)
        worst = tap("q_pi", self.values(self.critics, obs, actions).amin(dim=1))
        self.step("actor", tap("actor_loss", -(worst - alpha * log_prob).mean()))
        self.critics.requires_grad_(True)
        if moves_targets:
            self.move_targets()

    @torch.no_grad()
    def target_of(self, batch, alpha):
        obs = batch["next_obs"].flatten(1)
        loc, log_scale = self.actor(obs)
        noise = tap("next_policy_noise", torch.randn_like(loc))
        before_tanh = torch.addcmul(loc, log_scale.exp(), noise)
        actions = tap("next_action", before_tanh.tanh())
        log_prob = tap("next_log_prob", log_likelihood(before_tanh, noise, log_scale))
        worst = self.values(self.targets, obs, actions).amin(dim=1)
        soft = worst - alpha * log_prob
        future = torch.where(batch["terminated"] > 0, torch.zeros(()), soft)
        return tap("td_target", batch["rewards"] + self.options["gamma"] * future)

    def learn_critics(self, batch, obs, alpha):
        y = self.target_of(batch, alpha)
        first, second = self.values(self.critics, obs, batch["actions"]).unbind(dim=1)
        errors = torch.stack([tap("q1", first) - y, tap("q2", second) - y])
        self.step("critic", tap("critic_loss", errors.square().mean()))

    @torch.no_grad()
    def move_targets(self):
        for slow, fast in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
            slow.lerp_(fast, self.options["tau"])
