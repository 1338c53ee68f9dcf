"""Twin Delayed DDPG, from scratch: Fujimoto et al. 2018, arXiv 1802.09477, Algorithm 1.

The names are the paper's: pi is the policy, Q the two critics, pi_hat and Q_hat their targets
(primed in the paper), B the replay memory, epsilon the noises, d the delay of the policy.
Hyperparameters have the names of stable-baselines3 (SB3). Details that matter, most of them silent
when wrong:

1. Two scales of actions. In here an action lies in [-1, 1], the range of tanh, and so do all
   noises; the environment receives it stretched to its bounds, which need not be symmetric.
2. Warm-up. The first `learning_starts` env steps take uniformly random actions and train nothing.
3. Exploration. Noise is added to every action, and the sum is clipped to [-1, 1]: that is what is
   stored. Gaussian noise is drawn anew at each step; Ornstein-Uhlenbeck noise keeps a state for
   each environment, which falls back to 0 when its episode ends.
4. Rounds. `train_freq` steps of every environment are made, then `gradient_steps` updates (-1: as
   many as env steps). Rounds are whole, so a run may be a little longer than `total_timesteps`.
5. Terminated is not truncated. A terminal state has no future: its target is r alone. At a time
   limit the target bootstraps, from the real last observation, not from that after the reset.
6. Clipped double Q. The target takes the smaller of the two target critics, per row.
7. Target policy smoothing. The action of the target is that of pi_hat plus noise, one draw per row
   and dimension, clipped to +-c first; then the sum is clipped to [-1, 1].
8. Delayed updates. Q is trained at every update; pi and all targets at every d-th one, counted over
   the whole run, not within a round.
9. J(pi) is the mean of -Q_1, by the first critic alone, after its step. Its gradient reaches Q_1's
   weights too, but only pi's optimiser steps. One Adam trains both Q, on the sum of their errors.
10. pi_hat and Q_hat start as copies, and move by theta_hat <- tau theta + (1 - tau) theta_hat.
11. Returns over n steps, where asked for: rewards are summed with their discounts until the episode
   ends, n steps are summed or the newest step is reached; the bootstrap is discounted by as many.
12. Adam has PyTorch's constants (betas 0.9 and 0.999, eps 1e-8), weights and biases start at
   PyTorch's defaults, a ReLU follows each hidden layer only, Q sees s and a side by side.
13. Minibatches are drawn uniformly, with replacement, over everything that B holds.
14. Environment i is seeded with seed + i, at its first reset only.

All are as in SB3 2.9, where it departs from the paper's own code too: that explores with Gaussian
noise of deviation 0.1 (SB3: none unless asked for), none of it during 25,000 warm-up steps. SB3
departs without consequence in this: it takes `train_freq` in episodes too, and draws from global
random generators.
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
    """SB3's names and defaults (stable_baselines3/td3/td3.py, 2.9)."""

    learning_rate: float | str = 1e-3  # a number, or "lin_X": X falling linearly to 0
    buffer_size: int = 1_000_000  # capacity of B
    learning_starts: int = 100
    batch_size: int = 256
    tau: float = 0.005
    gamma: float = 0.99
    train_freq: int = 1
    gradient_steps: int = 1
    action_noise: str | None = None  # "normal_X" or "ou_X": Gaussian, Ornstein-Uhlenbeck
    n_steps: int = 1  # n
    policy_delay: int = 2  # d
    target_policy_noise: float = 0.2  # sigma of the target's noise
    target_noise_clip: float = 0.5  # c
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (400, 300)  # or of pi and qf apart


class Noise:
    """Exploration noise of one environment: Gaussian, or Ornstein-Uhlenbeck with a state x."""

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
    """B: the latest transitions (s, a, r, s', terminated), overwritten in order of age.

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


class TwoQ(nn.Module):
    """Q_1 and Q_2, which share nothing but their input."""

    def __init__(self, n_inputs: int, net_arch: Sequence[int]) -> None:
        super().__init__()
        self.Q_1, self.Q_2 = (network((n_inputs, *net_arch, 1)) for _ in range(2))

    def forward(self, s: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of both, (B,) each."""
        s_a = torch.cat([s, a], dim=1)
        return self.Q_1(s_a).squeeze(1), self.Q_2(s_a).squeeze(1)


class TD3:
    """pi, Q, their targets, B, the noises and optimisers of one run, and what is done to them."""

    def __init__(self, envs: list[gym.Env[Any, Any]], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        n_inputs, self.A = gym.spaces.flatdim(envs[0].observation_space), n_dimensions(envs[0])
        net_arch = h.net_arch
        arch = net_arch if isinstance(net_arch, Mapping) else dict.fromkeys(("pi", "qf"), net_arch)
        pi = partial(network, (n_inputs, *arch["pi"], self.A), nn.Tanh)
        Q = partial(TwoQ, n_inputs + self.A, arch["qf"])
        self.pi, self.Q = tap("actor", pi().to(call.device)), tap("critic", Q().to(call.device))
        self.pi_hat, self.Q_hat = pi().to(call.device), Q().to(call.device)
        self.pi_hat.load_state_dict(self.pi.state_dict())
        self.Q_hat.load_state_dict(self.Q.state_dict())
        self.pi_hat, self.Q_hat = tap("actor_target", self.pi_hat), tap("critic_target", self.Q_hat)
        self.B = ReplayMemory(h, envs)
        form = h.action_noise
        self.noises = [Noise(form, self.A, self.rng) for _ in envs] if form else []
        adam = partial(torch.optim.Adam, lr=learning_rate(h, progress=0.0))
        self.optimisers = {"pi": adam(self.pi.parameters()), "Q": adam(self.Q.parameters())}
        self.n_updates = 0

    def features(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        space = self.envs[0].observation_space
        if isinstance(space, gym.spaces.Discrete):
            return F.one_hot(obs.long() - int(space.start), int(space.n)).float()
        flat = obs.float().flatten(start_dim=1)
        return flat / 255 if is_image(space) else flat

    @torch.no_grad()
    def explore(self, obs: Array, *, is_warmup: bool) -> Array:
        """Return an action of pi, or a random one, with noise: (n_envs, A), in [-1, 1]."""
        action: Array
        if is_warmup:
            action = self.rng.uniform(-1, 1, (len(self.envs), self.A)).astype(np.float32)
            action = tap("warmup_action", action)
        else:
            action = self.pi(self.features(torch.as_tensor(obs, device=self.device))).cpu().numpy()
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
        self.B.store(tap("transition", dict(zip(TRANSITION, values, strict=True))), is_over)
        for noise, is_at_end in zip(self.noises, is_over, strict=False):
            if is_at_end:
                noise.reset()
        return following

    def update(self) -> None:
        """Take one gradient step on Q over a minibatch; at every d-th, on pi too."""
        self.n_updates += 1
        h = self.h
        batch = tap("batch", self.B.sample(h.batch_size, rng=self.rng, device=self.device))
        s, s_next = self.features(batch["obs"]), self.features(batch["next_obs"])
        with torch.no_grad():
            epsilon = torch.randn_like(batch["actions"]) * h.target_policy_noise
            epsilon = tap("target_noise", epsilon).clamp(-h.target_noise_clip, h.target_noise_clip)
            a_next = tap("next_action", (self.pi_hat(s_next) + epsilon).clamp(-1, 1))
            v_next = torch.min(*self.Q_hat(s_next, a_next))  # (B,)
            y = batch["rewards"] + batch["discounts"] * (1 - batch["terminated"]) * v_next
        y = tap("td_target", y)
        q1, q2 = self.Q(s, batch["actions"])
        q1, q2 = tap("q1", q1), tap("q2", q2)
        self.descend("Q", tap("critic_loss", F.mse_loss(q1, y) + F.mse_loss(q2, y)))

        if self.n_updates % h.policy_delay == 0:
            a_pi = tap("action_pi", self.pi(s))
            q_pi = tap("q_pi", self.Q.Q_1(torch.cat([s, a_pi], dim=1)).squeeze(1))
            self.descend("pi", tap("actor_loss", -q_pi.mean()))
            self.move_targets()

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of the optimiser of pi or Q down the gradient of its loss."""
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    @torch.no_grad()
    def move_targets(self) -> None:
        """Move both targets: theta_hat <- tau theta + (1 - tau) theta_hat."""
        for net, target in ((self.Q, self.Q_hat), (self.pi, self.pi_hat)):
            for theta, theta_hat in zip(net.parameters(), target.parameters(), strict=True):
                theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = TD3(envs, h, call)
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
    """Return A; TD3 needs actions in a Box with finite bounds."""
    space = env.action_space
    if isinstance(space, gym.spaces.Box) and space.is_bounded():
        return int(np.prod(space.shape))
    message = f"TD3 needs a Box action space with finite bounds, saw {space}"
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
