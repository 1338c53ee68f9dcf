"""Measure the training speed of each file in my_impls beside its reference's own.

    python -m benchmarks.speed [--algo ppo,sac] [--pairs 12] [--env-steps 6144]

Every pair trains both sides once with the same seed, in random order, unwatched and untapped, each
in a fork, on the first environment of the tier easy with the hyperparameters of the table. The
figure is the median over pairs of the ratio of speeds (env steps per second of CPU time; above 1
mine is faster), with a bootstrap interval. Exit code 1: a median is below LIMIT.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.overhead import forked
from harness.records import SideSpec
from harness.run.load import load_side
from harness.side import Call
from harness.spec.cards import algos, card
from harness.spec.cards.card import idle
from harness.spec.references import default_reference, references
from harness.spec.sides import find_side, implementations
from harness.spec.tiers import budget_row, tier_ids

LIMIT = 0.9  # the promise: within 10 % of the reference's speed
N_BOOT = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per algorithm; exit 1 when a median ratio is below the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--algo", default=",".join(_known()), help="names, separated by commas")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--env-steps", type=int, default=6_144)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    medians = []
    for algo in asked.algo.split(","):
        calls = [a_call(algo, asked.env_steps, seed=k) for k in range(asked.pairs)]
        speeds = [_pair(call, rng=rng) for call in calls]
        medians.append(_report(calls[0], np.array(speeds), rng=rng))
    return 0 if min(medians) >= LIMIT else 1


def _known() -> list[str]:
    """Return the algorithms that have an implementation and an installed reference."""
    return [
        algo
        for algo in algos()
        if algo in implementations() and references()[default_reference(algo)].installed_version
    ]


def a_call(algo: str, env_steps: int, *, seed: int) -> Call:
    """Return a training on the first easy environment, as the table has it."""
    env_id = tier_ids(algo, "easy")[0]
    row = budget_row(algo, env_id)
    values = {**card(algo).defaults, **row.hyperparameters}
    return Call(algo, env_id, seed, env_steps, row.n_envs, values, idle=idle(algo, values))


def _pair(call: Call, *, rng: np.random.Generator) -> tuple[float, float]:
    """Return the speeds of (mine, reference), env steps per second, run in random order."""
    mine = find_side(None, algo=call.algo, role="mine")
    reference = find_side(None, algo=call.algo, role="reference")
    sides = {"mine": mine, "reference": replace(reference, tap_map=None)}
    speeds = {
        name: forked(lambda side=sides[name]: speed_of(side, call))  # type: ignore[misc]
        for name in rng.permutation([*sides])
    }
    return speeds["mine"], speeds["reference"]


def speed_of(side: SideSpec, call: Call) -> float:
    """Return env steps per second of CPU time of one training in this process."""
    train = load_side(side)
    began = time.process_time()
    train(call)
    return call.total_timesteps / (time.process_time() - began)


def _report(call: Call, speeds: np.ndarray, *, rng: np.random.Generator) -> float:
    """Print and return the median ratio; `speeds` is (pairs, 2), mine and the reference."""
    ratios = speeds[:, 0] / speeds[:, 1]
    resampled = np.median(rng.choice(ratios, (N_BOOT, len(ratios))), axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    mine, reference = np.median(speeds, axis=0)
    print(
        f"{call.algo:6s} mine / {default_reference(call.algo)}: {np.median(ratios):.3f} (95 % "
        f"interval {low:.3f} to {high:.3f}, n = {len(ratios)} pairs); {mine:,.0f} and "
        f"{reference:,.0f} env steps/s on {call.env_id}",
        flush=True,
    )
    return float(np.median(ratios))


if __name__ == "__main__":
    sys.exit(main())
