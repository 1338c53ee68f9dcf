"""Two separate networks in one container."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class Body(nn.Module):
    """Hidden layers with tanh, then a linear head; the head is declared first."""

    def __init__(self, n_inputs, hidden, n_outputs, head_gain):
        super().__init__()
        widths = [n_inputs, *hidden]
        self.head = nn.Linear(widths[-1], n_outputs)
        self.hidden = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
        if head_gain is not None:
            for layer in self.hidden:
                nn.init.orthogonal_(layer.weight, math.sqrt(2))
                nn.init.zeros_(layer.bias)
            nn.init.orthogonal_(self.head.weight, head_gain)
            nn.init.zeros_(self.head.bias)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.head(x)


class Networks(nn.ModuleDict):
    """ "actor" and "critic"; log_std belongs to the actor."""

    def __init__(self, n_inputs, n_actions, options, is_box):
        hidden = options.net_arch
        if not isinstance(hidden, dict):
            hidden = {"pi": hidden, "vf": hidden}
        gains = (0.01, 1.0) if options.ortho_init else (None, None)
        actor = Body(n_inputs, hidden["pi"], n_actions, gains[0])
        if is_box:
            actor.log_std = nn.Parameter(torch.zeros(n_actions))
        super().__init__({"actor": actor, "critic": Body(n_inputs, hidden["vf"], 1, gains[1])})
        self.is_box = is_box

    def value(self, x):
        return self["critic"](x).squeeze(-1)

    def outputs(self, x):
        return self["actor"](x)

    def sample(self, outputs):
        if self.is_box:
            return outputs + self["actor"].log_std.exp() * torch.randn_like(outputs)
        noise = -torch.log(-torch.log(torch.rand_like(outputs)))  # Gumbel: the largest is a draw
        return (outputs + noise).argmax(dim=-1)

    def log_density(self, outputs, actions):
        if not self.is_box:
            return -F.cross_entropy(outputs, actions, reduction="none")
        log_std = self["actor"].log_std
        z = (actions - outputs) / log_std.exp()
        constant = 0.5 * outputs.shape[-1] * math.log(2 * math.pi)
        return -0.5 * (z * z).sum(-1) - log_std.sum() - constant

    def entropy(self, outputs):
        if not self.is_box:
            log_p = F.log_softmax(outputs, dim=-1)
            return -(log_p.exp() * log_p).sum(-1)
        per_dimension = self["actor"].log_std + 0.5 * math.log(2 * math.pi * math.e)
        return per_dimension.sum().expand(len(outputs))
