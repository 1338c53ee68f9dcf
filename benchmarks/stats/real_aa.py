"""Count verdicts of a side against itself, on stored runs of a comparison. Nothing is trained.

    python -m benchmarks.stats.real_aa results/comparisons/dqn-... [--role reference] [--n 200]

The runs of one side are split at random into two disjoint groups and judged, again and again: every
DIVERGED is false. Splits of the same runs depend on each other, so the rate is known less exactly
than the binomial interval says.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from harness.codec import from_plain
from harness.judge import Gathered, RunId, judge_look
from harness.records import ComparisonSpec, RunRecord, Trace
from harness.store.store import Store


def load(folder: Path, role: str) -> tuple[ComparisonSpec, list[tuple[RunRecord, Trace]]]:
    """Return the request of a stored comparison and its usable runs of one side."""
    document = Store.read_comparison(folder)
    store = Store(folder.parent.parent)
    records = [
        from_plain(RunRecord, run["record"]) for run in document["runs"] if run["role"] == role
    ]
    runs = [(record, store.load(record.spec)) for record in records if record.is_usable]
    return from_plain(ComparisonSpec, document["spec"]), runs


def verdict(
    spec: ComparisonSpec, runs: Sequence[tuple[RunRecord, Trace]], rng: np.random.Generator
) -> str:
    """Return the verdict of one random split of `runs` into mine and reference, look by look."""
    n = spec.looks[-1]
    drawn = rng.permutation(len(runs))[: 2 * n].tolist()
    env_id = spec.envs[0].env_id
    places = [RunId(role, env_id, seed) for role in ("mine", "reference") for seed in range(n)]
    chosen = {place: runs[index] for place, index in zip(places, drawn, strict=True)}
    for look, seen in enumerate(spec.looks):
        known = {place: run for place, run in chosen.items() if place.seed < seen}
        gathered = Gathered(
            {place: record for place, (record, _) in known.items()},
            {place: trace for place, (_, trace) in known.items()},
        )
        found = judge_look(spec, gathered, look).decision.verdict
        if found != "inconclusive":
            return found
    return "inconclusive"


def table(counts: Mapping[str, Counter[str]]) -> str:
    """Return shares of verdicts with exact 95 % intervals, as markdown."""
    lines = ["| looks | verdict | share | 95 % interval | splits |", "|---|---|---|---|---|"]
    for looks, found in counts.items():
        total = found.total()
        for name in ("diverged", "parity", "inconclusive"):
            test = binomtest(found[name], total)
            limits = test.proportion_ci(0.95)
            interval = f"{100 * limits.low:.1f} - {100 * limits.high:.1f} %"
            share = f"{100 * test.statistic:.1f} %"
            lines.append(f"| {looks} | {name} | {share} | {interval} | {total} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge random splits of one side's runs and print the shares of verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--role", choices=("mine", "reference"), default="reference")
    parser.add_argument("--n", type=int, default=200, help="splits per row")
    chosen = parser.parse_args(arguments)
    spec, runs = load(chosen.folder, chosen.role)
    counts = {}
    for looks in ((5,), (3, 5, 8)):
        if 2 * looks[-1] <= len(runs):
            asked = replace(spec, looks=looks, seeds=tuple(range(looks[-1])), is_paired=False)
            rng = np.random.default_rng(len(looks))
            counts["-".join(map(str, looks))] = Counter(
                verdict(asked, runs, rng) for _ in range(chosen.n)
            )
    print(table(counts))


if __name__ == "__main__":
    main()
