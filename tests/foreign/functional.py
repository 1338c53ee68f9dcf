"""A DQN in functions: one flat weight vector, torch.func, columns of shape n x 1, DummyVecEnv.

The gradient is clipped by hand, and no tensor ever sees backward().
"""

from itertools import pairwise

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.func import grad


def shapes_of(widths):
    layers = pairwise(widths)
    return [shape for n_in, n_out in layers for shape in ((n_out, n_in), (n_out,))]


def initial(widths):
    layers = pairwise(widths)
    drawn = [torch.nn.Linear(n_in, n_out) for n_in, n_out in layers]
    return torch.cat([p.detach().reshape(-1) for layer in drawn for p in layer.parameters()])


def values(theta, obs, shapes):
    parts = theta.split([int(np.prod(shape)) for shape in shapes])
    tensors = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    pairs = list(zip(tensors[::2], tensors[1::2], strict=True))
    for weight, bias in pairs[:-1]:
        obs = (obs @ weight.T + bias).clamp(min=0)
    weight, bias = pairs[-1]
    return obs @ weight.T + bias


def huber(theta, batch, y, shapes):
    q = values(theta, batch["obs"], shapes).gather(1, batch["action"])
    error = (q - y).abs()
    return torch.where(error < 1, error.square() / 2, error - 0.5).mean()


def update(theta, theta_target, batch, *, gamma, max_norm, shapes):
    following = values(theta_target, batch["next_obs"], shapes).max(dim=1, keepdim=True).values
    y = batch["reward"] + gamma * (1 - batch["terminated"]) * following
    g = grad(huber)(theta.detach(), batch, y.detach(), shapes)
    theta.grad = g * torch.clamp(max_norm / (g.norm() + 1e-6), max=1.0)


def side(call):
    h = call.hyperparameters
    rng = np.random.default_rng(call.seed)
    torch.manual_seed(call.seed)
    env = DummyVecEnv([lambda: gymnasium.make(call.env_id)])
    env.seed(call.seed)
    n_actions, size = int(env.action_space.n), h["buffer_size"]
    widths = [env.observation_space.shape[0], *h["net_arch"], n_actions]
    shapes = shapes_of(widths)
    theta = initial(widths).requires_grad_()
    theta_target = theta.detach().clone()
    adam = torch.optim.Adam([theta], lr=h["learning_rate"])
    memory = {
        "obs": np.zeros((size, widths[0]), np.float32),
        "next_obs": np.zeros((size, widths[0]), np.float32),
        "action": np.zeros((size, 1), np.int64),
        "reward": np.zeros((size, 1), np.float32),
        "terminated": np.zeros((size, 1), np.float32),
    }
    slope = (h["exploration_initial_eps"] - h["exploration_final_eps"]) / (
        h["exploration_fraction"] * call.total_timesteps
    )
    obs = env.reset()
    for t in range(call.total_timesteps):
        epsilon = max(h["exploration_initial_eps"] - slope * t, h["exploration_final_eps"])
        is_random = t < h["learning_starts"] or rng.random() < epsilon
        with torch.no_grad():
            greedy = values(theta, torch.as_tensor(obs), shapes).argmax(dim=1).numpy()
        action = rng.integers(n_actions, size=1) if is_random else greedy
        next_obs, reward, done, infos = env.step(action)
        is_truncated = infos[0].get("TimeLimit.truncated", False)
        row = {
            "obs": obs[0],
            "next_obs": infos[0]["terminal_observation"] if done[0] else next_obs[0],
            "action": action[0],
            "reward": reward[0],
            "terminated": done[0] and not is_truncated,
        }
        for name, value in row.items():
            memory[name][t % size] = value
        obs = next_obs
        now = t + 1
        if now % h["target_update_interval"] == 0:
            theta_target = h["tau"] * theta.detach() + (1 - h["tau"]) * theta_target
        if now % h["train_freq"] or now <= h["learning_starts"]:
            continue
        n_updates = h["gradient_steps"]
        for _ in range(h["train_freq"] if n_updates < 0 else n_updates):
            rows = rng.integers(min(now, size), size=h["batch_size"])
            batch = {name: torch.from_numpy(column[rows]) for name, column in memory.items()}
            update(
                theta,
                theta_target,
                batch,
                gamma=h["gamma"],
                max_norm=h["max_grad_norm"],
                shapes=shapes,
            )
            adam.step()
    env.close()
