"""Toy sides that train, die, hang or misbehave in one way each, written as one small file."""

from pathlib import Path

from harness.records import RunSpec, SideSpec

HEAD = '''
import ctypes, multiprocessing, os, re, signal, subprocess, sys, threading, time
from pathlib import Path

import gymnasium

from harness.side import UnsupportedHyperparameter


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def train(call, n_steps=60, hook=lambda step: None):
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


def fail(error):
    raise error


def note(name):
    """Write this process's id where the test finds it."""
    (Path(__file__).parent / f"{name}.pid").write_text(str(os.getpid()))
'''

HEALTHY = "train(call)"


def write_side(folder: Path, body: str, name: str = "toy") -> SideSpec:
    """Write a side whose body may use HEAD's functions and `call`."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    path = folder / f"{name}.py"
    path.write_text(f"{HEAD}\n\ndef side(call):\n{indented}\n")
    return SideSpec(name, str(path), None, "side", None, "0" * 64)


def make_run(side: SideSpec, number: int, *, seed: int = 0) -> RunSpec:
    """Return a run whose key is made from `number`."""
    return RunSpec(
        key=f"{number:08x}" * 8,
        side=side,
        algo="dqn",
        env_id="CartPole-v1",
        seed=seed,
        total_timesteps=60,
        n_envs=1,
        hyperparameters={"gamma": 0.9},
        device="cpu",
        fingerprint={},
        taps={},
    )
