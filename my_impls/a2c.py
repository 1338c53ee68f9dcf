"""Advantage Actor-Critic, from scratch: Mnih et al. 2016, arXiv 1602.01783, Algorithm S3.

The paper's workers learn asynchronously (A3C). Here, as in OpenAI's and all later versions, the N
environments wait for each other: each makes t_max steps, then one gradient step uses all of them.
The names are the paper's: pi(a | s; theta) is the policy, V(s; theta_v) the value function, R the
return that V is to learn, A = R - V(s) the advantage, H the entropy, beta its weight, eta the
learning rate. Hyperparameters have the names of stable-baselines3 (SB3). Details that matter:

1. Every step of the rollout is used once, in one gradient step, of the policy that made it.
2. A is a number: no gradient of the policy's loss reaches V through it. V's own loss is the mean
   squared error, without 1/2, weighted by `vf_coef`.
3. R sums rewards to the end of the rollout and adds the discounted V of what follows it. With
   `gae_lambda` < 1 A is a generalised estimate (Schulman et al. 2016, arXiv 1506.02438), R = A + V.
4. Terminated is not truncated: at a time limit the future would go on, so gamma V(last
   observation) is added to the reward. Both cut the recursion of the advantages.
5. Dimensions of an action are independent given s. Those of a Box are clipped for the env alone.
6. RMSprop decays by 0.99 and has eps 1e-5. PyTorch adds eps to the root and starts the mean of
   squares at 0; TensorFlow puts eps under the root, as the paper's (8), and starts at 1. First
   steps differ tenfold and more: RMSpropTFLike below is the latter.
7. One optimiser and one gradient norm serve both networks. Adam, where asked for, has eps 1e-5.
8. eta is read after each rollout, for the step to come: X (1 - t / total_timesteps) of "lin_X". So
   X itself is never used, the last step has 0, and one that overruns the run less than 0.
9. Weights start orthogonal with gain sqrt(2), but 0.01 in the last layer of pi and 1 in that of V,
   biases at 0; so does log_std of a Box, one number per dimension. tanh follows hidden layers.
10. Environment i is seeded with seed + i, at its first reset only; later ones continue.
11. `norm_obs`, `norm_reward`: the scales are those of all environments' steps so far, this one
    counted. Rewards are not centred; an episode's sum starts from 0 after its end was counted.

SB3, and so this file, departs from the paper: synchronous steps; theta and theta_v share no layer
(there all but the last); gradients are clipped; advantages may be normalised; log_std depends on no
state; 4, 6, 7, 9; eta is constant by default. SB3 departs from this file by shuffling the rollout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """SB3's names and defaults (stable_baselines3/a2c/a2c.py, 2.9)."""

    learning_rate: float | str = 7e-4  # eta: a number, or "lin_X": X falling linearly to 0
    n_steps: int = 5  # t_max
    gamma: float = 0.99
    gae_lambda: float = 1.0
    ent_coef: float = 0.0  # beta
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    rms_prop_eps: float = 1e-5
    use_rms_prop: bool = True
    optimizer_class: str | None = None  # "RMSpropTFLike", or as use_rms_prop says
    normalize_advantage: bool = False
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (64, 64)  # or of "pi" and of "vf"
    ortho_init: bool = True
    norm_obs: bool = False
    norm_reward: bool = False
    clip_obs: float = 10.0
    clip_reward: float = 10.0
    norm_epsilon: float = 1e-8


class ActorCritic(nn.Module):
    """pi and V: two networks that see the same observations, and log_std for a Box."""

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
        """Return pi(. | s), over whole numbers (B,) or over vectors (B, A)."""
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


class RMSpropTFLike(torch.optim.Optimizer):
    """The paper's (8): g = alpha g + (1 - alpha) d^2 from 1 on, theta -= eta d / sqrt(g + eps)."""

    def __init__(self, parameters: Iterable[Tensor], eps: float, alpha: float = 0.99) -> None:
        super().__init__(parameters, {"lr": 0.0, "alpha": alpha, "eps": eps})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step along the gradients that backward has left."""
        for group in self.param_groups:
            for theta in (theta for theta in group["params"] if theta.grad is not None):
                d, g = theta.grad, self.state[theta].setdefault("g", torch.ones_like(theta))
                g.mul_(group["alpha"]).addcmul_(d, d, value=1 - group["alpha"])
                theta.addcdiv_(d, (g + group["eps"]).sqrt(), value=-group["lr"])


class Rollout:
    """t_max steps of N environments and what was thought of them; arrays are (t_max, N, ...)."""

    def __init__(self, t_max: int, N: int, env: Env) -> None:
        space, actions = env.observation_space, env.action_space.shape
        self.obs = np.zeros((t_max, N, *(space.shape or ())), space.dtype)
        self.actions = np.zeros((t_max, N, *([np.prod(actions)] if actions else [])), np.float32)
        self.rewards, self.advantages, self.returns = np.zeros((3, t_max, N), np.float32)
        self.values, self.episode_starts = np.zeros((2, t_max + 1, N), np.float32)  # and after


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


class A2C:
    """The environments, theta, theta_v and their optimiser, and what is done to them."""

    def __init__(self, envs: list[Env], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        self.theta = tap("policy", ActorCritic(envs[0], h).to(call.device))
        self.optimiser = optimiser(h, self.theta.parameters())
        self.scales = Normaliser(envs, h)
        first = [env.reset(seed=call.seed + i)[0] for i, env in enumerate(envs)]
        self.obs = self.scales.observed(self.stacked(first))
        self.episode_start = np.ones(len(envs), dtype=bool)

    def stacked(self, observations: list[Any]) -> Array:
        """Return one observation per environment as one array, (N, ...)."""
        return np.array(observations, self.envs[0].observation_space.dtype)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Make t_max steps with pi in every environment, and judge them: A and R."""
        h, D = self.h, Rollout(self.h.n_steps, len(self.envs), self.envs[0])
        for t in range(h.n_steps):
            self.obs = tap("obs", self.obs)
            obs = torch.as_tensor(self.obs, device=self.device)
            D.values[t] = tap("value", self.theta.V(obs)).cpu()
            action = tap("action", self.theta.policy(obs).sample())
            made = {"obs": self.obs, "action": action.cpu().numpy()}
            made |= {"episode_start": self.episode_start, "reward": self.step(made["action"])}
            made = tap("transition", made)
            D.obs[t], D.actions[t] = made["obs"], made["action"]
            D.rewards[t], D.episode_starts[t] = made["reward"], made["episode_start"]
        following = torch.as_tensor(self.obs, device=self.device)
        D.values[-1] = tap("last_value", self.theta.V(following)).cpu()
        D.episode_starts[-1] = self.episode_start
        D.advantages = tap("advantages", advantages(D, gamma=h.gamma, gae_lambda=h.gae_lambda))
        D.returns = tap("returns", D.advantages + D.values[:-1])
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
        """Take one gradient step on the whole rollout; `progress` is the share of the run."""
        eta = tap("learning_rate", scheduled(self.h.learning_rate, progress=progress))
        for group in self.optimiser.param_groups:
            group["lr"] = eta
        loss = self.loss(self.minibatch(D))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.theta.parameters(), self.h.max_grad_norm)
        self.optimiser.step()

    def minibatch(self, D: Rollout) -> dict[str, Tensor]:
        """Return all t_max * N steps, each once; in which order is of no consequence."""
        step, env = np.indices(D.rewards.shape).reshape(2, -1)
        rows = tap("rows", {"step": step, "env": env})
        names = ("obs", "actions", "advantages", "returns")
        arrays = {name: getattr(D, name)[rows["step"], rows["env"]] for name in names}
        return {name: torch.as_tensor(x, device=self.device) for name, x in arrays.items()}

    def loss(self, minibatch: dict[str, Tensor]) -> Tensor:
        """Return -(A log pi(a | s; theta) + beta H) + vf_coef (R - V(s; theta_v))^2, a mean."""
        h, b = self.h, tap("minibatch", minibatch)
        V = tap("new_values", self.theta.V(b["obs"]))
        pi = self.theta.policy(b["obs"])
        log_pi = tap("new_log_prob", pi.log_prob(b["actions"]))
        H, A = tap("entropy", pi.entropy()), b["advantages"]
        if h.normalize_advantage:
            A = tap("normalized_advantages", (A - A.mean()) / (A.std() + 1e-8))
        policy_loss = tap("policy_loss", -(A * log_pi).mean())
        value_loss = tap("value_loss", F.mse_loss(V, b["returns"]))
        entropy_loss = tap("entropy_loss", -H.mean())
        return tap("loss", policy_loss + h.ent_coef * entropy_loss + h.vf_coef * value_loss)


def side(call: Call) -> None:
    """Train once, as the harness asks for it: Algorithm S3 with N environments in step."""
    h = hyperparameters_of(call)
    envs = [call.make_env() for _ in range(call.n_envs)]
    agent = A2C(envs, h, call)
    t = 0
    while t < call.total_timesteps:
        rollout = agent.collect()
        t += h.n_steps * call.n_envs
        agent.improve(rollout, progress=t / call.total_timesteps)
    for env in envs:
        env.close()


def advantages(D: Rollout, *, gamma: float, gae_lambda: float) -> Array:
    """Return A_t = delta_t + gamma lambda A_(t+1), (t_max, N), cut where an episode ends."""
    A, A_next = np.zeros_like(D.rewards), np.zeros_like(D.rewards[0])
    for t in reversed(range(len(A))):
        goes_on = 1 - D.episode_starts[t + 1]
        delta = D.rewards[t] + gamma * D.values[t + 1] * goes_on - D.values[t]
        A[t] = A_next = delta + gamma * gae_lambda * goes_on * A_next
    return A


def optimiser(h: Hyperparameters, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return what takes the steps; its learning rate is set before each of them."""
    if h.optimizer_class is not None:
        return RMSpropTFLike(parameters, h.rms_prop_eps)
    if h.use_rms_prop:
        return torch.optim.RMSprop(parameters, eps=h.rms_prop_eps)  # its alpha is 0.99
    return torch.optim.Adam(parameters, eps=1e-5)


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
    name, eta = "learning_rate", values.get("learning_rate")
    if isinstance(eta, str) and not eta.startswith("lin_"):
        raise UnsupportedHyperparameter(name, eta, "expected a number or 'lin_X'")
    name, rule = "optimizer_class", values.get("optimizer_class")
    if rule not in (None, RMSpropTFLike.__name__):
        raise UnsupportedHyperparameter(name, rule, f"expected {RMSpropTFLike.__name__}")
    name, arch = "net_arch", values.get("net_arch", ())
    if isinstance(arch, Mapping) and set(arch) != {"pi", "vf"}:
        raise UnsupportedHyperparameter(name, arch, "expected a list, or lists of pi and vf")
    return Hyperparameters(**values)
