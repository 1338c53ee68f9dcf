"""A PPO as a script of the CleanRL kind, made callable: vector environment, one agent, tapped.

Its rows are not tapped, its log_std is (1, A), the critic comes first, data are (n_steps, n_envs).
"""

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, Normal

from harness.side import UnsupportedHyperparameter
from harness.tap import tap

DEFAULTS = {
    "learning_rate": 3e-4,
    "n_steps": 2048,
    "batch_size": 64,
    "n_epochs": 10,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_range": 0.2,
    "clip_range_vf": None,
    "normalize_advantage": True,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "target_kl": None,
    "net_arch": [64, 64],
}


class Minibatch(NamedTuple):
    obs: torch.Tensor
    actions: torch.Tensor
    old_log_prob: torch.Tensor
    old_values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


def layer_init(layer, std=2**0.5):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, 0.0)
    return layer


def mlp(n_inputs, hidden, n_outputs, std):
    layers = []
    for width in hidden:
        layers += [layer_init(nn.Linear(n_inputs, width)), nn.Tanh()]
        n_inputs = width
    return nn.Sequential(*layers, layer_init(nn.Linear(n_inputs, n_outputs), std=std))


class Agent(nn.Module):
    def __init__(self, envs, net_arch):
        super().__init__()
        hidden = net_arch if isinstance(net_arch, dict) else {"pi": net_arch, "vf": net_arch}
        n_inputs = int(np.prod(envs.single_observation_space.shape))
        self.is_continuous = isinstance(envs.single_action_space, gym.spaces.Box)
        space = envs.single_action_space
        n_outputs = int(np.prod(space.shape)) if self.is_continuous else int(space.n)
        self.critic = mlp(n_inputs, hidden["vf"], 1, std=1.0)
        self.actor = mlp(n_inputs, hidden["pi"], n_outputs, std=0.01)
        if self.is_continuous:
            self.actor_logstd = nn.Parameter(torch.zeros(1, n_outputs))

    def get_value(self, x):
        return self.critic(x)

    def density(self, x):
        if not self.is_continuous:
            return Categorical(logits=self.actor(x))
        mean = self.actor(x)
        return Normal(mean, torch.exp(self.actor_logstd.expand_as(mean)))

    def total(self, per_dimension):
        return per_dimension.sum(1) if self.is_continuous else per_dimension


def anneal(setting, done_share):
    if isinstance(setting, str):
        return (1.0 - done_share) * float(setting.split("_")[1])
    return setting


def side(call):  # noqa: C901 - one long loop, as such scripts are
    asked = call.only(*DEFAULTS, "ortho_init")
    if not asked.get(name := "ortho_init", True):
        raise UnsupportedHyperparameter(name, asked[name])
    args = {**DEFAULTS, **asked}
    rng = np.random.default_rng(call.seed)
    torch.manual_seed(call.seed)
    envs = gym.vector.SyncVectorEnv(
        [call.make_env for _ in range(call.n_envs)],
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )
    space = envs.single_action_space
    agent = tap("policy", Agent(envs, args["net_arch"]))
    optimizer = torch.optim.Adam(agent.parameters(), lr=1e-3, eps=1e-5)

    n_steps, n_envs = args["n_steps"], call.n_envs
    batch_size = n_steps * n_envs
    obs = torch.zeros((n_steps, n_envs, *envs.single_observation_space.shape))
    actions = torch.zeros((n_steps, n_envs, *space.shape))
    logprobs = torch.zeros((n_steps, n_envs))
    rewards = torch.zeros((n_steps, n_envs))
    dones = torch.zeros((n_steps, n_envs))
    values = torch.zeros((n_steps, n_envs))

    next_obs, _ = envs.reset(seed=call.seed)
    next_done = np.ones(n_envs, dtype=bool)
    global_step = 0
    while global_step < call.total_timesteps:
        for step in range(n_steps):
            global_step += n_envs
            next_obs = tap("obs", next_obs)
            with torch.no_grad():
                x = torch.as_tensor(next_obs, dtype=torch.float32).flatten(1)
                values[step] = tap("value", agent.get_value(x).flatten())
                probs = agent.density(x)
                action = tap("action", probs.sample())
                logprobs[step] = tap("log_prob", agent.total(probs.log_prob(action)))
            received = action.numpy()
            if agent.is_continuous:
                received = np.clip(received, space.low, space.high)
            before = next_obs
            next_obs, reward, terminations, truncations, infos = envs.step(received)
            for i in np.flatnonzero(truncations & ~terminations):
                last = torch.as_tensor(infos["final_obs"][i], dtype=torch.float32)
                with torch.no_grad():
                    beyond = tap("terminal_value", agent.get_value(last.reshape(1, -1)))
                reward[i] += args["gamma"] * beyond.item()
            stored = tap(
                "transition",
                {"obs": before, "action": action, "reward": reward, "episode_start": next_done},
            )
            obs[step] = torch.as_tensor(stored["obs"])
            actions[step] = torch.as_tensor(stored["action"])
            rewards[step] = torch.as_tensor(stored["reward"])
            dones[step] = torch.as_tensor(stored["episode_start"])
            next_done = np.logical_or(terminations, truncations)

        with torch.no_grad():
            x = torch.as_tensor(next_obs, dtype=torch.float32).flatten(1)
            next_value = tap("last_value", agent.get_value(x).reshape(1, -1)).flatten()
            advantages = torch.zeros_like(rewards)
            lastgaelam = 0
            for t in reversed(range(n_steps)):
                if t == n_steps - 1:
                    nextnonterminal = 1.0 - torch.as_tensor(next_done, dtype=torch.float32)
                    nextvalues = next_value
                else:
                    nextnonterminal = 1.0 - dones[t + 1]
                    nextvalues = values[t + 1]
                delta = rewards[t] + args["gamma"] * nextvalues * nextnonterminal - values[t]
                lastgaelam = (
                    delta + args["gamma"] * args["gae_lambda"] * nextnonterminal * lastgaelam
                )
                advantages[t] = lastgaelam
            advantages = tap("advantages", advantages)
            returns = tap("returns", advantages + values)

        share = global_step / call.total_timesteps
        optimizer.param_groups[0]["lr"] = anneal(args["learning_rate"], share)
        clip_coef = tap("clip_range", anneal(args["clip_range"], share))
        flat = Minibatch(
            obs.flatten(0, 1), actions.flatten(0, 1), logprobs.flatten(), values.flatten(),
            advantages.flatten(), returns.flatten(),
        )  # fmt: skip
        b_inds = np.arange(batch_size)
        is_stopped = False
        for _ in range(args["n_epochs"]):
            rng.shuffle(b_inds)
            for start in range(0, batch_size, args["batch_size"]):
                mb_inds = b_inds[start : start + args["batch_size"]]
                mb = tap("minibatch", Minibatch(*(column[mb_inds] for column in flat)))
                x = mb.obs.flatten(1)
                newvalue = tap("new_values", agent.get_value(x).view(-1))
                probs = agent.density(x)
                newlogprob = tap("new_log_prob", agent.total(probs.log_prob(mb.actions)))
                entropy = tap("entropy", agent.total(probs.entropy()))
                logratio = newlogprob - mb.old_log_prob
                ratio = tap("ratio", logratio.exp())
                with torch.no_grad():
                    approx_kl = tap("approx_kl", ((ratio - 1) - logratio).mean())
                if args["target_kl"] is not None and approx_kl > 1.5 * args["target_kl"]:
                    is_stopped = True
                    break

                mb_advantages = mb.advantages
                if args["normalize_advantage"] and len(mb_inds) > 1:
                    mb_advantages = mb_advantages - mb_advantages.mean()
                    mb_advantages = mb_advantages / (mb_advantages.std() + 1e-8)
                pg_loss1 = -mb_advantages * ratio
                pg_loss2 = -mb_advantages * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
                pg_loss = tap("policy_loss", torch.max(pg_loss1, pg_loss2).mean())
                if args["clip_range_vf"] is not None:
                    vf_coef = anneal(args["clip_range_vf"], share)
                    newvalue = mb.old_values + torch.clamp(
                        newvalue - mb.old_values, -vf_coef, vf_coef
                    )
                v_loss = tap("value_loss", ((newvalue - mb.returns) ** 2).mean())
                entropy_loss = tap("entropy_loss", -entropy.mean())
                loss = pg_loss + args["ent_coef"] * entropy_loss + v_loss * args["vf_coef"]
                loss = tap("loss", loss)

                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args["max_grad_norm"])
                optimizer.step()
            if is_stopped:
                break
    envs.close()
