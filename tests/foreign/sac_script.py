"""A SAC as a script of the CleanRL kind, made callable: critics first, then actor, then alpha.

Vector environments that reset in the step that ends an episode; two Q modules with an optimiser
each; a few taps, and none on the rows of the minibatch.
"""

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn, optim
from torch.distributions import Normal

from harness.side import UnsupportedHyperparameter
from harness.tap import tap

LOG_STD_MAX = 2
LOG_STD_MIN = -20


class SoftQNetwork(nn.Module):
    def __init__(self, n_obs, n_act, widths):
        super().__init__()
        sizes = [n_obs + n_act, *widths]
        self.fc = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, widths, strict=False))
        self.out = nn.Linear(sizes[-1], 1)

    def forward(self, x, a):
        x = torch.cat([x, a], 1)
        for fc in self.fc:
            x = F.relu(fc(x))
        return self.out(x)


class Actor(nn.Module):
    def __init__(self, n_obs, n_act, widths):
        super().__init__()
        sizes = [n_obs, *widths]
        self.fc = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, widths, strict=False))
        self.fc_mean = nn.Linear(sizes[-1], n_act)
        self.fc_logstd = nn.Linear(sizes[-1], n_act)

    def forward(self, x):
        for fc in self.fc:
            x = F.relu(fc(x))
        log_std = torch.clamp(self.fc_logstd(x), LOG_STD_MIN, LOG_STD_MAX)
        return self.fc_mean(x), log_std.exp()

    def get_action(self, x, noise_tap="", action_tap="", log_prob_tap=""):
        mean, std = self(x)
        noise = torch.randn(mean.shape)
        if noise_tap:
            noise = tap(noise_tap, noise)
        x_t = mean + std * noise
        action = torch.tanh(x_t)
        if action_tap:
            action = tap(action_tap, action)
        log_prob = Normal(mean, std).log_prob(x_t)
        log_prob -= torch.log(1 - action.pow(2) + 1e-6)
        log_prob = log_prob.sum(1, keepdim=True)
        return action, tap(log_prob_tap, log_prob) if log_prob_tap else log_prob


def linear(start, fraction):
    if isinstance(start, str):
        return float(start.removeprefix("lin_")) * (1 - fraction)
    return start


def arguments_of(call):
    args = call.only(
        "learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma",
        "train_freq", "gradient_steps", "ent_coef", "target_update_interval", "target_entropy",
        "net_arch",
    )  # fmt: skip
    if isinstance(args["train_freq"], list):
        name = "train_freq"
        raise UnsupportedHyperparameter(name, args[name], "this script counts env steps")
    return args


def side(call):  # noqa: C901 - scripts of this kind are one function
    args = arguments_of(call)
    arch = args["net_arch"]
    arch = arch if isinstance(arch, dict) else {"pi": arch, "qf": arch}
    rng = np.random.default_rng(call.seed)
    torch.manual_seed(call.seed)
    envs = SyncVectorEnv([call.make_env] * call.n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    space = envs.single_action_space
    assert isinstance(space, gym.spaces.Box), "only continuous action space is supported"
    scale, bias = (space.high - space.low) / 2, (space.high + space.low) / 2
    obs_shape = envs.single_observation_space.shape
    n_obs, n_act = int(np.prod(obs_shape)), int(np.prod(space.shape))

    actor = tap("actor", Actor(n_obs, n_act, arch["pi"]))
    qf1, qf2 = (SoftQNetwork(n_obs, n_act, arch["qf"]) for _ in range(2))
    tap("critic", nn.ModuleList([qf1, qf2]))
    qf1_target, qf2_target = (SoftQNetwork(n_obs, n_act, arch["qf"]) for _ in range(2))
    qf1_target.load_state_dict(qf1.state_dict())
    qf2_target.load_state_dict(qf2.state_dict())
    tap("critic_target", nn.ModuleList([qf1_target, qf2_target]))
    lr = linear(args["learning_rate"], 0.0)
    optimizers = [optim.Adam(net.parameters(), lr=lr) for net in (qf1, qf2, actor)]
    q1_optimizer, q2_optimizer, actor_optimizer = optimizers
    autotune = str(args["ent_coef"]).startswith("auto")
    if autotune:
        target_entropy = -n_act if args["target_entropy"] == "auto" else args["target_entropy"]
        start = float(str(args["ent_coef"])[5:] or 1)
        log_alpha = tap("log_alpha", torch.tensor([start]).log().requires_grad_())
        a_optimizer = optim.Adam([log_alpha], lr=lr)
        optimizers.append(a_optimizer)
        alpha = log_alpha.exp().item()
    else:
        alpha = float(args["ent_coef"])

    size = max(args["buffer_size"] // call.n_envs, 1)
    rb_obs, rb_next = (np.zeros((size, call.n_envs, n_obs), np.float32) for _ in range(2))
    rb_act = np.zeros((size, call.n_envs, n_act), np.float32)
    rb_rew, rb_done = (np.zeros((size, call.n_envs, 1), np.float32) for _ in range(2))

    obs, _ = envs.reset(seed=call.seed)
    global_step = pos = 0
    while global_step < call.total_timesteps:
        for _ in range(args["train_freq"]):
            obs = tap("obs", obs)
            if global_step < args["learning_starts"]:
                actions = rng.uniform(-1, 1, (call.n_envs, n_act)).astype(np.float32)
            else:
                with torch.no_grad():
                    flat = torch.Tensor(obs).reshape(call.n_envs, n_obs)
                    actions = actor.get_action(flat)[0].numpy()
            actions = tap("action", actions)
            next_obs, rewards, terminations, truncations, infos = envs.step(
                actions.reshape(-1, *space.shape) * scale + bias
            )
            real_next_obs = next_obs.copy()
            for idx in np.flatnonzero(terminations | truncations):
                real_next_obs[idx] = infos["final_obs"][idx]
            stored = tap(
                "transition",
                {"obs": obs, "action": actions, "reward": rewards,
                 "next_obs": real_next_obs, "terminated": terminations},
            )  # fmt: skip
            i = pos % size
            rb_obs[i] = stored["obs"].reshape(call.n_envs, n_obs)
            rb_next[i] = stored["next_obs"].reshape(call.n_envs, n_obs)
            rb_act[i] = stored["action"]
            rb_rew[i, :, 0], rb_done[i, :, 0] = stored["reward"], stored["terminated"]
            obs = next_obs
            pos += 1
            global_step += call.n_envs

        if global_step <= args["learning_starts"]:
            continue
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = linear(args["learning_rate"], global_step / call.total_timesteps)
        n_updates = args["gradient_steps"]
        for update in range(args["train_freq"] * call.n_envs if n_updates < 0 else n_updates):
            at = rng.integers(min(pos, size), size=args["batch_size"])
            env = rng.integers(call.n_envs, size=args["batch_size"])
            data = {
                "obs": rb_obs[at, env],
                "actions": rb_act[at, env],
                "rewards": rb_rew[at, env],
                "next_obs": rb_next[at, env],
                "terminated": rb_done[at, env],
            }
            data = tap("batch", {name: torch.from_numpy(part) for name, part in data.items()})

            with torch.no_grad():
                next_actions, next_log_pi = actor.get_action(
                    data["next_obs"], "next_policy_noise", "next_action", "next_log_prob"
                )
                qf1_next = qf1_target(data["next_obs"], next_actions)
                qf2_next = qf2_target(data["next_obs"], next_actions)
                min_qf_next = torch.min(qf1_next, qf2_next) - alpha * next_log_pi
                not_done = 1 - data["terminated"]
                next_q_value = data["rewards"] + not_done * args["gamma"] * min_qf_next
                next_q_value = tap("td_target", next_q_value)
            qf1_a_values = tap("q1", qf1(data["obs"], data["actions"]))
            qf2_a_values = tap("q2", qf2(data["obs"], data["actions"]))
            qf1_loss = F.mse_loss(qf1_a_values, next_q_value)
            qf2_loss = F.mse_loss(qf2_a_values, next_q_value)
            qf_loss = tap("critic_loss", 0.5 * (qf1_loss + qf2_loss))
            q1_optimizer.zero_grad()
            q2_optimizer.zero_grad()
            qf_loss.backward()
            q1_optimizer.step()
            q2_optimizer.step()

            pi, log_pi = actor.get_action(data["obs"], "policy_noise", "action_pi", "log_prob")
            min_qf_pi = tap("q_pi", torch.min(qf1(data["obs"], pi), qf2(data["obs"], pi)))
            actor_loss = tap("actor_loss", ((alpha * log_pi) - min_qf_pi).mean())
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()

            if autotune:
                gap = log_pi.detach() + target_entropy
                alpha_loss = tap("alpha_loss", (-log_alpha * gap).mean())
                a_optimizer.zero_grad()
                alpha_loss.backward()
                a_optimizer.step()
                alpha = log_alpha.exp().item()

            if update % args["target_update_interval"] == 0:
                for net, target in ((qf1, qf1_target), (qf2, qf2_target)):
                    for param, slow in zip(net.parameters(), target.parameters(), strict=True):
                        slow.data.copy_(args["tau"] * param.data + (1 - args["tau"]) * slow.data)
    envs.close()
