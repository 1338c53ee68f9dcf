"""False alarms of segments and draws: the reference as both sides, scenarios under other seeds.

The second one is nudged by rounding after every optimiser step, so that the two are never equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.rates import rate
from harness.calibrate.recorded import reference_again
from harness.calibrate.shared import SEARCHING, Work, code_version
from harness.localise.replayed import from_segments
from harness.segments.scenario import scenarios
from harness.spec.references import find_reference


def tasks(at: Work) -> list[Task]:
    """Return one task per algorithm and seed, seed by seed."""
    n = at.plan.trials("false-alarms", "segment_seeds")
    return [
        Task(f"{algo} segments, seed {seed}", key_of("segment-aa", algo, seed), once, (algo, seed))
        for seed in range(1, n + 1)
        for algo in scenarios()
        if not at.plan.algos or algo in at.plan.algos
    ]


def once(algo: str, seed: int) -> Record:
    """Return what was found between the reference and itself: everything is false."""
    result = reference_again(algo, find_reference(None, algo=algo), seed=seed)
    findings = [] if result.reason else from_segments(result)
    return {
        "algo": algo,
        "code": code_version(*SEARCHING),
        "reason": result.reason,
        "found": [[one.level, one.quantity, one.component] for one in findings],
        "n_draws": len(result.draws),
    }


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return the rates of a finding among segments and among draws, and which there were."""
    answered = [one for one in records if not one["reason"]]
    rates = {
        level: vars(
            rate(sum(any(f[0] == level for f in one["found"]) for one in answered), len(answered))
        )
        for level in ("segment", "draw")
    }
    found = [f"{one['algo']}: {f[0]} {f[1]}" for one in answered for f in one["found"]]
    return {**rates, "failed": len(records) - len(answered), "found": found}
