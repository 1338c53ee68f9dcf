"""Measure what watching costs: watched and unwatched trainings, interleaved, each in a fork.

    python -m benchmarks.overhead [--pairs 12] [--env-steps 6144] [--side mine|reference|both]

Every pair trains twice with the same seed, in random order, on CartPole-v1 with rl-zoo's DQN
hyperparameters; the figure is the median over pairs of the ratio of CPU times, with a bootstrap
interval. The unwatched run of the reference has no tap map either: it is SB3 as installed.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import stable_baselines3  # noqa: F401 - preloaded, as in the forkserver
import torch

from harness.records import RunSpec, SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call
from harness.spec.cards import card
from harness.store.trace import TraceWriter

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parent.parent

# rl-baselines3-zoo, hyperparams/dqn.yml, CartPole-v1.
HYPERPARAMETERS = {
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 100_000,
    "learning_starts": 1_000,
    "gamma": 0.99,
    "tau": 1.0,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_initial_eps": 1.0,
    "exploration_final_eps": 0.04,
    "max_grad_norm": 10.0,
    "net_arch": [256, 256],
}
SIDES = {
    "mine": SideSpec("my_impls/dqn.py", str(ROOT / "my_impls/dqn.py"), None, "side", None, ""),
    "reference": SideSpec(
        "sb3", None, "baselines.sb3.dqn", "side", str(ROOT / "baselines/sb3/dqn.toml"), ""
    ),
}
LIMIT = 1.05  # the promise: at most 5 %
N_BOOT = 2_000


@dataclass(frozen=True)
class Timing:
    """One training: seconds of CPU and of wall clock, the hash of its final weights."""

    cpu_s: float
    wall_s: float
    weights: str


def main() -> int:
    """Print one line per side; exit 1 when a median ratio is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--env-steps", type=int, default=6_144)
    parser.add_argument("--side", choices=("mine", "reference", "both"), default="both")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    chosen = list(SIDES) if options.side == "both" else [options.side]
    pairs = {name: [] for name in chosen}
    for k in range(options.pairs):
        for name in chosen:
            pairs[name].append(_pair(_run_of(name, options.env_steps, seed=k), rng=rng))
    medians = [_report(name, pairs[name], options.env_steps, rng=rng) for name in chosen]
    return 0 if max(medians) <= LIMIT else 1


def _run_of(name: str, env_steps: int, *, seed: int) -> RunSpec:
    taps = dict(card("dqn").tap_clocks)
    return RunSpec(
        key="overhead",
        side=SIDES[name],
        algo="dqn",
        env_id="CartPole-v1",
        seed=seed,
        total_timesteps=env_steps,
        n_envs=1,
        hyperparameters=HYPERPARAMETERS,
        device="cpu",
        fingerprint={},
        taps=taps,
    )


def _pair(run: RunSpec, *, rng: np.random.Generator) -> tuple[Timing, Timing]:
    """Return (watched, unwatched), run in random order."""
    timings = {}
    for is_watched in rng.permutation([True, False]):
        timings[bool(is_watched)] = forked(lambda w=bool(is_watched): train(run, is_watched=w))
    return timings[True], timings[False]


def train(run: RunSpec, *, is_watched: bool) -> Timing:
    """Train once in this process; only the training itself is timed."""
    steps: list[torch.optim.Optimizer] = []
    keep = torch.optim.Optimizer.__init__
    torch.optim.Optimizer.__init__ = lambda o, *a, **k: (steps.append(o), keep(o, *a, **k))[1]
    with ExitStack() as stack:
        if is_watched:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            stack.enter_context(Observation(run, TraceWriter(folder)))
        side = load_side(run.side if is_watched else replace(run.side, tap_map=None))
        call = Call(
            run.algo, run.env_id, run.seed, run.total_timesteps, run.n_envs, run.hyperparameters
        )
        cpu, wall = time.process_time(), time.perf_counter()
        side(call)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    weights = b"".join(p.detach().numpy().tobytes() for o in steps for p in _parameters(o))
    return Timing(cpu, wall, str(hash(weights)))


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimiser.param_groups for p in group["params"]]


def forked(work: Callable[[], Result]) -> Result:
    """Return what `work` returns in a fork of this process; our own child, so pickle is safe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, pickle.dumps(work()))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    return cast("Result", pickle.loads(answer))


def _report(
    name: str, pairs: list[tuple[Timing, Timing]], env_steps: int, *, rng: np.random.Generator
) -> float:
    ratios = np.array([watched.cpu_s / unwatched.cpu_s for watched, unwatched in pairs])
    walls = np.array([unwatched.wall_s for _, unwatched in pairs])
    resampled = np.median(rng.choice(ratios, (N_BOOT, len(ratios))), axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    n_equal = sum(watched.weights == unwatched.weights for watched, unwatched in pairs)
    per_10k = float(np.median(walls)) / env_steps * 10_000
    print(
        f"{name:10s} watched / unwatched: {np.median(ratios):.3f} (95 % interval {low:.3f} to "
        f"{high:.3f}, n = {len(ratios)} pairs); unwatched {per_10k:.2f} s per 10,000 env steps; "
        f"final weights equal in {n_equal} of {len(pairs)} pairs"
    )
    return float(np.median(ratios))


if __name__ == "__main__":
    sys.exit(main())
