"""Proximal Policy Optimisation, from scratch: Schulman et al. 2017, arXiv 1707.06347, Algorithm 1.

The names are the paper's: pi_theta is the policy, V the value function, A the advantages (by GAE,
Schulman et al. 2016, arXiv 1506.02438), r the ratio pi_theta / pi_theta_old, epsilon the clip
range, c1 and c2 the weights of value loss and entropy bonus S. N environments make T steps each, K
epochs pass over them in minibatches of M. Hyperparameters have stable-baselines3's (SB3's) names.
Details that matter, most of them silent when wrong:

1. Rounds are whole rollouts, so a run may be longer than `total_timesteps`.
2. pi_theta and V share no layer; tanh follows hidden layers. Weights start orthogonal, with gain
   sqrt(2), 0.01 in the last layer of pi_theta, 1 in that of V; biases and a Box's log_std at 0.
3. Dimensions of an action are independent given s. Those of a Box are clipped for the env alone.
4. Terminated is not truncated: at a time limit the future would go on, so gamma V(last
   observation) is added to the reward. Both cut the recursion of the advantages.
5. The returns (V_targ) are A + V with the advantages as they are; normalisation comes later.
6. Each epoch draws its own order of all T * N steps; the last minibatch may be smaller than M.
7. Advantages get mean 0 and deviation 1 (with n - 1) in each minibatch anew, one step alone not.
8. The ratio is against the log-probabilities stored in the rollout, in all K epochs.
9. The value loss is the mean squared error, without 1/2. With `clip_range_vf` it sees V clipped
   around the stored value; there is no maximum with the unclipped loss.
10. A minibatch of approximate divergence above 1.5 `target_kl` ends the round, before its step.
11. Adam has eps 1e-5 (PyTorch: 1e-8). One optimiser and one gradient norm serve both networks.
12. Schedules are read after each rollout, for the round to come: X (1 - t / total_timesteps). So
   X itself is never used, the last round has 0, and one that overruns the run less than 0.
13. Environment i is seeded with seed + i, at its first reset only; later ones continue.
14. `norm_obs`, `norm_reward`: the scales are those of all environments' steps so far, this one
    counted. Rewards are not centred; an episode's sum starts from 0 after its end was counted.
15. SB3 2.9 does all of this; that it flattens rollouts environment by environment has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal
from torch.nn import functional as F

from harness.side import Call, UnsupportedHyperparameter
from harness.tap import tap

Array = np.ndarray[Any, Any]
Env = gym.Env[Any, Any]


@dataclass(frozen=True)
class Hyperparameters:
    """SB3's names and defaults (stable_baselines3/ppo/ppo.py, 2.9)."""

    learning_rate: float | str = 3e-4  # a number, or "lin_X": X falling linearly to 0
    n_steps: int = 2048  # T
    batch_size: int = 64  # M
    n_epochs: int = 10  # K
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float | str = 0.2  # epsilon
    clip_range_vf: float | str | None = None
    normalize_advantage: bool = True
    ent_coef: float = 0.0  # c2
    vf_coef: float = 0.5  # c1
    max_grad_norm: float = 0.5
    target_kl: float | None = None
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (64, 64)  # or of "pi" and of "vf"
    ortho_init: bool = True
    norm_obs: bool = False
    norm_reward: bool = False
    clip_obs: float = 10.0
    clip_reward: float = 10.0
    norm_epsilon: float = 1e-8


class ActorCritic(nn.Module):
    """pi_theta and V: two networks that see the same observations, and log_std for a Box."""

    def __init__(self, env: Env, h: Hyperparameters) -> None:
        super().__init__()
        self.observation_space, self.action_space = env.observation_space, env.action_space
        n_inputs = gym.spaces.flatdim(env.observation_space)
        n_outputs = gym.spaces.flatdim(env.action_space)  # a Discrete space: one per action
        arch = h.net_arch
        pi, vf = (arch["pi"], arch["vf"]) if isinstance(arch, Mapping) else (arch, arch)
        self.pi = network([n_inputs, *pi, n_outputs], last_gain=0.01 if h.ortho_init else None)
        self.v = network([n_inputs, *vf, 1], last_gain=1.0 if h.ortho_init else None)
        if isinstance(env.action_space, gym.spaces.Box):
            self.log_std = nn.Parameter(torch.zeros(n_outputs))

    def phi(self, obs: Tensor) -> Tensor:
        """Return what the networks see, (B, n_inputs) float32: one-hot, shares of 255, or flat."""
        if isinstance(self.observation_space, gym.spaces.Discrete):
            return F.one_hot(obs.long(), int(self.observation_space.n)).float()
        is_image = obs.dtype == torch.uint8 and obs.dim() == 4
        return obs.float().flatten(start_dim=1) / (255 if is_image else 1)  # as SB3 does

    def policy(self, obs: Tensor) -> Distribution:
        """Return pi_theta(. | s), over whole numbers (B,) or over vectors (B, A)."""
        outputs, space = self.pi(self.phi(obs)), self.action_space
        if isinstance(space, gym.spaces.Discrete):
            return Categorical(logits=outputs, validate_args=False)
        each: Distribution = Bernoulli(logits=outputs, validate_args=False)
        if isinstance(space, gym.spaces.MultiDiscrete):
            each = Categorical(logits=apart(outputs, space.nvec.tolist()), validate_args=False)
        elif isinstance(space, gym.spaces.Box):
            each = Normal(outputs, self.log_std.exp().expand_as(outputs), validate_args=False)
        return Independent(each, 1, validate_args=False)  # log-probabilities are summed over A

    def V(self, obs: Tensor) -> Tensor:
        """Return the value of every state, (B,)."""
        return self.v(self.phi(obs)).squeeze(1)  # type: ignore[no-any-return]


class Rollout:
    """T steps of N environments with what was thought of them then; arrays are (T, N, ...)."""

    def __init__(self, T: int, N: int, env: Env) -> None:
        space, actions = env.observation_space, env.action_space.shape
        self.obs = np.zeros((T, N, *(space.shape or ())), space.dtype)
        self.actions = np.zeros((T, N, *([np.prod(actions)] if actions else [])), np.float32)
        self.rewards, self.old_log_prob = np.zeros((2, T, N), np.float32)
        self.advantages, self.returns = np.zeros((2, T, N), np.float32)
        self.old_values, self.episode_starts = np.zeros((2, T + 1, N), np.float32)  # and after


class Moments(NamedTuple):
    """Number, mean and variance of rows; nothing seen yet is 1e-4 rows of mean 0 and variance 1."""

    n: float
    mean: Array
    var: Array

    def and_of(self, rows: Array) -> Moments:
        """Return the moments of all rows together (Chan et al. 1979), variances with n."""
        new, delta = len(rows), rows.mean(axis=0) - self.mean
        n = self.n + new
        between = delta**2 * self.n * new / n
        var = (self.var * self.n + rows.var(axis=0) * new + between) / n
        return Moments(n, self.mean + delta * new / n, var)


class Normaliser:
    """Running scales of observations and rewards, where asked for: SB3's VecNormalize."""

    def __init__(self, envs: list[Env], h: Hyperparameters) -> None:
        space, name = envs[0].observation_space, "norm_obs"
        if h.norm_obs and not np.issubdtype(space.dtype, np.floating):
            raise UnsupportedHyperparameter(name, True, "expected observations of float numbers")
        self.h, shape = h, space.shape or ()
        self.of_obs = Moments(1e-4, np.zeros(shape), np.ones(shape))
        self.of_sums = Moments(1e-4, np.zeros(()), np.ones(()))
        self.sums = np.zeros(len(envs))  # of the episode's rewards, earlier ones discounted

    def observed(self, obs: Array) -> Array:
        """Count what all environments show, (N, ...), and return it scaled."""
        if not self.h.norm_obs:
            return obs
        self.of_obs = tap("obs_statistics", self.of_obs.and_of(obs))
        return tap("normalized_obs", self.scaled(obs))

    def last(self, obs: Array) -> Array:
        """Return the last observation of an episode scaled as the others; it is not counted."""
        return tap("normalized_last_obs", self.scaled(obs)) if self.h.norm_obs else obs

    def scaled(self, obs: Array) -> Array:
        """Return observations of about mean 0 and deviation 1, clipped."""
        _, mean, var = self.of_obs
        scaled = (obs - mean) / np.sqrt(var + self.h.norm_epsilon)
        return np.clip(scaled, -self.h.clip_obs, self.h.clip_obs).astype(np.float32)

    def paid(self, rewards: Array, starts: Array) -> Array:
        """Return rewards (N,) in units of the deviation of their discounted sums, clipped."""
        h = self.h
        if not h.norm_reward:
            return rewards
        self.sums = h.gamma * np.where(starts, 0.0, self.sums) + rewards
        self.sums = tap("discounted_returns", self.sums)
        self.of_sums = tap("return_statistics", self.of_sums.and_of(self.sums))
        scaled = rewards / np.sqrt(self.of_sums.var + h.norm_epsilon)
        scaled = tap("normalized_reward", np.clip(scaled, -h.clip_reward, h.clip_reward))
        return scaled.astype(np.float32)


class PPO:
    """The environments, theta and the optimiser of one run, and what is done to them."""

    def __init__(self, envs: list[Env], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        self.theta = tap("policy", ActorCritic(envs[0], h).to(call.device))
        self.optimiser = torch.optim.Adam(self.theta.parameters(), eps=1e-5)
        self.scales = Normaliser(envs, h)
        first = [env.reset(seed=call.seed + i)[0] for i, env in enumerate(envs)]
        self.obs = self.scales.observed(self.stacked(first))
        self.episode_start = np.ones(len(envs), dtype=bool)

    def stacked(self, observations: list[Any]) -> Array:
        """Return one observation per environment as one array, (N, ...)."""
        return np.array(observations, self.envs[0].observation_space.dtype)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Make T steps with pi_theta in every environment, and judge them: A and V_targ."""
        h, D = self.h, Rollout(self.h.n_steps, len(self.envs), self.envs[0])
        for t in range(h.n_steps):
            self.obs = tap("obs", self.obs)
            obs = torch.as_tensor(self.obs, device=self.device)
            value = tap("value", self.theta.V(obs))
            pi = self.theta.policy(obs)
            action = tap("action", pi.sample())
            log_prob = tap("log_prob", pi.log_prob(action))
            D.old_values[t], D.old_log_prob[t] = value.cpu(), log_prob.cpu()
            made = {"obs": self.obs, "action": action.cpu().numpy()}
            made |= {"episode_start": self.episode_start, "reward": self.step(made["action"])}
            made = tap("transition", made)
            D.obs[t], D.actions[t] = made["obs"], made["action"]
            D.rewards[t], D.episode_starts[t] = made["reward"], made["episode_start"]
        following = torch.as_tensor(self.obs, device=self.device)
        D.old_values[-1] = tap("last_value", self.theta.V(following)).cpu()
        D.episode_starts[-1] = self.episode_start
        D.advantages = tap("advantages", advantages(D, gamma=h.gamma, gae_lambda=h.gae_lambda))
        D.returns = tap("returns", D.advantages + D.old_values[:-1])
        return D

    def step(self, action: Array) -> Array:
        """Make one step in every environment; return the rewards (N,) that are to be stored."""
        space = self.envs[0].action_space
        action = action.reshape(-1, *(space.shape or ())).astype(space.dtype)
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
        rewards = self.scales.paid(rewards, self.episode_start)
        self.obs, self.episode_start = self.scales.observed(self.stacked(following)), done
        for i, last_obs in cut_off.items():
            last = torch.as_tensor(self.scales.last(self.stacked([last_obs])), device=self.device)
            rewards[i] += self.h.gamma * float(tap("terminal_value", self.theta.V(last)))
        return rewards

    def improve(self, D: Rollout, *, progress: float) -> None:
        """Take K epochs of gradient steps on the rollout; `progress` is the share of the run."""
        h = self.h
        rate = tap("learning_rate", scheduled(h.learning_rate, progress=progress))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        epsilon = tap("clip_range", scheduled(h.clip_range, progress=progress))
        vf = h.clip_range_vf
        epsilon_vf = None if vf is None else scheduled(vf, progress=progress)
        for minibatch in self.minibatches(D):
            loss, kl = self.loss(minibatch, epsilon, epsilon_vf)
            if h.target_kl is not None and kl > 1.5 * h.target_kl:
                return
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.theta.parameters(), h.max_grad_norm)
            self.optimiser.step()

    def minibatches(self, D: Rollout) -> Iterator[dict[str, Tensor]]:
        """Yield the T * N steps in minibatches of M, in an order of its own for each epoch."""
        T, N = D.rewards.shape
        names = ("obs", "actions", "old_log_prob", "old_values", "advantages", "returns")
        arrays = {name: torch.as_tensor(getattr(D, name)[:T]).to(self.device) for name in names}
        steps = {name: array.flatten(0, 1) for name, array in arrays.items()}  # (T * N, ...)
        for _ in range(self.h.n_epochs):
            order = self.rng.permutation(T * N)
            for start in range(0, T * N, self.h.batch_size):
                chosen = order[start : start + self.h.batch_size]
                rows = tap("rows", {"step": chosen // N, "env": chosen % N})
                places = torch.as_tensor(rows["step"] * N + rows["env"], device=self.device)
                yield {name: x[places] for name, x in steps.items()}

    def loss(
        self, minibatch: dict[str, Tensor], epsilon: float, epsilon_vf: float | None
    ) -> tuple[Tensor, float]:
        """Return -(L_CLIP - c1 L_VF + c2 S), and the approximate divergence of pi from pi_old."""
        h, b = self.h, tap("minibatch", minibatch)
        v = tap("new_values", self.theta.V(b["obs"]))
        pi = self.theta.policy(b["obs"])
        log_prob = tap("new_log_prob", pi.log_prob(b["actions"]))
        S = tap("entropy", pi.entropy())
        A = b["advantages"]
        if h.normalize_advantage and len(A) > 1:
            A = tap("normalized_advantages", (A - A.mean()) / (A.std() + 1e-8))
        log_r = log_prob - b["old_log_prob"]
        r = tap("ratio", log_r.exp())
        l_clip = torch.min(r * A, r.clamp(1 - epsilon, 1 + epsilon) * A)
        policy_loss = tap("policy_loss", -l_clip.mean())
        if epsilon_vf is not None:
            v = b["old_values"] + (v - b["old_values"]).clamp(-epsilon_vf, epsilon_vf)
        value_loss = tap("value_loss", F.mse_loss(v, b["returns"]))
        entropy_loss = tap("entropy_loss", -S.mean())
        loss = policy_loss + h.ent_coef * entropy_loss + h.vf_coef * value_loss
        kl = tap("approx_kl", (r - 1 - log_r).detach().mean())
        return tap("loss", loss), float(kl)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm 1."""
    h = hyperparameters_of(call)
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = PPO(envs, h, call)
    t = 0
    while t < call.total_timesteps:
        rollout = agent.collect()
        t += h.n_steps * call.n_envs
        agent.improve(rollout, progress=t / call.total_timesteps)
    for env in envs:
        env.close()


def advantages(D: Rollout, *, gamma: float, gae_lambda: float) -> Array:
    """Return A_t = delta_t + gamma lambda A_(t+1), (T, N), cut where an episode ends."""
    A, A_next = np.zeros_like(D.rewards), np.zeros_like(D.rewards[0])
    for t in reversed(range(len(A))):
        goes_on = 1 - D.episode_starts[t + 1]
        delta = D.rewards[t] + gamma * D.old_values[t + 1] * goes_on - D.old_values[t]
        A[t] = A_next = delta + gamma * gae_lambda * goes_on * A_next
    return A


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


def apart(logits: Tensor, sizes: list[int]) -> Tensor:
    """Return (B, A, largest size) logits of A choices that lay side by side; -inf is no choice."""
    parts, widest = logits.split(sizes, dim=1), max(sizes)  # type: ignore[no-untyped-call]
    return torch.stack([F.pad(x, (0, widest - x.shape[1]), value=-torch.inf) for x in parts], 1)


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    for name in ("learning_rate", "clip_range", "clip_range_vf"):
        value = values.get(name)
        if isinstance(value, str) and not value.startswith("lin_"):
            raise UnsupportedHyperparameter(name, value, "expected a number or 'lin_X'")
    name, arch = "net_arch", values.get("net_arch", ())
    if isinstance(arch, Mapping) and set(arch) != {"pi", "vf"}:
        raise UnsupportedHyperparameter(name, arch, "expected a list, or lists of pi and vf")
    return Hyperparameters(**values)
