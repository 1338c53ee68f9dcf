"""Sides that die, hang or misbehave in every way, written as one small file."""

from pathlib import Path

from harness.records import RunSpec, SideSpec

HEAD = """
import ctypes, gc, multiprocessing, os, signal, subprocess, sys, threading, time
import gymnasium

def train(call, n_steps, hook=lambda step: None):
    env = gymnasium.make(call.env_id)
    env.action_space.seed(call.seed)
    env.reset(seed=call.seed)
    for step in range(1, n_steps + 1):
        hook(step)
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    env.close()

def at(wanted, action):
    return lambda step: action() if step == wanted else None
"""


def write_side(folder: Path, body: str, name: str = "toy") -> SideSpec:
    """Write a side whose body may use HEAD's helpers and `call`."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    path = folder / f"{name}.py"
    path.write_text(f"{HEAD}\ndef side(call):\n{indented}\n")
    return SideSpec(name, str(path), None, "side", None, "0" * 64)


def make_run(side: SideSpec, key: str, seed: int = 0, total_timesteps: int = 60) -> RunSpec:
    return RunSpec(
        key=key * (64 // len(key)),
        side=side,
        algo="dqn",
        env_id="CartPole-v1",
        seed=seed,
        total_timesteps=total_timesteps,
        n_envs=1,
        hyperparameters={"gamma": 0.9},
        device="cpu",
        fingerprint={},
        taps={},
    )
