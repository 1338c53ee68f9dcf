"""A DQN as a script of the CleanRL kind, made callable: one vector environment of one, no taps."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim


class QNetwork(nn.Module):
    def __init__(self, envs, widths):
        super().__init__()
        sizes = [int(np.prod(envs.single_observation_space.shape)), *widths]
        layers = []
        for n_in, n_out in pairwise(sizes):
            layers.extend([nn.Linear(n_in, n_out), nn.ReLU()])
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], envs.single_action_space.n))

    def forward(self, x):
        return self.network(x)


def linear_schedule(start, end, duration, t):
    return max((end - start) / duration * t + start, end)


def side(call):
    args = call.hyperparameters
    rng = np.random.default_rng(call.seed)
    torch.manual_seed(call.seed)
    envs = gym.make_vec(call.env_id, num_envs=1, vectorization_mode="sync")
    q_network = QNetwork(envs, args["net_arch"])
    target_network = QNetwork(envs, args["net_arch"])
    target_network.load_state_dict(q_network.state_dict())
    optimizer = optim.Adam(q_network.parameters(), lr=args["learning_rate"])

    size = args["buffer_size"]
    shape = envs.single_observation_space.shape
    b_obs = np.zeros((size, *shape), np.float32)
    b_next = np.zeros((size, *shape), np.float32)
    b_action = np.zeros((size, 1), np.int64)
    b_reward = np.zeros(size, np.float32)
    b_done = np.zeros(size, np.float32)

    obs, _ = envs.reset(seed=call.seed)
    global_step = 0
    is_autoreset = False  # by default, the step after an episode's end only resets
    while global_step < call.total_timesteps:
        epsilon = linear_schedule(
            args["exploration_initial_eps"],
            args["exploration_final_eps"],
            args["exploration_fraction"] * call.total_timesteps,
            global_step,
        )
        if global_step < args["learning_starts"] or rng.random() < epsilon:
            actions = rng.integers(envs.single_action_space.n, size=1)
        else:
            with torch.no_grad():
                actions = torch.argmax(q_network(torch.Tensor(obs)), dim=1).numpy()
        next_obs, rewards, terminations, truncations, _ = envs.step(actions)
        was_autoreset, is_autoreset = is_autoreset, bool(terminations[0] or truncations[0])
        if was_autoreset:
            obs = next_obs
            continue
        i = global_step % size
        b_obs[i], b_next[i], b_action[i] = obs[0], next_obs[0], actions[0]
        b_reward[i], b_done[i] = rewards[0], terminations[0]
        obs = next_obs
        global_step += 1

        if global_step % args["target_update_interval"] == 0:
            for target, online in zip(
                target_network.parameters(), q_network.parameters(), strict=True
            ):
                target.data.copy_(args["tau"] * online.data + (1 - args["tau"]) * target.data)
        if global_step % args["train_freq"] or global_step <= args["learning_starts"]:
            continue
        n_updates = args["gradient_steps"]
        for _ in range(args["train_freq"] if n_updates < 0 else n_updates):
            rows = rng.integers(min(global_step, size), size=args["batch_size"])
            with torch.no_grad():
                target_max, _ = target_network(torch.from_numpy(b_next[rows])).max(dim=1)
                not_done = 1 - torch.from_numpy(b_done[rows])
                reward = torch.from_numpy(b_reward[rows])
                td_target = reward + args["gamma"] * target_max * not_done
            q_values = q_network(torch.from_numpy(b_obs[rows]))
            old_val = q_values.gather(1, torch.from_numpy(b_action[rows])).squeeze()
            loss = F.smooth_l1_loss(old_val, td_target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(q_network.parameters(), args["max_grad_norm"])
            optimizer.step()
    envs.close()
