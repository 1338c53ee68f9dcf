"""REINFORCE with a baseline, the vanilla policy gradient (VPG), from scratch.

Williams 1992, Machine Learning 8, 229-256; here as in Sutton and Barto's "Reinforcement Learning"
(2018), section 13.4, with whole batches instead of single episodes, as Spinning Up's VPG has it.
The names are the book's: pi(a | s; theta) is the policy, v(s; w) the baseline, G the return that
follows a step, delta = G - v(s) how much better than expected it was, alpha the step size:

    theta += alpha delta grad log pi(a | s; theta)    and    w += alpha delta grad v(s; w)

Hyperparameters have the names of stable-baselines3 (SB3). Details that matter:

1. G counts only the rewards that come after an action: those before it are no merit of it.
2. delta is a number: no gradient of the policy's step reaches the baseline through it.
3. The baseline learns G by (G - v)^2 / 2, whose gradient is the book's. Any baseline that does
   not see the action leaves the policy's gradient unbiased; a good one makes it less noisy.
4. A batch is n_steps of N environments, so it may end within an episode. The rest of that one's
   rewards is not known: v(s) of what follows stands in for it, which is biased while v is wrong.
5. Terminated is not truncated: at a time limit the future would go on, so gamma v(last
   observation) is added to the reward. Both end the sum that is G.
6. Every step is used once, in one gradient step, of the policy that made it. Its order is of no
   consequence. After the step the batch is old: it was made by another policy.
7. Dimensions of an action are independent given s. Those of a Box are clipped for the env alone.
8. Weights start orthogonal with gain sqrt(2), but 0.01 in the last layer of pi and 1 in that of v,
   biases at 0; so does log_std of a Box, one number per dimension. tanh follows hidden layers.
9. Adam has eps 1e-5. It looks at every number alone, so that one optimiser of theta and w is two.
10. alpha is read after each batch, for the step to come: X (1 - t / total_timesteps) of "lin_X".
11. Environment i is seeded with seed + i, at its first reset only; later ones continue.

This file departs from the book by 4, 5 and 9, by the mean over a batch, by leaving out the factor
gamma^t (as everybody does: it would all but ignore the ends of episodes), and where asked for by
giving delta mean 0 and deviation 1. SB3 has no REINFORCE, but its A2C is one when configured so:
gae_lambda = 1 (A = R - V is delta), ent_coef = 0, vf_coef = 1/2, use_rms_prop = False (Adam),
max_grad_norm = inf. It adds up in another order, and shuffles the batch: equal up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal
from torch.nn import functional as F

from harness.side import Call, UnsupportedHyperparameter
from harness.tap import tap

Array = np.ndarray[Any, Any]
Env = gym.Env[Any, Any]


@dataclass(frozen=True)
class Hyperparameters:
    """SB3's names, and the defaults of its A2C (2.9) but for n_steps, which is 5 there."""

    learning_rate: float | str = 7e-4  # alpha: a number, or "lin_X": X falling linearly to 0
    n_steps: int = 512  # of each environment in a batch
    gamma: float = 0.99
    normalize_advantage: bool = False
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (64, 64)  # or of "pi" and of "vf"
    ortho_init: bool = True


class Agent(nn.Module):
    """pi and v: two networks that see the same observations, and log_std for a Box."""

    def __init__(self, env: Env, h: Hyperparameters) -> None:
        super().__init__()
        self.observation_space, self.action_space = env.observation_space, env.action_space
        n_inputs = gym.spaces.flatdim(env.observation_space)
        n_outputs = gym.spaces.flatdim(env.action_space)  # a Discrete space: one per action
        arch = h.net_arch
        pi, vf = (arch["pi"], arch["vf"]) if isinstance(arch, Mapping) else (arch, arch)
        self.pi = network([n_inputs, *pi, n_outputs], last_gain=0.01 if h.ortho_init else None)
        self.w = network([n_inputs, *vf, 1], last_gain=1.0 if h.ortho_init else None)
        if isinstance(env.action_space, gym.spaces.Box):
            self.log_std = nn.Parameter(torch.zeros(n_outputs))

    def phi(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        if isinstance(self.observation_space, gym.spaces.Discrete):
            return F.one_hot(obs.long(), int(self.observation_space.n)).float()
        is_image = obs.dtype == torch.uint8 and obs.dim() == 4
        return obs.float().flatten(start_dim=1) / (255 if is_image else 1)  # as SB3 does

    def policy(self, obs: Tensor) -> Distribution:
        """Return pi(. | s), over whole numbers (B,) or over vectors (B, A)."""
        outputs = self.pi(self.phi(obs))
        if isinstance(self.action_space, gym.spaces.Discrete):
            return Categorical(logits=outputs, validate_args=False)
        each = Normal(outputs, self.log_std.exp().expand_as(outputs), validate_args=False)
        return Independent(each, 1, validate_args=False)  # log-probabilities are summed over A

    def v(self, obs: Tensor) -> Tensor:
        """Return the baseline of every state, (B,)."""
        return self.w(self.phi(obs)).squeeze(1)  # type: ignore[no-any-return]


class Batch:
    """n_steps of N environments and what was expected of them; arrays are (n_steps, N, ...)."""

    def __init__(self, n_steps: int, N: int, env: Env) -> None:
        space, actions = env.observation_space, env.action_space
        self.obs = np.zeros((n_steps, N, *(space.shape or ())), space.dtype)
        self.actions = np.zeros((n_steps, N, *(actions.shape or ())), actions.dtype)
        self.rewards, self.values, self.G, self.delta = np.zeros((4, n_steps, N), np.float32)
        self.episode_starts = np.zeros((n_steps + 1, N), bool)  # and of the step after


class VPG:
    """The environments, theta, w and their optimiser, and what is done to them."""

    def __init__(self, envs: list[Env], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        self.agent = tap("policy", Agent(envs[0], h).to(call.device))
        self.optimiser = torch.optim.Adam(self.agent.parameters(), eps=1e-5)
        self.obs = self.stacked([env.reset(seed=call.seed + i)[0] for i, env in enumerate(envs)])
        self.episode_start = np.ones(len(envs), dtype=bool)

    def stacked(self, observations: list[Any]) -> Array:
        """Return one observation per environment as one array, (N, ...)."""
        return np.array(observations, self.envs[0].observation_space.dtype)

    @torch.no_grad()
    def collect(self) -> Batch:
        """Make n_steps with pi in every environment, and judge them: G and delta."""
        B = Batch(self.h.n_steps, len(self.envs), self.envs[0])
        for t in range(self.h.n_steps):
            self.obs = tap("obs", self.obs)
            obs = torch.as_tensor(self.obs, device=self.device)
            B.values[t] = tap("value", self.agent.v(obs)).cpu()
            action = tap("action", self.agent.policy(obs).sample())
            made = {"obs": self.obs, "action": action.cpu().numpy()}
            made |= {"episode_start": self.episode_start, "reward": self.step(made["action"])}
            made = tap("transition", made)
            B.obs[t], B.actions[t] = made["obs"], made["action"]
            B.rewards[t], B.episode_starts[t] = made["reward"], made["episode_start"]
        B.episode_starts[-1] = self.episode_start
        following = torch.as_tensor(self.obs, device=self.device)
        rest = tap("last_value", self.agent.v(following)).cpu().numpy()
        B.G = tap("returns", returns(B, rest, gamma=self.h.gamma))
        B.delta = tap("advantages", B.G - B.values)
        return B

    def step(self, action: Array) -> Array:
        """Make one step in every environment; return the rewards (N,) that are to be stored."""
        space = self.envs[0].action_space
        if isinstance(space, gym.spaces.Box):
            action = np.clip(action, space.low, space.high)
        following, rewards, cut_off = [], np.zeros(len(self.envs), np.float32), {}
        done = np.zeros(len(self.envs), dtype=bool)
        for i, env in enumerate(self.envs):
            obs, rewards[i], terminated, truncated, _ = env.step(action[i])
            done[i] = terminated or truncated
            if truncated and not terminated:
                cut_off[i] = np.array(obs)
            following.append(env.reset()[0] if done[i] else obs)
        for i, last_obs in cut_off.items():
            last = torch.as_tensor(self.stacked([last_obs]), device=self.device)
            rewards[i] += self.h.gamma * float(tap("terminal_value", self.agent.v(last)))
        self.obs, self.episode_start = self.stacked(following), done
        return rewards

    def improve(self, B: Batch, *, progress: float) -> None:
        """Take one gradient step on the whole batch; `progress` is the share of the run."""
        alpha = tap("learning_rate", scheduled(self.h.learning_rate, progress=progress))
        for group in self.optimiser.param_groups:
            group["lr"] = alpha
        loss = self.loss(self.steps(B))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def steps(self, B: Batch) -> dict[str, Tensor]:
        """Return all n_steps * N steps, each once."""
        step, env = np.indices(B.rewards.shape).reshape(2, -1)
        rows = tap("rows", {"step": step, "env": env})
        arrays = {"obs": B.obs, "actions": B.actions, "advantages": B.delta, "returns": B.G}
        found = {name: x[rows["step"], rows["env"]] for name, x in arrays.items()}
        return {name: torch.as_tensor(x, device=self.device) for name, x in found.items()}

    def loss(self, minibatch: dict[str, Tensor]) -> Tensor:
        """Return -delta log pi(a | s; theta) + (G - v(s; w))^2 / 2, a mean over the batch."""
        b = tap("minibatch", minibatch)
        v = tap("new_values", self.agent.v(b["obs"]))
        log_pi = tap("new_log_prob", self.agent.policy(b["obs"]).log_prob(b["actions"]))
        delta = b["advantages"]
        if self.h.normalize_advantage:
            delta = tap("normalized_advantages", (delta - delta.mean()) / (delta.std() + 1e-8))
        policy_loss = tap("policy_loss", -(delta * log_pi).mean())
        value_loss = tap("value_loss", F.mse_loss(v, b["returns"]))
        return tap("loss", policy_loss + value_loss / 2)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: batches and gradient steps in turn."""
    h = hyperparameters_of(call)
    envs = [call.make_env() for _ in range(call.n_envs)]
    vpg = VPG(envs, h, call)
    t = 0
    while t < call.total_timesteps:
        batch = vpg.collect()
        t += h.n_steps * call.n_envs
        vpg.improve(batch, progress=t / call.total_timesteps)
    for env in envs:
        env.close()


def returns(B: Batch, rest: Array, *, gamma: float) -> Array:
    """Return G_t = r_t + gamma G_(t+1), (n_steps, N), within an episode; `rest` follows the end."""
    G = np.zeros_like(B.rewards)
    for t in reversed(range(len(G))):
        G[t] = rest = B.rewards[t] + gamma * rest * ~B.episode_starts[t + 1]
    return G


def scheduled(value: float | str, *, progress: float) -> float:
    """Return a constant, or what is left of "lin_X" after the share `progress` of the run."""
    if isinstance(value, str):
        return float(value.removeprefix("lin_")) * (1 - progress)
    return float(value)


def network(widths: list[int], *, last_gain: float | None) -> nn.Sequential:
    """Return a multilayer perceptron, tanh between layers; None: PyTorch's initial weights."""
    layers: list[nn.Module] = []
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        linear = nn.Linear(n_in, n_out)
        if last_gain is not None:
            is_last = k == len(widths) - 2
            nn.init.orthogonal_(linear.weight, last_gain if is_last else 2**0.5)
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    name, alpha = "learning_rate", values.get("learning_rate")
    if isinstance(alpha, str) and not alpha.startswith("lin_"):
        raise UnsupportedHyperparameter(name, alpha, "expected a number or 'lin_X'")
    name, arch = "net_arch", values.get("net_arch", ())
    if isinstance(arch, Mapping) and set(arch) != {"pi", "vf"}:
        raise UnsupportedHyperparameter(name, arch, "expected a list, or lists of pi and vf")
    return Hyperparameters(**values)
