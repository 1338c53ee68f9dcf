"""A DQN on gymnasium's AsyncVectorEnv: the environment lives in a worker process."""

from itertools import pairwise

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode


class Net(torch.nn.Module):
    def __init__(self, widths):
        super().__init__()
        pairs = pairwise(widths)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in pairs)

    def forward(self, x):
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x).relu()
        return last(x)


def side(call):
    h = call.hyperparameters
    generator = torch.Generator().manual_seed(call.seed)
    torch.manual_seed(call.seed)
    envs = AsyncVectorEnv(
        [lambda: gymnasium.make(call.env_id)], autoreset_mode=AutoresetMode.SAME_STEP
    )
    n_actions = int(envs.single_action_space.n)
    widths = [envs.single_observation_space.shape[0], *h["net_arch"], n_actions]
    q, q_target = Net(widths), Net(widths)
    q_target.load_state_dict(q.state_dict())
    adam = torch.optim.Adam(q.parameters(), lr=h["learning_rate"], foreach=True)
    memory = []
    obs, _ = envs.reset(seed=[call.seed])
    for t in range(1, call.total_timesteps + 1):
        progress = min((t - 1) / (h["exploration_fraction"] * call.total_timesteps), 1.0)
        fall = h["exploration_initial_eps"] - h["exploration_final_eps"]
        epsilon = h["exploration_initial_eps"] - progress * fall
        draw = torch.rand(1, generator=generator).item()
        if t <= h["learning_starts"] or draw < epsilon:
            action = torch.randint(n_actions, (1,), generator=generator).numpy()
        else:
            with torch.no_grad():
                action = q(torch.from_numpy(obs)).argmax(1).numpy()
        next_obs, reward, terminated, truncated, info = envs.step(action)
        is_over = terminated[0] or truncated[0]
        last = info["final_obs"][0] if is_over else next_obs[0]
        memory = memory[-h["buffer_size"] + 1 :] if len(memory) >= h["buffer_size"] else memory
        memory.append((obs[0].copy(), action[0], reward[0], np.copy(last), terminated[0]))
        obs = next_obs
        if t % h["target_update_interval"] == 0:
            mixed = {
                name: h["tau"] * weight + (1 - h["tau"]) * q_target.state_dict()[name]
                for name, weight in q.state_dict().items()
            }
            q_target.load_state_dict(mixed)
        if t % h["train_freq"] == 0 and t > h["learning_starts"]:
            n_updates = h["gradient_steps"]
            for _ in range(h["train_freq"] if n_updates < 0 else n_updates):
                rows = torch.randint(len(memory), (h["batch_size"],), generator=generator)
                learn(q, q_target, adam, [memory[i] for i in rows], h)
    envs.close()


def learn(q, q_target, adam, batch, h):
    s, a, r, s_next, over = (np.stack(column) for column in zip(*batch, strict=True))
    with torch.no_grad():
        future = q_target(torch.from_numpy(s_next)).max(1, keepdim=True)[0]
        future = torch.where(torch.from_numpy(over)[:, None], 0.0, future)
        y = torch.from_numpy(r).float()[:, None] + h["gamma"] * future
    q_taken = q(torch.from_numpy(s)).take_along_dim(torch.from_numpy(a)[:, None], 1)
    loss = torch.nn.functional.huber_loss(q_taken, y)
    parameters = list(q.parameters())
    for parameter, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = g
    torch.nn.utils.clip_grad_norm_(parameters, h["max_grad_norm"])
    adam.step()
