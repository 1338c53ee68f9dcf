"""Time harness.stats against MNE and rliable on the same arrays, paired, and print the ratios.

    python -m benchmarks.stats.speed [--mne PYTHON] [--rliable PYTHON]

The other packages run in their own environments, given by the path of their python (or by the
environment variables BENCH_MNE_PYTHON and BENCH_RLIABLE_PYTHON):

    python -m venv /tmp/venv-mne && /tmp/venv-mne/bin/pip install mne
    python -m venv /tmp/venv-rliable && /tmp/venv-rliable/bin/pip install "pandas<3" rliable

Rounds alternate between the two, so that other load on the machine meets both; the median of the
ratios counts. Exit code 1 when a measured bar is missed; an absent package is said and skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.stats.bootstrap import stratified_bootstrap
from harness.stats.cluster import cluster_mass
from harness.stats.permutation import max_t

MNE_PERMUTATIONS = 1000
OUR_PERMUTATIONS = 10_000
RLIABLE_REPS = 2000
OUR_REPS = 10_000
ROUNDS = 3

MNE_SCRIPT = """
import sys, time, json, numpy as np
from mne.stats import permutation_cluster_test
a = np.load(sys.argv[1]); n = int(sys.argv[2])
t = time.perf_counter()
permutation_cluster_test([a["mine"], a["reference"]], n_permutations=n, threshold=4.2, seed=0,
                         out_type="mask", verbose="error")
print(json.dumps((time.perf_counter() - t) / n))
"""

RLIABLE_SCRIPT = """
import sys, time, json, numpy as np
from rliable import library, metrics
a = np.load(sys.argv[1]); n = int(sys.argv[2])
iqm = lambda x: np.array([metrics.aggregate_iqm(x)])
t = time.perf_counter()
library.get_interval_estimates({"mine": a["scores"]}, iqm, reps=n)
print(json.dumps((time.perf_counter() - t) / n))
"""


@dataclass(frozen=True)
class Bar:
    """A requirement and what was measured; `value` None: not measured."""

    words: str
    value: float | None
    limit: float
    is_upper: bool

    @property
    def is_met(self) -> bool:
        """Whether the bar holds; an unmeasured one is not missed."""
        if self.value is None:
            return True
        return self.value <= self.limit if self.is_upper else self.value >= self.limit


def timed(work: Callable[[], object]) -> float:
    """Return the wall time of one call, s."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def other_time(python: str, script: str, *, arrays: Path, n: int) -> float:
    """Return the time per permutation or resample that another package reports, s."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script, str(arrays), str(n)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def ratio(
    python: str, script: str, *, arrays: Path, n: int, ours: Sequence[Callable[[], float]]
) -> list[float]:
    """Return, per entry of `ours`, the median of their time over our time per unit of work."""
    rounds = [[] for _ in ours]
    for _ in range(ROUNDS):
        theirs = other_time(python, script, arrays=arrays, n=n)
        for found, own in zip(rounds, ours, strict=True):
            found.append(theirs / own())
    return [statistics.median(found) for found in rounds]


def compare_mne(python: str, folder: Path) -> list[Bar]:
    """Return the bars against MNE: 15 + 15 curves x 400 checkpoints."""
    rng = np.random.default_rng(0)
    mine, reference = np.cumsum(rng.normal(size=(2, 15, 400)), axis=2)

    def run_max_t() -> float:
        work = timed(lambda: max_t(mine, reference, rng=rng, n_permutations=OUR_PERMUTATIONS))
        return work / OUR_PERMUTATIONS

    def run_cluster() -> float:
        return timed(lambda: cluster_mass(mine, reference, rng=rng)) / OUR_PERMUTATIONS

    seconds = statistics.median(run_max_t() for _ in range(ROUNDS)) * OUR_PERMUTATIONS
    bars = [Bar("max-T, 30 curves x 400 points x 10,000 permutations, s", seconds, 1.0, True)]
    words = "times faster per permutation than MNE's cluster test"
    found: list[float | None] = [None, None]
    if python:
        arrays = folder / "curves.npz"
        np.savez(arrays, mine=mine, reference=reference)
        found = list(
            ratio(
                python, MNE_SCRIPT, arrays=arrays, n=MNE_PERMUTATIONS, ours=[run_max_t, run_cluster]
            )
        )
    bars.append(Bar(f"max-T, {words}", found[0], 5.0, False))
    bars.append(Bar(f"cluster mass, {words}", found[1], 1.0, False))
    return bars


def compare_rliable(python: str, folder: Path) -> list[Bar]:
    """Return the bar against rliable: 10 seeds x 5 environments."""
    rng = np.random.default_rng(0)
    scores = rng.gamma(2.0, 0.5, size=(10, 5))
    words = "IQM stratified bootstrap, times faster per resample than rliable"
    if not python:
        return [Bar(words, None, 50.0, False)]
    arrays = folder / "scores.npz"
    np.savez(arrays, scores=scores)

    def run() -> float:
        columns = list(scores.T)
        return timed(lambda: stratified_bootstrap(columns, rng=rng, n_boot=OUR_REPS)) / OUR_REPS

    found = ratio(python, RLIABLE_SCRIPT, arrays=arrays, n=RLIABLE_REPS, ours=[run])
    return [Bar(words, found[0], 50.0, False)]


def joint_bars() -> list[Bar]:
    """Return the bars of one joint test: 200 runs x 20 metrics x 500 checkpoints."""
    rng = np.random.default_rng(0)
    mine, reference = rng.normal(size=(90, 10_000)), rng.normal(size=(110, 10_000))
    seconds = timed(lambda: max_t(mine, reference, rng=rng, n_permutations=OUR_PERMUTATIONS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    words = "joint max-T, 200 runs x 20 metrics x 500 points x 10,000 permutations"
    return [Bar(f"{words}, s", seconds, 20.0, True), Bar(f"{words}, GiB", peak, 1.0, True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one line per bar, return 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mne", default=os.environ.get("BENCH_MNE_PYTHON", ""))
    parser.add_argument("--rliable", default=os.environ.get("BENCH_RLIABLE_PYTHON", ""))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        bars = compare_mne(chosen.mne, Path(name)) + compare_rliable(chosen.rliable, Path(name))
    bars += joint_bars()
    for bar in bars:
        sign = "<=" if bar.is_upper else ">="
        if bar.value is None:
            print(f"skipped  {bar.words}: no python with that package given (see --help)")
        else:
            state = "met" if bar.is_met else "MISSED"
            print(f"{state:8s} {bar.words}: {bar.value:.3g} (bar {sign} {bar.limit:g})")
    return 0 if all(bar.is_met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
