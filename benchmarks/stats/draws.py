"""Measure false alarms and power of the draw tests and write their table in docs/statistics.md.

    python -m benchmarks.stats.draws [--trials 1000] [--docs FILE]

Simulated sources (`draw_worlds.py`), where the truth is known. False alarms: share of comparisons
without any difference in which something was rejected. Power: the smallest number of events in a
geometric grid at which a planted mistake was found in at least 80 % of 50 comparisons.
"""

from __future__ import annotations

import argparse
import os
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import binomtest

from benchmarks.stats import draw_worlds as worlds
from benchmarks.stats.calibrate import ROOT, rewrite_table
from benchmarks.stats.draw_worlds import Source
from harness.stats.draws import DRAW_ALPHA, draw_tests

MARKERS = ("<!-- draws: begin -->", "<!-- draws: end -->")
ALPHAS = (0.05, DRAW_ALPHA)
N_EVENTS = 200  # of a null comparison; weights: 2 seeds
N_SOURCES = 6  # power: alpha is divided as if so many like sources were tested together
GRID = tuple(round(25 * 2 ** (k / 2)) for k in range(19))  # 25 to 12,800 events
SEEDS = (1, 2, 3, 5, 8)
EPOCHS = tuple(8 * k for k in (1, 2, 5, 10, 20, 30, 40, 60, 80))  # in minibatches, 8 an epoch
TRIALS = 50
FOUND = 0.8

_orthogonal = partial(worlds.weights, init="orthogonal")

# What is planted: (source of n events, values of n to try, what n counts).
Planted = tuple[Source, Sequence[int], str]


def mistakes() -> Mapping[str, Planted]:
    """Return planted mistakes by name."""
    return {**_mistaken_actions(), **_mistaken_rows(), **_mistaken_weights()}


def _with(source: Source, draw: object, **mistake: object) -> Planted:
    return partial(source, draw=partial(draw, **mistake)), GRID, "events"  # type: ignore[operator]


def _mistaken_actions() -> Mapping[str, Planted]:
    greedy, policy = worlds.epsilon_greedy, worlds.gaussian_policy
    noise, ou = worlds.white_noise, worlds.ornstein_uhlenbeck
    gumbel = partial(worlds.actions, draw=partial(worlds.gumbel, sign=-1.0), truth=worlds.gumbel)
    stay = partial(worlds.sticky, stay=0.0)
    sticky = partial(worlds.actions, draw=partial(worlds.sticky, stay=0.25), truth=stay)
    return {
        "one action of four 5 points too frequent": _with(worlds.actions, greedy, extra=0.0667),
        "one action of four 20 points too frequent": _with(worlds.actions, greedy, extra=0.267),
        "epsilon 0.2 instead of 0.3": _with(worlds.actions, greedy, epsilon=0.2),
        "epsilon 0 instead of 0.3": _with(worlds.actions, greedy, epsilon=0.0),
        "Gumbel noise of the wrong sign, policy 0.7, 0.2, 0.1": (gumbel, GRID, "events"),
        "the last action repeated in a quarter of the steps": (sticky, GRID, "events"),
        "policy's standard deviation 10 % too large": _with(worlds.boxes, policy, sd=0.55),
        "policy's standard deviation twice as large": _with(worlds.boxes, policy, sd=1.0),
        "policy's mean half a standard deviation off": _with(worlds.boxes, policy, shift=0.25),
        "dimensions of the policy correlated by 0.5": _with(worlds.boxes, policy, rho=0.5),
        "noise 10 % too wide, minibatches of 32": _with(worlds.noises, noise, sd=1.1),
        "uniform instead of normal noise, minibatches of 32": _with(
            worlds.noises, noise, law="uniform"
        ),
        "one noise for all rows": _with(worlds.noises, worlds.broadcast_noise, axis=1),
        "one noise for all dimensions": _with(worlds.noises, worlds.broadcast_noise, axis=2),
        "Ornstein-Uhlenbeck noise twice as wide, episodes of 20": _with(
            worlds.ou_noises, ou, scale=2.0
        ),
        "Ornstein-Uhlenbeck noise without reset, episodes of 20": _with(
            worlds.ou_noises, ou, is_reset=False
        ),
    }


def _mistaken_rows() -> Mapping[str, Planted]:
    uniform = worlds.uniform_rows
    found = {
        "uniform over the oldest 90 % of the buffer": _with(worlds.replays, uniform, share=0.9),
        "newest row never drawn": _with(worlds.replays, uniform, lacks_newest=True),
        "minibatch of 32 without replacement": _with(worlds.replays, uniform, is_distinct=True),
        "rows in a row": (
            partial(worlds.replays, draw=worlds.consecutive_rows),
            GRID,
            "events",
        ),
    }
    for how, words in (
        ("sorted", "not shuffled"),
        ("blocks", "neighbouring rows in a minibatch"),
        ("halves", "first half before the second"),
        ("replaced", "drawn with replacement"),
    ):
        source = partial(worlds.permutations, draw=partial(worlds.orders, how=how))
        found[f"order of minibatches: {words}"] = (source, EPOCHS, "minibatches, 8 an epoch")
    return found


def _mistaken_weights() -> Mapping[str, Planted]:
    networks, weights = worlds.networks, worlds.weights
    inits = {
        "orthogonal instead of uniform (Kaiming) weights": partial(networks, draw=_orthogonal),
        "normal instead of uniform weights of the same spread": partial(
            networks, draw=partial(weights, init="normal")
        ),
        "uniform weights 10 % too wide": partial(networks, draw=partial(weights, gain=1.1)),
        "orthogonal weights with gain 1.41 instead of 1": partial(
            networks, draw=partial(_orthogonal, gain=2.0**0.5), truth=_orthogonal
        ),
    }
    return {name: (source, SEEDS, "seeds") for name, source in inits.items()}


def false_alarms(source: Source, *, alpha: float, n: int, trials: int) -> int:
    """Return in how many of the comparisons without a difference something was rejected."""
    return sum(_is_found(source, n, alpha=alpha, trial=trial) for trial in range(trials))


def needed(planted: Planted) -> int | None:
    """Return the smallest n of the grid that finds the mistake with 80 % power, or None."""
    source, grid, _ = planted
    misses_allowed = round((1.0 - FOUND) * TRIALS)
    for n in grid:
        misses, trial = 0, 0
        while misses <= misses_allowed and trial < TRIALS:
            misses += not _is_found(source, n, alpha=DRAW_ALPHA / N_SOURCES, trial=trial)
            trial += 1
        if misses <= misses_allowed:
            return n
    return None


def _is_found(source: Source, n: int, *, alpha: float, trial: int) -> bool:
    key = [zlib.crc32(repr(source).split(" at 0x")[0].encode()), n, trial]
    rng = np.random.default_rng(np.random.SeedSequence(key))
    return any(test.is_rejected for test in draw_tests([source(rng, n)], alpha=alpha))


def table(trials: int) -> str:
    """Return both tables as markdown."""
    lines = ["| no difference in | alpha | false alarms | 95 % interval |", "|---|---|---|---|"]
    for name, source in worlds.NULLS.items():
        n = 2 if "weights" in name else N_EVENTS
        for alpha in ALPHAS:
            count = false_alarms(source, alpha=alpha, n=n, trials=trials)
            limits = binomtest(count, trials).proportion_ci(0.95)
            interval = f"{100 * limits.low:.2f} - {100 * limits.high:.2f} %"
            lines.append(f"| {name} | {alpha:g} | {count} of {trials} | {interval} |")
            print(lines[-1], flush=True)
    lines += ["", "| planted | found in 80 % with |", "|---|---|"]
    for name, planted in mistakes().items():
        n = needed(planted)
        size = f"{n:,} {planted[2]}" if n else f"more than {planted[1][-1]:,} {planted[2]}"
        lines.append(f"| {name} | {size} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000, help="null comparisons per source")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "statistics.md")
    chosen = parser.parse_args(arguments)
    rewrite_table(chosen.docs, table(chosen.trials), MARKERS)


if __name__ == "__main__":
    main()
