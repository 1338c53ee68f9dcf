"""Deep Deterministic Policy Gradient, from scratch: Lillicrap et al. 2016, arXiv 1509.02971.

The names are the paper's (Algorithm 1): mu is the policy, Q the critic, mu_hat and Q_hat their
targets (primed in the paper), R the replay memory, N the noise process. Hyperparameters have the
names of stable-baselines3 (SB3). Details that matter, most of them silent when wrong:

1. Two scales of actions. In here an action lies in [-1, 1], the range of tanh, and so does the
   noise; the environment receives it stretched to its bounds, which need not be symmetric.
2. Warm-up. The first `learning_starts` env steps take uniformly random actions and train nothing.
3. Exploration. Noise is added to every action, and the sum is clipped to [-1, 1]: that is what is
   stored. Gaussian noise is drawn anew at each step; Ornstein-Uhlenbeck noise keeps a state for
   each environment, which falls back to 0 when its episode ends.
4. Rounds. `train_freq` steps of every environment are made, then `gradient_steps` updates (-1: as
   many as env steps). Rounds are whole, so a run may be a little longer than `total_timesteps`.
5. Terminated is not truncated. A terminal state has no future: its target is r alone. At a time
   limit the target bootstraps, from the real last observation, not from that after the reset.
6. The target is Q_hat at mu_hat's action at s'; no gradient flows through it.
7. One update trains Q, then mu, then moves both targets. J is the mean of Q(s, mu(s)), after Q's
   step; its gradient reaches Q's weights too, but only mu's optimiser steps.
8. mu_hat and Q_hat start as copies, and move by theta_hat <- tau theta + (1 - tau) theta_hat.
9. Returns over n steps, where asked for: rewards are summed with their discounts until the episode
   ends, n steps are summed or the newest step is reached; the bootstrap is discounted by as many.
10. Adam has PyTorch's constants (betas 0.9 and 0.999, eps 1e-8), weights and biases start at
    PyTorch's defaults, a ReLU follows each hidden layer only, Q sees s and a side by side.
11. Minibatches are drawn uniformly, with replacement, over everything that R holds.
12. Environment i is seeded with seed + i, at its first reset only.

All are as in SB3 2.9, where it departs from the paper too: that has a learning rate of 1e-4 for mu
and 1e-3 for Q with weight decay, last layers that start near 0, the action entering Q at its second
layer, batch normalisation, and noise of theta 0.15, sigma 0.2 with a time step of 1 (SB3: none
unless asked for; 0.01). SB3 departs without consequence in this: it is its TD3 with one critic,
takes `train_freq` in episodes too, and draws from global random generators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.side import Call, UnsupportedHyperparameter
from harness.tap import tap

Array = np.ndarray[Any, Any]

OU_THETA, OU_DT = 0.15, 1e-2  # pull back to 0 and length of a time step: SB3's defaults
TRANSITION = ("obs", "action", "reward", "next_obs", "terminated")
BATCH = ("obs", "actions", "rewards", "next_obs", "terminated")


@dataclass(frozen=True)
class Hyperparameters:
    """SB3's names and defaults (stable_baselines3/ddpg/ddpg.py, 2.9)."""

    learning_rate: float | str = 1e-3  # a number, or "lin_X": X falling linearly to 0
    buffer_size: int = 1_000_000  # capacity of R
    learning_starts: int = 100
    batch_size: int = 256
    tau: float = 0.005
    gamma: float = 0.99
    train_freq: int = 1
    gradient_steps: int = 1
    action_noise: str | None = None  # "normal_X" or "ou_X": Gaussian, Ornstein-Uhlenbeck
    n_steps: int = 1  # n
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (400, 300)  # or of pi and qf apart


class Noise:
    """N, the noise of one environment: Gaussian, or Ornstein-Uhlenbeck with a state x."""

    def __init__(self, form: str, n_actions: int, rng: np.random.Generator) -> None:
        self.kind, _, sigma = form.partition("_")
        self.sigma, self.shape, self.rng = float(sigma), (n_actions,), rng
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self.x = np.zeros(self.shape)

    def __call__(self) -> Array:
        """Return the noise of the next action, (A,)."""
        draw = self.rng.standard_normal(self.shape)
        if self.kind == "normal":
            return self.sigma * draw
        draw = tap("explore_draw", draw)
        self.x = self.x - OU_THETA * self.x * OU_DT + self.sigma * np.sqrt(OU_DT) * draw
        return self.x


class ReplayMemory:
    """R: the latest transitions (s, a, r, s', terminated), overwritten in order of age.

    Those of one step of all environments lie side by side: an environment's next is n_envs on.
    """

    def __init__(self, h: Hyperparameters, envs: list[gym.Env[Any, Any]]) -> None:
        self.n_envs, self.n_steps, self.gamma = len(envs), h.n_steps, h.gamma
        self.capacity = max(h.buffer_size // len(envs), 1) * len(envs)
        space = envs[0].observation_space
        obs = np.zeros((self.capacity, *(space.shape or ())), space.dtype)
        number = np.zeros(self.capacity, np.float32)
        actions = np.zeros((self.capacity, n_dimensions(envs[0])), np.float32)
        columns = (obs, actions, number, obs.copy(), number.copy())
        self.columns: dict[str, Array] = dict(zip(BATCH, columns, strict=True))
        self.is_over = np.zeros(self.capacity, bool)  # whether the episode ended, in either way
        self.n_stored = 0  # transitions ever stored

    def store(self, transition: dict[str, Array], is_over: Array) -> None:
        """Store one transition of each environment, side by side, in the places of the oldest."""
        places = (self.n_stored + np.arange(self.n_envs)) % self.capacity
        for name, field in zip(BATCH, TRANSITION, strict=True):
            self.columns[name][places] = transition[field]
        self.is_over[places] = is_over
        self.n_stored += self.n_envs

    def sample(self, n: int, *, rng: np.random.Generator, device: str) -> dict[str, Tensor]:
        """Return n rows, drawn uniformly with replacement, each with its n-step return."""
        size = min(self.n_stored, self.capacity)
        rows = tap("rows", rng.integers(size, size=n))  # 0 is the oldest transition
        k = np.arange(self.n_steps)
        window = rows[:, None] + k * self.n_envs  # (n, n_steps)
        is_newest = window >= size - self.n_envs
        window = (self.n_stored - size + window) % self.capacity
        is_last = self.is_over[window] | is_newest | (k == self.n_steps - 1)
        last = is_last.argmax(axis=1)  # the first one that is: (n,)
        first, end = window[:, 0], window[np.arange(n), last]
        c = self.columns
        rewards = (c["rewards"][window] * self.gamma**k * (k <= last[:, None])).sum(axis=1)
        batch = {
            "obs": c["obs"][first],
            "actions": c["actions"][first],
            "rewards": rewards.astype(np.float32),
            "next_obs": c["next_obs"][end],
            "terminated": c["terminated"][end],
            "discounts": (self.gamma ** (last + 1)).astype(np.float32),
        }
        return {name: torch.as_tensor(column, device=device) for name, column in batch.items()}


class DDPG:
    """mu, Q, their targets, R, the noises and optimisers of one run, and what is done to them."""

    def __init__(self, envs: list[gym.Env[Any, Any]], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        n_inputs, self.A = gym.spaces.flatdim(envs[0].observation_space), n_dimensions(envs[0])
        net_arch = h.net_arch
        arch = net_arch if isinstance(net_arch, Mapping) else dict.fromkeys(("pi", "qf"), net_arch)
        mu = partial(network, (n_inputs, *arch["pi"], self.A), nn.Tanh)
        Q = partial(network, (n_inputs + self.A, *arch["qf"], 1))
        self.mu, self.Q = tap("actor", mu().to(call.device)), tap("critic", Q().to(call.device))
        self.mu_hat, self.Q_hat = mu().to(call.device), Q().to(call.device)
        self.mu_hat.load_state_dict(self.mu.state_dict())
        self.Q_hat.load_state_dict(self.Q.state_dict())
        self.mu_hat, self.Q_hat = tap("actor_target", self.mu_hat), tap("critic_target", self.Q_hat)
        self.R = ReplayMemory(h, envs)
        form = h.action_noise
        self.noises = [Noise(form, self.A, self.rng) for _ in envs] if form else []
        adam = partial(torch.optim.Adam, lr=learning_rate(h, progress=0.0))
        self.optimisers = {"mu": adam(self.mu.parameters()), "Q": adam(self.Q.parameters())}

    def features(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        space = self.envs[0].observation_space
        if isinstance(space, gym.spaces.Discrete):
            return F.one_hot(obs.long() - int(space.start), int(space.n)).float()
        flat = obs.float().flatten(start_dim=1)
        return flat / 255 if is_image(space) else flat

    @torch.no_grad()
    def explore(self, obs: Array, *, is_warmup: bool) -> Array:
        """Return an action of mu, or a random one, with noise: (n_envs, A), in [-1, 1]."""
        action: Array
        if is_warmup:
            action = self.rng.uniform(-1, 1, (len(self.envs), self.A)).astype(np.float32)
            action = tap("warmup_action", action)
        else:
            action = self.mu(self.features(torch.as_tensor(obs, device=self.device))).cpu().numpy()
        if self.noises:
            noise = np.stack([noise() for noise in self.noises]).astype(np.float32)
            action = (action + tap("explore_noise", noise)).clip(-1, 1)
        return action

    def step(self, obs: Array, *, is_warmup: bool) -> Array:
        """Step every environment, store the transitions, return the next observations."""
        obs = tap("obs", obs)
        action = tap("action", self.explore(obs, is_warmup=is_warmup))
        steps = [step_one(env, a) for env, a in zip(self.envs, action, strict=True)]
        reward, next_obs, terminated, is_over, following = map(np.stack, zip(*steps, strict=True))
        values = (obs, action, reward, next_obs, terminated)
        self.R.store(tap("transition", dict(zip(TRANSITION, values, strict=True))), is_over)
        for noise, is_at_end in zip(self.noises, is_over, strict=False):
            if is_at_end:
                noise.reset()
        return following

    def update(self) -> None:
        """Take one gradient step on Q and on mu over a minibatch, and move the targets."""
        h = self.h
        batch = tap("batch", self.R.sample(h.batch_size, rng=self.rng, device=self.device))
        s, s_next = self.features(batch["obs"]), self.features(batch["next_obs"])
        with torch.no_grad():
            a_next = tap("next_action", self.mu_hat(s_next))
            v_next = self.value(self.Q_hat, s_next, a_next)
            y = batch["rewards"] + batch["discounts"] * (1 - batch["terminated"]) * v_next
        y = tap("td_target", y)
        q = tap("q1", self.value(self.Q, s, batch["actions"]))
        self.descend("Q", tap("critic_loss", F.mse_loss(q, y)))

        a_mu = tap("action_pi", self.mu(s))
        J = tap("q_pi", self.value(self.Q, s, a_mu)).mean()
        self.descend("mu", tap("actor_loss", -J))
        self.move_targets()

    def value(self, Q: nn.Module, s: Tensor, a: Tensor) -> Tensor:
        """Return Q(s, a), (B,)."""
        values: Tensor = Q(torch.cat([s, a], dim=1))
        return values.squeeze(1)

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of the optimiser of mu or Q down the gradient of its loss."""
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    @torch.no_grad()
    def move_targets(self) -> None:
        """Move both targets: theta_hat <- tau theta + (1 - tau) theta_hat."""
        for net, target in ((self.Q, self.Q_hat), (self.mu, self.mu_hat)):
            for theta, theta_hat in zip(net.parameters(), target.parameters(), strict=True):
                theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = DDPG(envs, h, call)
    obs = np.stack([env.reset(seed=call.seed + i)[0] for i, env in enumerate(envs)])
    t = 0
    while t < T:
        for _ in range(h.train_freq):
            obs = agent.step(obs, is_warmup=t < h.learning_starts)
            t += call.n_envs
        if t > h.learning_starts:
            for optimiser in agent.optimisers.values():
                optimiser.param_groups[0]["lr"] = learning_rate(h, progress=t / T)
            n_env_steps = h.train_freq * call.n_envs
            for _ in range(h.gradient_steps if h.gradient_steps >= 0 else n_env_steps):
                agent.update()
    for env in envs:
        env.close()


def step_one(env: gym.Env[Any, Any], action: Array) -> tuple[Any, ...]:
    """Return (r, s', terminated, whether the episode is over, observation to go on from)."""
    space: Any = env.action_space
    share = (action.reshape(space.shape) + 1) / 2
    stretched = space.low + share * (space.high - space.low)
    next_obs, reward, terminated, truncated, _ = env.step(stretched)
    following = env.reset()[0] if terminated or truncated else next_obs
    return reward, next_obs, terminated, terminated or truncated, following


def network(widths: Sequence[int], *last: type[nn.Module]) -> nn.Sequential:
    """Return linear layers between consecutive widths, a ReLU after each but the last one."""
    layers = [(nn.Linear(n_in, n_out), nn.ReLU()) for n_in, n_out in pairwise(widths)]
    return nn.Sequential(
        *[module for pair in layers for module in pair][:-1], *(module() for module in last)
    )


def learning_rate(h: Hyperparameters, *, progress: float) -> float:
    """Return the learning rate after the share `progress` of the run: constant, or "lin_X"."""
    if isinstance(h.learning_rate, str):
        return float(h.learning_rate.removeprefix("lin_")) * (1 - progress)
    return float(h.learning_rate)


def n_dimensions(env: gym.Env[Any, Any]) -> int:
    """Return A; DDPG needs actions in a Box with finite bounds."""
    space = env.action_space
    if isinstance(space, gym.spaces.Box) and space.is_bounded():
        return int(np.prod(space.shape))
    message = f"DDPG needs a Box action space with finite bounds, saw {space}"
    raise TypeError(message)


def is_image(space: gym.Space[Any]) -> bool:
    """Return whether observations are images of bytes; SB3 divides those by 255, and no others."""
    return isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    train_freq = values.get("train_freq")
    if isinstance(train_freq, (list, tuple)):
        values["train_freq"], unit = train_freq
        if unit != "step":
            refuse("train_freq", train_freq, "this file counts env steps only")
    rate, noise = values.get("learning_rate", 0.0), values.get("action_noise")
    if isinstance(rate, str) and not rate.startswith("lin_"):
        refuse("learning_rate", rate, "expected a number or 'lin_X'")
    if noise is not None and not str(noise).startswith(("normal_", "ou_")):
        refuse("action_noise", noise, "expected none, 'normal_X' or 'ou_X'")
    return Hyperparameters(**values)


def refuse(name: str, value: object, reason: str) -> NoReturn:
    """Say that a hyperparameter cannot be expressed; ignoring it would be a silent difference."""
    raise UnsupportedHyperparameter(name, value, reason)
