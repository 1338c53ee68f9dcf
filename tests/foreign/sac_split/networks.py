"""Networks: a Gaussian head and a list of critics, built from one function."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus


def trunk(n_inputs, hidden):
    net = nn.Sequential()
    for k, width in enumerate(hidden):
        net.add_module(f"dense{k}", nn.Linear(n_inputs, width))
        net.add_module(f"relu{k}", nn.ReLU())
        n_inputs = width
    return net, n_inputs


class SquashedGaussian(nn.Module):
    def __init__(self, n_inputs, n_actions, hidden):
        super().__init__()
        self.trunk, width = trunk(n_inputs, hidden)
        self.loc = nn.Linear(width, n_actions)
        self.log_scale = nn.Linear(width, n_actions)

    def forward(self, observation):
        features = self.trunk(observation)
        return self.loc(features), self.log_scale(features).clip(-20.0, 2.0)


def log_likelihood(before_tanh, noise, log_scale):
    """Return the log-density of tanh(before_tanh), summed over dimensions.

    log(1 - tanh(u)^2 + 1e-6), written without the difference of two numbers close to 1.
    """
    u = before_tanh
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
    log_slope = torch.logaddexp(log_slope, torch.tensor(math.log(1e-6)))
    normal = -0.5 * (noise.square() + math.log(2 * math.pi)) - log_scale
    return (normal - log_slope).sum(dim=-1)


def critics(n_inputs, n_actions, hidden, *, n=2):
    nets = nn.ModuleList()
    for _ in range(n):
        net, width = trunk(n_inputs + n_actions, hidden)
        net.add_module("value", nn.Linear(width, 1))
        nets.append(net)
    return nets
