"""How often the facts of the pre-flight differ between the reference and itself: never, they must.

    python -m benchmarks.preflight [--algos dqn,ppo] [--seeds 8] [--jobs 2]

Every algorithm's reference is begun once per seed on the smallest environment that it trains on;
then every seed stands for mine against every pair of the other seeds. Exit code 1 with any alarm.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence

from harness.cli import options
from harness.judgement import FactRow
from harness.localise import compare_facts, differing_facts
from harness.plan.identity import identify
from harness.plan.plan import plan_run
from harness.run.preflight import preflight
from harness.spec.cards import algos, card
from harness.spec.references import default_reference
from harness.spec.resolve import resolve

ENVS = {
    "discrete": "CartPole-v1",
    "continuous": "Pendulum-v1",
    "multi-discrete": "probes/ExposingMultiDiscrete-v0",
    "multi-binary": "probes/ExposingMultiBinary-v0",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Begin the references, compare their facts, print one line per algorithm and environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algos", default=",".join(algos()))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args(arguments)
    n_alarms = n_pairs = 0
    for algo in asked.algos.split(","):
        for kind in card(algo).action_types:
            found = _compared(algo, ENVS[kind], n_seeds=asked.seeds, jobs=asked.jobs)
            alarms = [row for rows in found for row in differing_facts(rows)]
            n_alarms, n_pairs = n_alarms + len(alarms), n_pairs + len(found)
            print(f"{algo} on {ENVS[kind]}: {len(found)} comparisons, {len(alarms)} alarms")
            for row in alarms[:3]:
                print(f"  {row.name}: {row.mine} for {row.reference}")
    print(f"in all: {n_pairs} comparisons, {n_alarms} alarms")
    return 1 if n_alarms else 0


def _compared(algo: str, env_id: str, *, n_seeds: int, jobs: int) -> list[tuple[FactRow, ...]]:
    """Return the facts table of every seed against every pair of others."""
    asked = {"algo": algo, "envs": env_id, "mine": default_reference(algo), "budget": "quick"}
    request = options.to_request(asked)
    spec = resolve(request, identify=identify)
    runs = [
        ("reference", plan_run(spec, spec.envs[0], role="reference", seed=seed))
        for seed in range(n_seeds)
    ]
    begun = preflight(runs, jobs=jobs)  # type: ignore[arg-type]
    for run in begun.failed:
        print(f"  seed {run.seed}: {run.message}", file=sys.stderr)
    facts = begun.facts_of("reference", env_id)
    return [
        compare_facts({mine: facts[mine]}, {one: facts[one], other: facts[other]}, env_id=env_id)
        for mine in facts
        for one, other in itertools.combinations(sorted(facts.keys() - {mine}), 2)
    ]


if __name__ == "__main__":
    sys.exit(main())
