"""Truncated Quantile Critics, from scratch: Kuznetsov et al. 2020, arXiv 2005.04269, Algorithm 1.

SAC whose critics learn the distribution of the return, and whose targets leave the largest atoms
out against overestimation. The names are the paper's: pi is the policy, theta_n^m the m-th of M
atoms (quantiles) of critic Z_n of N, psi all critics, psi_hat their targets, d the atoms dropped
per critic, k = M - d, y_i the targets, alpha the temperature, H_bar the entropy it aims at.
Hyperparameters have the names of stable-baselines3 and sb3-contrib. Details that matter:

1. Truncation pools first: the N M target atoms of a row are sorted together and the N d largest
   are left out. Dropping d of each critic is another algorithm.
2. Atoms lie at tau_m = (2m - 1) / 2M, m from 1. Every atom of every critic meets all k N targets;
   the weight |tau_m - 1{u < 0}| belongs to the atom, and the Huber loss bends at 1.
3. The loss is a mean over everything: rows, critics, atoms, targets. The paper's sums over the
   critics, QR-DQN's over the atoms.
4. The policy sees the mean of all N M atoms, none left out, after the critics' step, at an action
   drawn before it. Gradients flow through the action and through log pi.
5. The target draws an action at s' from the current pi and counts its entropy once per row, after
   the truncation: y_i = r + gamma (z_i - alpha log pi(a'|s')).
6. One update trains alpha, psi, pi, in this order; all losses use the alpha from before its step.
   J(alpha) is log(alpha) times the gap to H_bar. One Adam trains all critics.
7. Two scales of actions: in here they lie in [-1, 1], the environment gets them stretched to its
   bounds. Their log-density is a Gaussian's minus sum log(1 - a^2 + 1e-6); log(sigma) is an output
   of the network like mu, cut to [-20, 2].
8. Warm-up: `learning_starts` env steps of uniform actions. Then rounds of `train_freq` steps of
   every environment and `gradient_steps` updates (-1: as many as env steps).
9. A time limit does not cut the bootstrap, which is from the real last observation; the end does.
10. psi_hat starts as a copy, and moves after every `target_update_interval`-th update of a round,
    beginning with its first.
11. alpha starts at 1, H_bar is minus the number of action dimensions; no gradient is clipped; Adam
    and weights have PyTorch's defaults; a ReLU follows each hidden layer only.
12. Rows are drawn uniformly, with replacement. Environment i is seeded with seed + i, once.
13. Returns over n steps end early at the end of an episode and at the newest step.

All are as in sb3-contrib 2.9, which departs from the paper in 3 (a factor of 1 / N, which Adam
hides but for its eps), by two critics for five and two hidden layers for three, by the option of
n steps, and from this file by taking `train_freq` in episodes too and by global generators.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.side import Call, UnsupportedHyperparameter
from harness.tap import tap

Array = np.ndarray[Any, Any]

LOG_SIGMA_MIN, LOG_SIGMA_MAX = -20.0, 2.0
TANH_EPSILON = 1e-6
TRANSITION = ("obs", "action", "reward", "next_obs", "terminated")
BATCH = ("obs", "actions", "rewards", "next_obs", "terminated")
WORDS = (  # hyperparameter, how a word begins that may stand for a number, what is expected
    ("train_freq", "", "this file counts env steps only"),
    ("learning_rate", "lin_", "expected a number or 'lin_X'"),
    ("ent_coef", "auto", "expected a number, 'auto' or 'auto_X'"),
)


@dataclass(frozen=True)
class Hyperparameters:
    """sb3-contrib's names and defaults (sb3_contrib/tqc/tqc.py, 2.9)."""

    learning_rate: float | str = 3e-4  # a number, or "lin_X": X falling linearly to 0
    buffer_size: int = 1_000_000  # capacity of D
    learning_starts: int = 100
    batch_size: int = 256
    tau: float = 0.005
    gamma: float = 0.99
    train_freq: int = 1
    gradient_steps: int = 1
    n_steps: int = 1  # n
    ent_coef: float | str = "auto"  # alpha; "auto": learnt, from 1; "auto_X": learnt, from X
    target_update_interval: int = 1
    target_entropy: float | str = "auto"  # H_bar
    top_quantiles_to_drop_per_net: int = 2  # d
    n_quantiles: int = 25  # M
    n_critics: int = 2  # N
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (256, 256)  # or of pi and qf apart


class ReplayMemory:
    """D: the latest transitions, the oldest overwritten; one step of all envs side by side."""

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


class Policy(nn.Module):
    """pi: from s to mu and log(sigma) of a Gaussian, (B, A) each; tanh of it is the action."""

    def __init__(self, n_inputs: int, net_arch: Sequence[int], n_actions: int) -> None:
        super().__init__()
        widths = (n_inputs, *net_arch)
        self.hidden = nn.Sequential(*hidden_layers(widths))
        self.mu = nn.Linear(widths[-1], n_actions)
        self.log_sigma = nn.Linear(widths[-1], n_actions)

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log(sigma)."""
        h = self.hidden(s)
        return self.mu(h), self.log_sigma(h).clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX)


class Critics(nn.Module):
    """psi: Z_1 to Z_N, which share nothing but their input."""

    def __init__(self, n_inputs: int, h: Hyperparameters, net_arch: Sequence[int]) -> None:
        super().__init__()
        widths = (n_inputs, *net_arch)
        networks = [
            nn.Sequential(*hidden_layers(widths), nn.Linear(widths[-1], h.n_quantiles))
            for _ in range(h.n_critics)
        ]
        self.Z = nn.ModuleList(networks)

    def forward(self, s: Tensor, a: Tensor) -> Tensor:
        """Return all atoms theta_n^m, (B, N, M)."""
        s_a = torch.cat([s, a], dim=1)
        return torch.stack([z(s_a) for z in self.Z], dim=1)


class TQC:
    """pi, psi, psi_hat, alpha, D and the optimisers of one run, and what is done to them."""

    def __init__(self, envs: list[gym.Env[Any, Any]], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        n_inputs, self.A = gym.spaces.flatdim(envs[0].observation_space), n_dimensions(envs[0])
        net_arch = h.net_arch
        arch = net_arch if isinstance(net_arch, Mapping) else dict.fromkeys(("pi", "qf"), net_arch)
        self.pi = tap("actor", Policy(n_inputs, arch["pi"], self.A).to(call.device))
        self.psi = tap("critic", Critics(n_inputs + self.A, h, arch["qf"]).to(call.device))
        self.psi_hat = Critics(n_inputs + self.A, h, arch["qf"]).to(call.device)
        self.psi_hat.load_state_dict(self.psi.state_dict())
        self.psi_hat = tap("critic_target", self.psi_hat)
        self.H_bar = -float(self.A) if h.target_entropy == "auto" else float(h.target_entropy)
        self.D = ReplayMemory(h, envs)

        adam = partial(torch.optim.Adam, lr=learning_rate(h, progress=0.0))
        self.optimisers = {"pi": adam(self.pi.parameters()), "psi": adam(self.psi.parameters())}
        self.log_alpha: Tensor | None = None
        if isinstance(h.ent_coef, str):
            alpha = float(h.ent_coef.removeprefix("auto").removeprefix("_") or 1.0)
            log_alpha = torch.tensor([alpha], device=call.device).log()
            self.log_alpha = tap("log_alpha", log_alpha.requires_grad_())
            self.optimisers["alpha"] = adam([self.log_alpha])
        else:
            self.alpha = torch.tensor(float(h.ent_coef), device=call.device)

    def features(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        space = self.envs[0].observation_space
        if isinstance(space, gym.spaces.Discrete):
            return F.one_hot(obs.long() - int(space.start), int(space.n)).float()
        is_image = space.dtype == np.uint8 and len(space.shape or ()) == 3
        return obs.float().flatten(start_dim=1) / (255 if is_image else 1)  # as SB3 does

    @torch.no_grad()
    def act(self, obs: Array) -> Array:
        """Return an action of pi for each environment, (n_envs, A), in [-1, 1]."""
        mu, log_sigma = self.pi(self.features(torch.as_tensor(obs, device=self.device)))
        action: Array = squash(mu, log_sigma, torch.randn_like(mu)).cpu().numpy()
        return action

    def step(self, obs: Array, *, is_warmup: bool) -> Array:
        """Step every environment, store the transitions, return the next observations."""
        obs = tap("obs", obs)
        shape = (len(self.envs), self.A)
        action = self.rng.uniform(-1, 1, shape) if is_warmup else self.act(obs)
        action = tap("action", action.astype(np.float32))
        steps = [step_one(env, a) for env, a in zip(self.envs, action, strict=True)]
        reward, next_obs, terminated, is_over, following = map(np.stack, zip(*steps, strict=True))
        values = (obs, action, reward, next_obs, terminated)
        self.D.store(tap("transition", dict(zip(TRANSITION, values, strict=True))), is_over)
        return following

    def update(self, k: int) -> None:
        """Take one gradient step on each loss over a minibatch; k counts from 0 in a round."""
        batch = tap("batch", self.D.sample(self.h.batch_size, rng=self.rng, device=self.device))
        s, s_next = self.features(batch["obs"]), self.features(batch["next_obs"])
        mu, log_sigma = self.pi(s)
        noise = tap("policy_noise", torch.randn_like(mu))
        a_pi = tap("action_pi", squash(mu, log_sigma, noise))
        log_pi = tap("log_prob", log_density(a_pi, log_sigma, noise))  # (B,)
        alpha = tap(
            "alpha", self.alpha if self.log_alpha is None else self.log_alpha.detach().exp()
        )
        if self.log_alpha is not None:
            J_alpha = -(self.log_alpha * (log_pi + self.H_bar).detach()).mean()
            self.descend("alpha", tap("alpha_loss", J_alpha))

        with torch.no_grad():
            mu, log_sigma = self.pi(s_next)
            noise = tap("next_policy_noise", torch.randn_like(mu))
            a_next = tap("next_action", squash(mu, log_sigma, noise))
            log_pi_next = tap("next_log_prob", log_density(a_next, log_sigma, noise))
            z = self.psi_hat(s_next, a_next).flatten(start_dim=1).sort(dim=1).values  # (B, N M)
            z = z[:, : z.shape[1] - self.h.n_critics * self.h.top_quantiles_to_drop_per_net]
            z_next = z - alpha * log_pi_next[:, None]  # (B, k N)
            y = (batch["discounts"] * (1 - batch["terminated"]))[:, None] * z_next
            y = tap("td_target", batch["rewards"][:, None] + y)
        theta = tap("quantiles", self.psi(s, batch["actions"]))  # (B, N, M)
        tap("q_values", theta.mean(dim=(1, 2)))
        self.descend("psi", tap("critic_loss", quantile_huber_loss(theta, y)))

        q_pi = tap("q_pi", self.psi(s, a_pi).mean(dim=(1, 2)))
        self.descend("pi", tap("actor_loss", (alpha * log_pi - q_pi).mean()))
        if k % self.h.target_update_interval == 0:
            self.move_targets()

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of the optimiser of pi, psi or alpha down the gradient of its loss."""
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    @torch.no_grad()
    def move_targets(self) -> None:
        """Move psi_hat towards psi: psi_hat <- tau psi + (1 - tau) psi_hat."""
        for theta, theta_hat in zip(self.psi.parameters(), self.psi_hat.parameters(), strict=True):
            theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = TQC(envs, h, call)
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
            for k in range(h.gradient_steps if h.gradient_steps >= 0 else n_env_steps):
                agent.update(k)
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


def quantile_huber_loss(theta: Tensor, y: Tensor) -> Tensor:
    """Return the paper's (13) of atoms (B, N, M) and targets (B, k N), a mean over all pairs."""
    M = theta.shape[2]
    tau = (torch.arange(M, device=theta.device) + 0.5) / M
    u = y[:, None, None, :] - theta[:, :, :, None]  # (B, N, M, k N)
    huber = torch.where(u.abs() <= 1, u**2 / 2, u.abs() - 0.5)
    return ((tau[:, None] - (u.detach() < 0).float()).abs() * huber).mean()


def squash(mu: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Return tanh(mu + sigma noise): the action that a standard normal draw stands for."""
    return torch.tanh(mu + log_sigma.exp() * noise)


def log_density(a: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Return log pi(a|s), (B,): the Gaussian's at the noise behind a, then corrected for tanh."""
    gaussian = -(noise**2) / 2 - log_sigma - math.log(2 * math.pi) / 2
    return (gaussian - torch.log(1 - a**2 + TANH_EPSILON)).sum(dim=1)


def hidden_layers(widths: tuple[int, ...]) -> Iterator[nn.Module]:
    """Yield linear layers between consecutive widths, each with its ReLU."""
    for n_in, n_out in pairwise(widths):
        yield from (nn.Linear(n_in, n_out), nn.ReLU())


def learning_rate(h: Hyperparameters, *, progress: float) -> float:
    """Return the learning rate after the share `progress` of the run: constant, or "lin_X"."""
    if isinstance(h.learning_rate, str):
        return float(h.learning_rate.removeprefix("lin_")) * (1 - progress)
    return float(h.learning_rate)


def n_dimensions(env: gym.Env[Any, Any]) -> int:
    """Return A; TQC needs actions in a Box with finite bounds."""
    space = env.action_space
    if isinstance(space, gym.spaces.Box) and space.is_bounded():
        return int(np.prod(space.shape))
    message = f"TQC needs a Box action space with finite bounds, saw {space}"
    raise TypeError(message)


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    if isinstance(values.get("train_freq"), (list, tuple)):
        number, unit = values["train_freq"]
        values["train_freq"] = number if unit == "step" else unit
    for name, word, reason in WORDS:
        value = values.get(name)
        if isinstance(value, str) and not (word and value.startswith(word)):
            raise UnsupportedHyperparameter(name, value, reason)
    return Hyperparameters(**values)
