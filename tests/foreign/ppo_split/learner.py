"""The updates; knows nothing of environments."""

import torch
from torch.nn import functional as F

from harness.tap import tap


class TooFar(Exception):
    """The policy has moved further than target_kl allows."""


class Learner:
    def __init__(self, networks, options):
        self.networks, self.options = networks, options
        self.optimizer = torch.optim.AdamW(
            [
                {"params": networks["critic"].parameters()},
                {"params": networks["actor"].parameters()},
            ],
            eps=1e-5,
            weight_decay=0.0,
        )

    def learn(self, buffer, rng, left):
        """Take every epoch; `left` is the share of the run that is left."""
        rate = tap("learning_rate", self.options.at("learning_rate", left))
        for group in self.optimizer.param_groups:
            group.update(lr=rate)
        self.clip = tap("clip_range", self.options.at("clip_range", left))
        self.clip_vf = self.options.at("clip_range_vf", left)
        try:
            for _ in range(self.options.n_epochs):
                for minibatch in buffer.minibatches(self.options.batch_size, rng):
                    self.step(minibatch)
        except TooFar:
            return

    def step(self, minibatch):
        obs = minibatch.obs.flatten(1)
        outputs = self.networks.outputs(obs)
        log_prob = tap("new_log_prob", self.networks.log_density(outputs, minibatch.actions))
        values = tap("new_values", self.networks.value(obs))
        policy_loss = self.policy_loss(minibatch, log_prob)
        entropy = tap("entropy", self.networks.entropy(outputs))
        entropy_loss = tap("entropy_loss", -entropy.mean())
        value_loss = self.value_loss(minibatch, values)
        weighted = self.options.vf_coef * value_loss + self.options.ent_coef * entropy_loss
        loss = tap("loss", policy_loss + weighted)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.networks.parameters(), self.options.max_grad_norm)
        self.optimizer.step()

    def policy_loss(self, minibatch, log_prob):
        change = log_prob - minibatch.old_log_prob
        kl = tap("approx_kl", torch.mean(torch.expm1(change) - change).item())
        limit = self.options.target_kl
        advantages = minibatch.advantages
        if self.options.normalize_advantage and len(advantages) > 1:
            deviation = torch.std(advantages, correction=1)
            normalized = (advantages - torch.mean(advantages)) / (deviation + 1e-8)
            advantages = tap("normalized_advantages", normalized)
        ratio = tap("ratio", torch.exp(change))
        best = torch.where(advantages > 0, 1 + self.clip, 1 - self.clip) * advantages
        loss = tap("policy_loss", -torch.minimum(ratio * advantages, best).mean())
        if limit is not None and kl > 1.5 * limit:
            raise TooFar
        return loss

    def value_loss(self, minibatch, values):
        if self.clip_vf is not None:
            low, high = minibatch.old_values - self.clip_vf, minibatch.old_values + self.clip_vf
            values = torch.maximum(torch.minimum(values, high), low)
        return tap("value_loss", F.mse_loss(values, minibatch.returns))
