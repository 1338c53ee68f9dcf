"""Soft Actor-Critic, from scratch: Haarnoja et al. 2018b, arXiv 1812.05905, Algorithm 1.

The names are the paper's: pi is the policy, Q the two soft Q-functions, Q_hat their targets, D the
replay memory, alpha the temperature, H_bar the entropy that it aims at, J the losses.
Hyperparameters have the names of stable-baselines3 (SB3). Details that matter, most of them silent
when wrong:

1. Two scales of actions. In here an action lies in [-1, 1], the range of tanh; the environment
   receives it stretched to its bounds, which need not be symmetric.
2. Warm-up. The first `learning_starts` env steps take uniformly random actions and train nothing.
3. Rounds. `train_freq` steps of every environment are made, then `gradient_steps` updates (-1: as
   many as env steps). Rounds are whole, so a run may be a little longer than `total_timesteps`.
4. Terminated is not truncated. A terminal state has no future: its target is r alone. At a time
   limit the target bootstraps, from the real last observation, not from that after the reset.
5. The policy is a Gaussian through tanh. Its log-density is the Gaussian's minus the sum over
   dimensions of log(1 - a^2 + 1e-6), finite even where a rounds to 1. log(sigma) is an output of
   the network like mu, cut to [-20, 2].
6. One update trains alpha, Q, pi, in this order; all losses use the alpha from before its step.
   J(alpha) is log(alpha) times the gap to H_bar, where the paper has alpha times it.
7. The action in J(pi) is drawn before Q is trained and judged after, by the smaller Q. Gradients
   flow through the action (the noise is held) and through log pi.
8. The target draws an action at s' from the current pi (there is no target policy) and counts its
   entropy: min Q_hat(s', a') - alpha log pi(a'|s'). No gradient flows through it.
9. J(Q) is half the sum of two mean squared errors; one Adam trains both Q.
10. Q_hat starts as a copy of Q, and moves after every `target_update_interval`-th update, beginning
    with the first: each round counts anew.
11. H_bar is minus the number of action dimensions. alpha starts at 1; its logarithm is trained, by
    a third Adam. The learning rate is the same for all three; no gradient is clipped.
12. Adam has PyTorch's constants (betas 0.9 and 0.999, eps 1e-8), weights and biases start at
    PyTorch's defaults, a ReLU follows each hidden layer only, Q sees s and a side by side.
13. Minibatches are drawn uniformly, with replacement. Environment i is seeded with seed + i, once.
14. Returns over n steps, where asked for: rewards are summed with their discounts until the episode
    ends, n steps are summed or the newest step is reached; the bootstrap is discounted by as many.

All are as in SB3 2.9, which also takes `train_freq` in episodes, draws from global generators, and
has the Gaussian's log-density from the action before tanh, not from the noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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

LOG_SIGMA_MIN, LOG_SIGMA_MAX = -20.0, 2.0
TANH_EPSILON = 1e-6
TRANSITION = ("obs", "action", "reward", "next_obs", "terminated")
BATCH = ("obs", "actions", "rewards", "next_obs", "terminated")


@dataclass(frozen=True)
class Hyperparameters:
    """SB3's names and defaults (stable_baselines3/sac/sac.py, 2.9)."""

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
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (256, 256)  # or of pi and qf apart


class ReplayMemory:
    """D: the latest transitions (s, a, r, s', terminated), overwritten in order of age.

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


class TwoQ(nn.Module):
    """Q_1 and Q_2, which share nothing but their input."""

    def __init__(self, n_inputs: int, net_arch: Sequence[int], n_actions: int) -> None:
        super().__init__()
        widths = (n_inputs + n_actions, *net_arch)
        networks = [[*hidden_layers(widths), nn.Linear(widths[-1], 1)] for _ in range(2)]
        self.Q = nn.ModuleList(nn.Sequential(*layers) for layers in networks)

    def forward(self, s: Tensor, a: Tensor) -> Tensor:
        """Return the values of both, (2, B)."""
        s_a = torch.cat([s, a], dim=1)
        return torch.stack([q(s_a).squeeze(1) for q in self.Q])


class SAC:
    """pi, Q, Q_hat, alpha, D and the optimisers of one run, and what is done to them."""

    def __init__(self, envs: list[gym.Env[Any, Any]], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        n_inputs, self.A = gym.spaces.flatdim(envs[0].observation_space), n_dimensions(envs[0])
        net_arch = h.net_arch
        arch = net_arch if isinstance(net_arch, Mapping) else dict.fromkeys(("pi", "qf"), net_arch)
        self.pi = tap("actor", Policy(n_inputs, arch["pi"], self.A).to(call.device))
        self.Q = tap("critic", TwoQ(n_inputs, arch["qf"], self.A).to(call.device))
        self.Q_hat = TwoQ(n_inputs, arch["qf"], self.A).to(call.device)
        self.Q_hat.load_state_dict(self.Q.state_dict())
        self.Q_hat = tap("critic_target", self.Q_hat)
        self.H_bar = -float(self.A) if h.target_entropy == "auto" else float(h.target_entropy)
        self.D = ReplayMemory(h, envs)

        adam = partial(torch.optim.Adam, lr=learning_rate(h, progress=0.0))
        self.optimisers = {"pi": adam(self.pi.parameters()), "Q": adam(self.Q.parameters())}
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
        flat = obs.float().flatten(start_dim=1)
        return flat / 255 if is_image(space) else flat

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
            v_next = self.Q_hat(s_next, a_next).min(dim=0).values - alpha * log_pi_next  # (B,)
            y = batch["rewards"] + batch["discounts"] * (1 - batch["terminated"]) * v_next
        y = tap("td_target", y)
        q1, q2 = self.Q(s, batch["actions"])
        q1, q2 = tap("q1", q1), tap("q2", q2)
        self.descend("Q", tap("critic_loss", (F.mse_loss(q1, y) + F.mse_loss(q2, y)) / 2))

        q_pi = tap("q_pi", self.Q(s, a_pi).min(dim=0).values)
        self.descend("pi", tap("actor_loss", (alpha * log_pi - q_pi).mean()))
        if k % self.h.target_update_interval == 0:
            self.move_targets()

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of the optimiser of pi, Q or alpha down the gradient of its loss."""
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    @torch.no_grad()
    def move_targets(self) -> None:
        """Move Q_hat towards Q: Q_hat <- tau Q + (1 - tau) Q_hat."""
        for theta, theta_hat in zip(self.Q.parameters(), self.Q_hat.parameters(), strict=True):
            theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = SAC(envs, h, call)
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
    """Return A; SAC needs actions in a Box with finite bounds."""
    space = env.action_space
    if isinstance(space, gym.spaces.Box) and space.is_bounded():
        return int(np.prod(space.shape))
    message = f"SAC needs a Box action space with finite bounds, saw {space}"
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
    rate, alpha = values.get("learning_rate", 0.0), values.get("ent_coef", "auto")
    if isinstance(rate, str) and not rate.startswith("lin_"):
        refuse("learning_rate", rate, "expected a number or 'lin_X'")
    if isinstance(alpha, str) and alpha != "auto" and not alpha.startswith("auto_"):
        refuse("ent_coef", alpha, "expected a number, 'auto' or 'auto_X'")
    return Hyperparameters(**values)


def refuse(name: str, value: object, reason: str) -> NoReturn:
    """Say that a hyperparameter cannot be expressed; ignoring it would be a silent difference."""
    raise UnsupportedHyperparameter(name, value, reason)
