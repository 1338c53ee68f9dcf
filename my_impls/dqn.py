"""Deep Q-Network, from scratch: Mnih et al. 2015, Nature 518, 529-533, Algorithm 1.

The names are the paper's: Q and Q_hat are the online and the target network, D the replay memory,
phi the preprocessing of an observation, y the target of the regression, C the env steps between two
copies of Q into Q_hat, epsilon the chance of a random action. Hyperparameters have the names of
stable-baselines3 (SB3). Details that matter, most of them silent when wrong:

1. Warm-up. The first `learning_starts` env steps take uniformly random actions and train nothing.
2. Rounds. `train_freq` env steps are made, then `gradient_steps` updates (-1: as many as steps).
   Rounds are whole, so a run may be a little longer than `total_timesteps`.
3. Terminated is not truncated. A terminal state has no future: its target is r alone. At a time
   limit the episode stops but the future would go on: its target bootstraps from the real last
   observation, not from the first one of the next episode.
4. The Huber loss (quadratic up to 1, then linear) has the derivative of the paper's clipped error;
   in addition, gradients are scaled down to a total norm of `max_grad_norm` (not in the paper).
5. Adam instead of the paper's RMSProp, with PyTorch's constants (betas 0.9 and 0.999, eps 1e-8).
6. epsilon falls linearly over the first `exploration_fraction` of the run. It is set after each env
   step, for the next one, and falls during the warm-up too, which does not use it.
7. Q_hat moves every C = `target_update_interval` env steps, counted from the first env step of the
   warm-up, by Q_hat <- tau Q + (1 - tau) Q_hat; with tau = 1 this is the paper's copy.
8. Minibatches are drawn uniformly, with replacement, over everything that D holds.
9. Only the first reset of the environment is seeded; later ones continue its random stream.
10. Weights and biases start at PyTorch's defaults; a ReLU follows each hidden layer only. Images
    are bytes as shares of 255; with "CnnPolicy" the paper's convolutions come first.
11. Returns over n steps, where asked for: rewards are summed with their discounts until the episode
    ends, n steps are summed or the newest step is reached; the bootstrap is discounted by as many.

All are as in SB3 2.9. Where SB3 departs from this file, without consequence for the algorithm: it
steps several environments at once; it takes `train_freq` in episodes too; it draws from global
random generators; and with learning_starts = 0 its very first action has an epsilon of 0.
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
Observation = Array | np.integer[Any]  # of a Box, of a Discrete space


@dataclass(frozen=True)
class Hyperparameters:
    """SB3's names and defaults (stable_baselines3/dqn/dqn.py, 2.9)."""

    learning_rate: float | str = 1e-4  # a number, or "lin_X": X falling linearly to 0
    buffer_size: int = 1_000_000  # N, the capacity of D
    learning_starts: int = 100
    batch_size: int = 32
    tau: float = 1.0
    gamma: float = 0.99
    train_freq: int = 4
    gradient_steps: int = 1
    n_steps: int = 1  # n
    target_update_interval: int = 10_000  # C
    exploration_fraction: float = 0.1
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.05
    max_grad_norm: float = 10.0
    net_arch: tuple[int, ...] = (64, 64)
    policy: str = "MlpPolicy"  # "CnnPolicy": the paper's convolutions before net_arch


class ReplayMemory:
    """D: the last N transitions (s, a, r, s', terminated), overwritten in order of age."""

    def __init__(self, h: Hyperparameters, observation_space: gym.Space[Any]) -> None:
        capacity, self.n_steps, self.gamma = h.buffer_size, h.n_steps, h.gamma
        shape, dtype = observation_space.shape or (), observation_space.dtype
        self.obs = np.zeros((capacity, *shape), dtype)
        self.actions = np.zeros(capacity, np.int64)
        self.rewards = np.zeros(capacity, np.float32)
        self.next_obs = np.zeros((capacity, *shape), dtype)
        self.terminated = np.zeros(capacity, np.float32)
        self.is_over = np.zeros(capacity, bool)  # whether the episode ended, in either way
        self.capacity = capacity
        self.n_stored = 0  # transitions ever stored

    def store(self, transition: dict[str, Any], *, is_over: bool) -> None:
        """Store one transition in the place of the oldest."""
        i = self.n_stored % self.capacity
        self.obs[i] = transition["obs"]
        self.actions[i] = transition["action"]
        self.rewards[i] = transition["reward"]
        self.next_obs[i] = transition["next_obs"]
        self.terminated[i] = transition["terminated"]
        self.is_over[i] = is_over
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


class DQN:
    """Q, Q_hat, D and the optimiser of one run, and what is done to them."""

    def __init__(self, env: gym.Env[Any, Any], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.env, self.h, self.device = env, h, call.device
        self.Q = tap("q_net", q_network(env, h).to(call.device))
        self.Q_hat = q_network(env, h).to(call.device)
        self.Q_hat.load_state_dict(self.Q.state_dict())
        self.Q_hat = tap("target_net", self.Q_hat)
        self.D = ReplayMemory(h, env.observation_space)
        self.optimiser = torch.optim.Adam(self.Q.parameters(), lr=learning_rate(h, progress=0.0))

    def phi(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        space = self.env.observation_space
        if isinstance(space, gym.spaces.Discrete):
            return F.one_hot(obs.long() - int(space.start), int(space.n)).float()
        flat = obs.float().flatten(start_dim=1)
        return flat / 255 if is_image(space) else flat

    @torch.no_grad()
    def act(self, obs: Observation, epsilon: float) -> int:
        """Return a uniformly random action with probability epsilon, else argmax_a Q(phi, a)."""
        if self.rng.random() < epsilon:
            return int(self.rng.integers(n_actions(self.env)))
        batch_of_one = torch.as_tensor(np.asarray(obs)[np.newaxis], device=self.device)
        return int(self.Q(self.phi(batch_of_one)).argmax())

    def step(self, obs: Observation, epsilon: float) -> Observation:
        """Make one env step from `obs`, store the transition, return the next observation."""
        obs = tap("obs", np.array(obs))  # a copy: an environment may overwrite what it returned
        action = tap("action", self.act(obs, epsilon))
        next_obs, reward, terminated, truncated, _ = self.env.step(action)
        next_obs = np.array(next_obs)
        transition = {
            "obs": obs,
            "action": action,
            "reward": reward,
            "next_obs": next_obs,
            "terminated": terminated,
        }
        self.D.store(tap("transition", transition), is_over=terminated or truncated)
        following: Observation = self.env.reset()[0] if terminated or truncated else next_obs
        return following

    def update(self) -> None:
        """Take one gradient step on the Huber loss of y - Q(phi, a) over a minibatch from D."""
        batch = tap("batch", self.D.sample(self.h.batch_size, rng=self.rng, device=self.device))
        with torch.no_grad():
            max_q_hat = self.Q_hat(self.phi(batch["next_obs"])).max(dim=1).values
            y = (
                batch["rewards"] + batch["discounts"] * (1 - batch["terminated"]) * max_q_hat
            )  # (B,)
        y = tap("td_target", y)
        q = self.Q(self.phi(batch["obs"])).gather(1, batch["actions"][:, None]).squeeze(1)  # (B,)
        q = tap("q_values", q)

        loss = tap("loss", F.smooth_l1_loss(q, y))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.Q.parameters(), self.h.max_grad_norm)
        self.optimiser.step()

    @torch.no_grad()
    def synchronise(self) -> None:
        """Move Q_hat towards Q: Q_hat <- tau Q + (1 - tau) Q_hat."""
        for theta, theta_hat in zip(self.Q.parameters(), self.Q_hat.parameters(), strict=True):
            theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    T = call.total_timesteps
    env = call.make_env()
    agent = DQN(env, h, call)
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
            for group in agent.optimiser.param_groups:
                group["lr"] = learning_rate(h, progress=t / T)
            for _ in range(h.gradient_steps if h.gradient_steps >= 0 else h.train_freq):
                agent.update()
    env.close()


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


def q_network(env: gym.Env[Any, Any], h: Hyperparameters) -> nn.Sequential:
    """Return a network from phi to one value per action, ReLU between layers."""
    space, net_arch = env.observation_space, h.net_arch
    n_inputs = (
        int(space.n) if isinstance(space, gym.spaces.Discrete) else int(np.prod(space.shape or ()))
    )
    layers: list[nn.Module] = []
    if h.policy == "CnnPolicy":
        layers, n_inputs = convolutions(space), 512
    widths = [n_inputs, *net_arch, n_actions(env)]
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])  # no ReLU on the values


def convolutions(space: gym.Space[Any]) -> list[nn.Module]:
    """Return the paper's layers, from (B, C * H * W) to (B, 512)."""
    n_in, *size = (space.shape or ()) if is_image(space) else (0, 0, 0)
    if n_in > min(size) or min(size) < 36:
        refuse("policy", "CnnPolicy", "expected images (C, H, W) of bytes, of 36 by 36 or more")
    layers: list[nn.Module] = [nn.Unflatten(1, (n_in, *size))]
    for n_out, width, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
        layers += [nn.Conv2d(n_in, n_out, width, stride), nn.ReLU()]
        n_in, size = n_out, [(pixels - width) // stride + 1 for pixels in size]
    return [*layers, nn.Flatten(), nn.Linear(n_in * size[0] * size[1], 512), nn.ReLU()]


def n_actions(env: gym.Env[Any, Any]) -> int:
    """Return the number of actions; DQN needs them to be finitely many."""
    if isinstance(env.action_space, gym.spaces.Discrete):
        return int(env.action_space.n)
    message = f"DQN needs a Discrete action space, saw {env.action_space}"
    raise TypeError(message)


def is_image(space: gym.Space[Any]) -> bool:
    """Return whether observations are images of bytes; SB3 divides those by 255, and no others."""
    return isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


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
