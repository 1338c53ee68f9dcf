"""QR-DQN, from scratch: Dabney, Rowland, Bellemare and Munos 2018, arXiv 1710.10044, Algorithm 1.

DQN learns the mean of the return; here the network learns its distribution, as N quantiles. The
names are the paper's: theta_i(x, a) is the estimate of the quantile at tau_hat_i, Q their mean,
Z' the target distribution, u the error between two of them, kappa the bend of the Huber loss, D the
replay memory. Hyperparameters have the names of stable-baselines3 and sb3-contrib. Details that
matter, most of them silent when wrong:

1. Quantiles lie in the middle of N equal shares: tau_hat_i = (i + 1/2) / N, i from 0. Shares at
   i / N instead are biased, and the lowest would not be learnt at all.
2. Every estimate meets every target: u_ij = T theta_j - theta_i is (B, N, N). The weight
   |tau_hat_i - 1{u_ij < 0}| belongs to the estimate i, so it runs along the estimates' axis; no
   gradient flows through the indicator.
3. The loss sums over the estimates and averages over the targets (and over the minibatch). Other
   means scale the gradient, and with it what a clipped norm or Adam's eps does.
4. The Huber loss bends at kappa = 1 and is not divided by kappa.
5. Best actions are those of the largest mean, of the target network for the target (no Double DQN)
   and of the online network for acting. All N quantiles of that one action are the target.
6. Adam's eps is 0.01 / batch_size, a million times its usual 1e-8 and large enough to matter.
7. Gradients are not clipped, unless `max_grad_norm` says so.
8. Terminated is not truncated: a time limit does not cut the bootstrap, and the state to bootstrap
   from is the real last observation, not that after the reset.
9. Warm-up: the first `learning_starts` env steps act at random and train nothing. Then rounds:
   `train_freq` env steps, `gradient_steps` updates (-1: as many as env steps). Rounds are whole.
10. Targets: every `target_update_interval` env steps theta_target <- tau theta + (1 - tau)
    theta_target, counted from the first env step, warm-up included.
11. Epsilon falls linearly over `exploration_fraction` of the run; the value for the next action is
    set after each env step. Learning rate "lin_X": X (1 - progress), read once per round.
12. Rows are drawn uniformly, with replacement. With `n_steps` > 1 rewards are summed up to the end
    of the episode or the newest transition; the bootstrap is discounted by as many steps.
13. Weights start as PyTorch's linear layers do; a ReLU follows each hidden layer.

All are as in sb3-contrib 2.9. It departs from the paper in 7 and 10 (polyak averaging, env steps
for updates), in 9 and 11 (shares of the run for fixed numbers of frames), and in `n_steps`. It
departs from this file, without consequence, by stepping several environments at once, by taking
`train_freq` in episodes too, by its first action's epsilon of 0 where learning_starts is 0, and by
drawing from global random generators.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
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

KAPPA = 1.0


@dataclass(frozen=True)
class Hyperparameters:
    """sb3-contrib's names and defaults (sb3_contrib/qrdqn/qrdqn.py, 2.9)."""

    learning_rate: float | str = 5e-5  # a number, or "lin_X": X falling linearly to 0
    buffer_size: int = 1_000_000  # capacity of D
    learning_starts: int = 100
    batch_size: int = 32
    tau: float = 1.0
    gamma: float = 0.99
    train_freq: int = 4
    gradient_steps: int = 1
    n_steps: int = 1  # n
    target_update_interval: int = 10_000
    exploration_fraction: float = 0.005
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.01
    max_grad_norm: float | None = None
    n_quantiles: int = 200  # N
    net_arch: tuple[int, ...] = (64, 64)


class ReplayMemory:
    """D: the last transitions (x, a, r, x', terminated), overwritten in order of age."""

    def __init__(self, h: Hyperparameters, observation_space: gym.Space[Any]) -> None:
        self.capacity, self.n_steps, self.gamma = h.buffer_size, h.n_steps, h.gamma
        shape, dtype = observation_space.shape or (), observation_space.dtype
        self.obs = np.zeros((self.capacity, *shape), dtype)
        self.next_obs = np.zeros((self.capacity, *shape), dtype)
        self.actions = np.zeros(self.capacity, np.int64)
        self.rewards, self.terminated = np.zeros((2, self.capacity), np.float32)
        self.is_over = np.zeros(self.capacity, bool)  # whether the episode ended, in either way
        self.n_stored = 0  # transitions ever stored

    def store(self, transition: dict[str, Any], *, is_over: bool) -> None:
        """Store one transition in the place of the oldest."""
        i = self.n_stored % self.capacity
        self.obs[i], self.next_obs[i] = transition["obs"], transition["next_obs"]
        self.actions[i], self.rewards[i] = transition["action"], transition["reward"]
        self.terminated[i], self.is_over[i] = transition["terminated"], is_over
        self.n_stored += 1

    def sample(self, n: int, *, rng: np.random.Generator, device: str) -> dict[str, Tensor]:
        """Return n rows, drawn uniformly with replacement, each with its n-step return."""
        size = min(self.n_stored, self.capacity)
        rows = tap("rows", rng.integers(size, size=n))  # 0 is the oldest transition
        k = np.arange(self.n_steps)
        window = rows[:, None] + k  # (n, n_steps)
        is_newest = window >= size - 1
        window = (self.n_stored - size + window) % self.capacity
        is_last = self.is_over[window] | is_newest | (k == self.n_steps - 1)
        last = is_last.argmax(axis=1)  # the first one that is: (n,)
        first, end = window[:, 0], window[np.arange(n), last]
        rewards = (self.rewards[window] * self.gamma**k * (k <= last[:, None])).sum(axis=1)
        batch = {
            "obs": self.obs[first],
            "actions": self.actions[first],
            "rewards": rewards.astype(np.float32),
            "next_obs": self.next_obs[end],
            "terminated": self.terminated[end],
            "discounts": (self.gamma ** (last + 1)).astype(np.float32),
        }
        return {name: torch.as_tensor(column, device=device) for name, column in batch.items()}


class Quantiles(nn.Module):
    """theta: from phi(x) to the quantiles of every action's return, (B, N, n_actions)."""

    def __init__(self, n_inputs: int, h: Hyperparameters, n_actions: int) -> None:
        super().__init__()
        self.N = h.n_quantiles
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((n_inputs, *h.net_arch, h.n_quantiles * n_actions)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])  # no ReLU on the quantiles

    def forward(self, phi: Tensor) -> Tensor:
        """Return all quantiles; the actions of one quantile lie side by side in the last layer."""
        return self.layers(phi).unflatten(1, (self.N, -1))  # type: ignore[no-any-return]


class QRDQN:
    """theta, its target, D and the optimiser of one run, and what is done to them."""

    def __init__(self, env: gym.Env[Any, Any], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.env, self.h, self.device = env, h, call.device
        self.n_actions = n_actions(env)
        n_inputs = gym.spaces.flatdim(env.observation_space)
        self.theta = tap("quantile_net", Quantiles(n_inputs, h, self.n_actions).to(call.device))
        self.theta_target = Quantiles(n_inputs, h, self.n_actions).to(call.device)
        self.theta_target.load_state_dict(self.theta.state_dict())
        self.theta_target = tap("target_net", self.theta_target)
        self.D = ReplayMemory(h, env.observation_space)
        rate = learning_rate(h, progress=0.0)
        self.optimiser = torch.optim.Adam(self.theta.parameters(), lr=rate, eps=0.01 / h.batch_size)

    def phi(self, obs: Tensor) -> Tensor:
        """Return what the network sees, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        space = self.env.observation_space
        if isinstance(space, gym.spaces.Discrete):
            return F.one_hot(obs.long() - int(space.start), int(space.n)).float()
        is_image = space.dtype == np.uint8 and len(space.shape or ()) == 3
        return obs.float().flatten(start_dim=1) / (255 if is_image else 1)  # as SB3 does

    @torch.no_grad()
    def act(self, obs: Array, epsilon: float) -> int:
        """Return a uniformly random action with probability epsilon, else argmax_a Q(x, a)."""
        if self.rng.random() < epsilon:
            return int(self.rng.integers(self.n_actions))
        batch_of_one = torch.as_tensor(obs[np.newaxis], device=self.device)
        return int(Q(self.theta(self.phi(batch_of_one))).argmax())

    def step(self, obs: Array, epsilon: float) -> Array:
        """Make one env step from `obs`, store the transition, return the next observation."""
        obs = tap("obs", np.array(obs))  # a copy: an environment may overwrite what it returned
        action = tap("action", self.act(obs, epsilon))
        next_obs, reward, terminated, truncated, _ = self.env.step(action)
        transition = {
            "obs": obs,
            "action": action,
            "reward": reward,
            "next_obs": np.array(next_obs),
            "terminated": terminated,
        }
        self.D.store(tap("transition", transition), is_over=terminated or truncated)
        return np.array(self.env.reset()[0] if terminated or truncated else next_obs)

    def update(self) -> None:
        """Take one gradient step on the quantile Huber loss of a minibatch from D."""
        b = tap("batch", self.D.sample(self.h.batch_size, rng=self.rng, device=self.device))
        with torch.no_grad():
            theta_next = self.theta_target(self.phi(b["next_obs"]))
            theta_next = of_actions(theta_next, Q(theta_next).argmax(dim=1))  # (B, N)
            bootstrap = (b["discounts"] * (1 - b["terminated"]))[:, None] * theta_next
            T_theta = tap("td_target", b["rewards"][:, None] + bootstrap)
        theta = of_actions(self.theta(self.phi(b["obs"])), b["actions"])  # (B, N)
        theta = tap("quantiles", theta)
        tap("q_values", theta.mean(dim=1))

        loss = tap("loss", quantile_huber_loss(theta, T_theta))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.h.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.theta.parameters(), self.h.max_grad_norm)
        self.optimiser.step()

    @torch.no_grad()
    def synchronise(self) -> None:
        """Move the target towards theta: target <- tau theta + (1 - tau) target."""
        pairs = zip(self.theta.parameters(), self.theta_target.parameters(), strict=True)
        for parameter, target in pairs:
            target.mul_(1 - self.h.tau).add_(parameter, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: DQN's loop around Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    env = call.make_env()
    agent = QRDQN(env, h, call)
    epsilon = h.exploration_initial_eps
    obs, _ = env.reset(seed=call.seed)
    t = 0
    while t < T:
        for _ in range(h.train_freq):
            obs = agent.step(obs, 1.0 if t < h.learning_starts else epsilon)
            t += 1
            if t % h.target_update_interval == 0:
                agent.synchronise()
            epsilon = tap("epsilon", exploration(h, progress=t / T))
        if t > h.learning_starts:
            agent.optimiser.param_groups[0]["lr"] = learning_rate(h, progress=t / T)
            for _ in range(h.gradient_steps if h.gradient_steps >= 0 else h.train_freq):
                agent.update()
    env.close()


def quantile_huber_loss(theta: Tensor, T_theta: Tensor) -> Tensor:
    """Return sum_i E_j [rho_tau_hat_i (T theta_j - theta_i)], the paper's (10), a mean over B."""
    N = theta.shape[1]
    tau_hat = (torch.arange(N, device=theta.device) + 0.5) / N  # (N,), of the estimates
    u = T_theta[:, None, :] - theta[:, :, None]  # (B, estimates, targets)
    huber = torch.where(u.abs() <= KAPPA, u**2 / 2, KAPPA * (u.abs() - KAPPA / 2))
    weight = (tau_hat[None, :, None] - (u.detach() < 0).float()).abs()
    return (weight * huber).sum(dim=1).mean()


def Q(quantiles: Tensor) -> Tensor:
    """Return the mean of the quantiles of every action, (B, n_actions)."""
    return quantiles.mean(dim=1)


def of_actions(quantiles: Tensor, actions: Tensor) -> Tensor:
    """Return the quantiles of one action per row: (B, N) of (B, N, n_actions) and (B,)."""
    return quantiles[torch.arange(len(actions)), :, actions]


def exploration(h: Hyperparameters, *, progress: float) -> float:
    """Return epsilon after the share `progress` of the run: linear, then constant."""
    if progress > h.exploration_fraction:
        return h.exploration_final_eps
    fall = h.exploration_initial_eps - h.exploration_final_eps
    return h.exploration_initial_eps - fall * progress / h.exploration_fraction


def learning_rate(h: Hyperparameters, *, progress: float) -> float:
    """Return the learning rate after the share `progress` of the run: constant, or "lin_X"."""
    if isinstance(h.learning_rate, str):
        return float(h.learning_rate.removeprefix("lin_")) * (1 - progress)
    return float(h.learning_rate)


def n_actions(env: gym.Env[Any, Any]) -> int:
    """Return the number of actions; QR-DQN needs them to be finitely many."""
    if isinstance(env.action_space, gym.spaces.Discrete):
        return int(env.action_space.n)
    message = f"QR-DQN needs a Discrete action space, saw {env.action_space}"
    raise TypeError(message)


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    if call.n_envs != 1:
        refuse("n_envs", call.n_envs, "this file steps one environment")
    train_freq = values.get("train_freq")
    if isinstance(train_freq, (list, tuple)):
        values["train_freq"], unit = train_freq
        if unit != "step":
            refuse("train_freq", train_freq, "this file counts env steps only")
    rate = values.get("learning_rate", 0.0)
    if isinstance(rate, str) and not rate.startswith("lin_"):
        refuse("learning_rate", rate, "expected a number or 'lin_X'")
    values["net_arch"] = tuple(values.get("net_arch", Hyperparameters.net_arch))
    return Hyperparameters(**values)


def refuse(name: str, value: object, reason: str) -> NoReturn:
    """Say that a hyperparameter cannot be expressed; ignoring it would be a silent difference."""
    raise UnsupportedHyperparameter(name, value, reason)
