"""Trust Region Policy Optimisation, from scratch: Schulman et al. 2015, arXiv 1502.05477, App. C.

The policy takes the longest step, along the natural gradient, that keeps it near the old one. The
names are the paper's: pi(a | s; theta) is the policy, L the surrogate objective, g its gradient, F
the Fisher matrix (the Hessian of the divergence), s the search direction, beta the step's length,
delta its limit; V is the value function, A the advantage. Hyperparameters have the names of
stable-baselines3 and sb3-contrib. Details that matter, most of them silent when wrong:

1. L is the mean of (pi / pi_old) A. Before the step the ratio is 1, but its gradient is that of
   log pi. L is to grow: the step is along +s.
2. F is never built: F x is the gradient of (gradient of the divergence) . x. The divergence is
   taken where it is 0, so old policy and gradient are separate: one constant, one with a graph.
3. Conjugate gradients solve (F + damping) s = g, `cg_max_steps` times, or until the squared
   residual is below 1e-10. They start from a random point near 0 (deviation 1e-4).
4. beta = sqrt(2 delta / s (F + damping) s): the damping counts here too.
5. The line search tries beta s, then shrinks it. The first candidate with a divergence below delta
   and an L above the old one is taken; if there is none, theta stays exactly what it was.
6. The divergence is KL(pi_new || pi_old), the paper's is KL(pi_old || pi_new); their Hessians at
   pi_old agree. It is a mean over steps AND over the dimensions of a Box or of several switches,
   where the divergence of a product is their sum: delta is then per dimension.
7. Only the policy takes part in the step: its layers and log_std of a Box, not V.
8. Advantages are normalised over what the policy learns from: the whole rollout, or with
   `sub_sampling_factor` k every k-th step of the shuffled rollout.
9. V learns afterwards: `n_critic_updates` epochs of minibatches of the whole rollout, shuffled
   anew, with Adam (eps 1e-5) on the mean squared error. The last minibatch may be smaller.
10. Terminated is not truncated: at a time limit gamma V(last observation) is added to the reward.
    Both cut the recursion of the advantages; V's targets are advantages + values.
11. The learning rate is V's alone, read after each rollout ("lin_X": X (1 - t / total_timesteps)).
12. Actions of a Box are clipped for the environment alone. Weights start orthogonal with gain
    sqrt(2), but 0.01 and 1 in the last layers of pi and V, biases and log_std at 0; tanh follows
    hidden layers. Environment i is seeded with seed + i, once.

All are as in sb3-contrib 2.9, which departs from the paper in 3 (the start), 6, 8, 9 (the paper has
Q from roll-outs) and 10. It takes several choices per action too, whose divergences it sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Normal, kl_divergence
from torch.nn import functional as F

from harness.side import Call, UnsupportedHyperparameter
from harness.tap import tap

Array = np.ndarray[Any, Any]
Env = gym.Env[Any, Any]

START_DEVIATION = 1e-4  # of where the conjugate gradients start
RESIDUAL = 1e-10  # squared length of a residual that is none


@dataclass(frozen=True)
class Hyperparameters:
    """sb3-contrib's names and defaults (sb3_contrib/trpo/trpo.py, 2.9)."""

    learning_rate: float | str = 1e-3  # of V: a number, or "lin_X": X falling linearly to 0
    n_steps: int = 2048
    batch_size: int = 128  # of V
    gamma: float = 0.99
    cg_max_steps: int = 15
    cg_damping: float = 0.1
    line_search_shrinking_factor: float = 0.8
    line_search_max_iter: int = 10
    n_critic_updates: int = 10
    gae_lambda: float = 0.95
    normalize_advantage: bool = True
    target_kl: float = 0.01  # delta
    sub_sampling_factor: int = 1
    net_arch: Sequence[int] | Mapping[str, Sequence[int]] = (64, 64)  # or of "pi" and of "vf"
    ortho_init: bool = True


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
        """Return pi(. | s), over whole numbers (B,), or over each dimension apart, (B, A)."""
        outputs = self.pi(self.phi(obs))
        if isinstance(self.action_space, gym.spaces.Discrete):
            return Categorical(logits=outputs, validate_args=False)
        if isinstance(self.action_space, gym.spaces.MultiBinary):
            return Bernoulli(logits=outputs, validate_args=False)
        return Normal(outputs, self.log_std.exp().expand_as(outputs), validate_args=False)

    def V(self, obs: Tensor) -> Tensor:
        """Return the value of every state, (B,)."""
        return self.v(self.phi(obs)).squeeze(1)  # type: ignore[no-any-return]

    @property
    def theta(self) -> list[nn.Parameter]:
        """What the policy is made of: log_std first, then the layers."""
        return [p for name, p in self.named_parameters() if not name.startswith("v.")]


class Rollout:
    """n_steps of N environments and what was thought of them; arrays are (n_steps, N, ...)."""

    def __init__(self, n_steps: int, N: int, env: Env) -> None:
        space, actions = env.observation_space, env.action_space.shape
        self.obs = np.zeros((n_steps, N, *(space.shape or ())), space.dtype)
        self.actions = np.zeros((n_steps, N, *([np.prod(actions)] if actions else [])), np.float32)
        self.rewards, self.old_log_prob = np.zeros((2, n_steps, N), np.float32)
        self.advantages, self.returns = np.zeros((2, n_steps, N), np.float32)
        self.values, self.episode_starts = np.zeros((2, n_steps + 1, N), np.float32)  # and after

    def shuffled(self, rng: np.random.Generator) -> dict[str, Array]:
        """Return the steps and environments of all rows in a random order."""
        step, env = np.indices(self.rewards.shape).reshape(2, -1)
        order = rng.permutation(len(step))
        return {"step": step[order], "env": env[order]}


class TRPO:
    """The environments, pi, V and its optimiser of one run, and what is done to them."""

    def __init__(self, envs: list[Env], h: Hyperparameters, call: Call) -> None:
        torch.manual_seed(call.seed)
        self.rng = np.random.default_rng(call.seed)
        self.envs, self.h, self.device = envs, h, call.device
        self.net = tap("policy", ActorCritic(envs[0], h).to(call.device))
        self.optimiser = torch.optim.Adam(self.net.v.parameters(), eps=1e-5)
        self.obs = self.stacked([env.reset(seed=call.seed + i)[0] for i, env in enumerate(envs)])
        self.episode_start = np.ones(len(envs), dtype=bool)

    def stacked(self, observations: list[Any]) -> Array:
        """Return one observation per environment as one array, (N, ...)."""
        return np.array(observations, self.envs[0].observation_space.dtype)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Make n_steps with pi in every environment, and judge them."""
        h, D = self.h, Rollout(self.h.n_steps, len(self.envs), self.envs[0])
        for t in range(h.n_steps):
            self.obs = tap("obs", self.obs)
            obs = torch.as_tensor(self.obs, device=self.device)
            D.values[t] = tap("value", self.net.V(obs)).cpu()
            pi = self.net.policy(obs)
            action = tap("action", pi.sample())
            D.old_log_prob[t] = tap("log_prob", log_density(pi, action)).cpu()
            made = {"obs": self.obs, "action": action.cpu().numpy()}
            made |= {"episode_start": self.episode_start, "reward": self.step(made["action"])}
            made = tap("transition", made)
            D.obs[t], D.actions[t] = made["obs"], made["action"]
            D.rewards[t], D.episode_starts[t] = made["reward"], made["episode_start"]
        following = torch.as_tensor(self.obs, device=self.device)
        D.values[-1] = tap("last_value", self.net.V(following)).cpu()
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
        for i, last_obs in cut_off.items():
            last = torch.as_tensor(self.stacked([last_obs]), device=self.device)
            rewards[i] += self.h.gamma * float(tap("terminal_value", self.net.V(last)))
        self.obs, self.episode_start = self.stacked(following), done
        return rewards

    def improve_policy(self, D: Rollout) -> None:
        """Take one natural-gradient step of the longest length that the line search accepts."""
        b = tap("minibatch", self.policy_batch(D))
        with torch.no_grad():
            pi_old = self.net.policy(b["obs"])
        A = b["advantages"]
        if self.h.normalize_advantage:
            A = tap("normalized_advantages", (A - A.mean()) / (A.std() + 1e-8))
        pi = self.net.policy(b["obs"])
        ratio = tap("ratio", (log_density(pi, b["actions"]) - b["old_log_prob"]).exp())  # (B,)
        L = tap("policy_objective", (ratio * A).mean())
        g = tap("policy_gradient", self.flat_gradient(L, keep=True))
        F_times = self.fisher(kl_divergence(pi, pi_old).mean())
        s = tap("search_direction", conjugate_gradients(F_times, g, n_steps=self.h.cg_max_steps))
        beta = tap("step_size", float((2 * self.h.target_kl / float(s @ F_times(s))) ** 0.5))

        theta_old = [p.detach().clone() for p in self.net.theta]
        accepted = False
        for k in range(self.h.line_search_max_iter):
            self.move(theta_old, beta * self.h.line_search_shrinking_factor**k * s)
            with torch.no_grad():
                pi = self.net.policy(b["obs"])
                ratio = (log_density(pi, b["actions"]) - b["old_log_prob"]).exp()
                L_new = tap("new_policy_objective", (ratio * A).mean())
                kl = tap("kl", kl_divergence(pi, pi_old).mean())
            accepted = bool(kl < self.h.target_kl and L_new > L)
            if accepted:
                break
        if not tap("accepted", accepted):
            self.move(theta_old, torch.zeros_like(s))
        tap("theta", torch.cat([p.detach().reshape(-1) for p in self.net.theta]))

    def policy_batch(self, D: Rollout) -> dict[str, Tensor]:
        """Return what the policy learns from: all rows in a random order, or every k-th of them."""
        drawn = tap("rows", D.shuffled(self.rng))
        rows = tuple(drawn[name][:: self.h.sub_sampling_factor] for name in ("step", "env"))
        names = ("obs", "actions", "old_log_prob", "advantages")
        return {n: torch.as_tensor(getattr(D, n)[rows], device=self.device) for n in names}

    def flat_gradient(self, of: Tensor, *, keep: bool, graph: bool = False) -> Tensor:
        """Return the gradient with respect to theta as one vector, (P,)."""
        parts = torch.autograd.grad(of, self.net.theta, retain_graph=keep, create_graph=graph)
        return torch.cat([part.reshape(-1) for part in parts])

    def fisher(self, divergence: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the product with F + damping: of a vector (P,), a vector (P,)."""
        gradient = self.flat_gradient(divergence, keep=True, graph=True)

        def times(x: Tensor) -> Tensor:
            return self.flat_gradient(gradient @ x, keep=True) + self.h.cg_damping * x

        return times

    @torch.no_grad()
    def move(self, theta_old: list[Tensor], step: Tensor) -> None:
        """Set theta to theta_old + step."""
        parts = step.split([p.numel() for p in theta_old])  # type: ignore[no-untyped-call]
        for parameter, old, part in zip(self.net.theta, theta_old, parts, strict=True):
            parameter.copy_(old + part.view_as(old))

    def improve_value(self, D: Rollout, *, progress: float) -> None:
        """Fit V to the returns, in epochs of minibatches; `progress` is the share of the run."""
        rate = tap("learning_rate", scheduled(self.h.learning_rate, progress=progress))
        self.optimiser.param_groups[0]["lr"] = rate
        for b in self.critic_batches(D):
            V = tap("new_values", self.net.V(b["obs"]))
            loss = tap("value_loss", F.mse_loss(V, b["returns"]))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()

    def critic_batches(self, D: Rollout) -> Iterator[dict[str, Tensor]]:
        """Yield the minibatches of all epochs."""
        for _ in range(self.h.n_critic_updates):
            drawn = tap("critic_rows", D.shuffled(self.rng))
            for start in range(0, len(drawn["step"]), self.h.batch_size):
                rows = tuple(drawn[k][start:][: self.h.batch_size] for k in ("step", "env"))
                b = {n: torch.as_tensor(getattr(D, n)[rows]) for n in ("obs", "returns")}
                yield tap("critic_minibatch", {n: x.to(self.device) for n, x in b.items()})


def side(call: Call) -> None:
    """Train once, as the harness asks for it."""
    h = hyperparameters_of(call)
    envs = [call.make_env() for _ in range(call.n_envs)]
    if isinstance(envs[0].action_space, gym.spaces.MultiDiscrete):
        message = f"this file's TRPO takes one choice per action, saw {envs[0].action_space}"
        raise TypeError(message)
    agent = TRPO(envs, h, call)
    t = 0
    while t < call.total_timesteps:
        rollout = agent.collect()
        t += h.n_steps * call.n_envs
        agent.improve_policy(rollout)
        agent.improve_value(rollout, progress=t / call.total_timesteps)
    for env in envs:
        env.close()


def conjugate_gradients(times: Callable[[Tensor], Tensor], g: Tensor, *, n_steps: int) -> Tensor:
    """Return x with times(x) nearly g, (P,), after at most n_steps steps."""
    x = tap("cg_start", START_DEVIATION * torch.randn_like(g))
    residual = g - times(x)
    size = residual @ residual
    p = residual
    for _ in range(n_steps if size >= RESIDUAL else 0):
        Fp = times(p)
        alpha = size / (p @ Fp)
        x = x + alpha * p
        residual = residual - alpha * Fp
        size, before = residual @ residual, size
        if size < RESIDUAL:
            break
        p = residual + size / before * p
    return x


def log_density(pi: Distribution, actions: Tensor) -> Tensor:
    """Return log pi(a | s), (B,): dimensions are independent."""
    log_prob: Tensor = pi.log_prob(actions)
    return log_prob.sum(dim=1) if log_prob.dim() > 1 else log_prob


def advantages(D: Rollout, *, gamma: float, gae_lambda: float) -> Array:
    """Return A_t = delta_t + gamma lambda A_(t+1), (n_steps, N), cut where an episode ends."""
    A, A_next = np.zeros_like(D.rewards), np.zeros_like(D.rewards[0])
    for t in reversed(range(len(A))):
        goes_on = 1 - D.episode_starts[t + 1]
        delta = D.rewards[t] + gamma * D.values[t + 1] * goes_on - D.values[t]
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


def hyperparameters_of(call: Call) -> Hyperparameters:
    """Return the call's hyperparameters, after refusing what this file cannot express."""
    values = dict(call.only(*(field.name for field in fields(Hyperparameters))))
    name, rate = "learning_rate", str(values.get("learning_rate", 0.0))
    if not rate.removeprefix("lin_")[0].isdigit():
        raise UnsupportedHyperparameter(name, rate, "expected a number or 'lin_X'")
    return Hyperparameters(**values)
