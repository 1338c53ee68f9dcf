"""Run one algorithm's scenarios in child processes, side by side, and join their answers."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.children import ENVIRONMENT, Children
from harness.judgement import SegmentsResult
from harness.records import Json, SideSpec
from harness.segments.join import joined
from harness.segments.scenario import Scenario, scenarios

# Far above what a scenario takes (seconds); a side that waits for ever must not hold all up.
TIME_LIMIT_S = 120.0


@dataclass(frozen=True)
class Values:
    """Hyperparameters that the comparison itself asks for.

    Attributes:
        fallback: taken where mine refuses that of a scenario.
        asked: the same in every environment, with "n_envs": taken where mine is seen to keep them.
    """

    fallback: Mapping[str, Json]
    asked: Mapping[str, Json]


def segments_key(
    algo: str,
    mine: SideSpec,
    reference: SideSpec,
    *,
    values: Values,
    fingerprint: Mapping[str, str],
) -> str:
    """Return the hash of everything that can change the answer."""
    parts = {
        "scenarios": [asdict(scenario) for scenario in scenarios()[algo]],
        "sides": [
            [one.source_digest, one.callable, dict(one.versions)] for one in (mine, reference)
        ],
        "values": asdict(values),
        "fingerprint": dict(fingerprint),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_segments(
    algo: str,
    mine: SideSpec,
    reference: SideSpec,
    *,
    values: Values,
    jobs: int = 1,
) -> SegmentsResult:
    """Record the reference, replay mine, return the rows; never raises for what a side does.

    Args:
        values: what the comparison asks for.
        jobs: scenarios run side by side.
    """
    children = Children()

    def run(scenario: Scenario) -> dict[str, Any]:
        sides = {"mine": asdict(mine), "reference": asdict(reference)}
        request = {**sides, **asdict(values), "scenario": asdict(scenario)}
        return run_child(children, "harness.segments.child", request, time_limit_s=TIME_LIMIT_S)

    answers = children.side_by_side(run, scenarios()[algo], jobs=jobs)
    return joined(algo, scenarios()[algo], answers)


def run_child(
    children: Children, module: str, request: Mapping[str, Any], *, time_limit_s: float
) -> dict[str, Any]:
    """Return the answer of one child process; {"failure": why} when it gave none."""
    with tempfile.TemporaryDirectory(prefix="segments-", ignore_cleanup_errors=True) as folder:
        asked, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        code, words = children.ask(
            module, (asked, answer), environment=ENVIRONMENT, time_limit_s=time_limit_s
        )
        if answer.is_file() and code is not None:
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return found
    if code is None:
        return {"failure": f"it did not end within {time_limit_s:,.0f} s"}
    said = words.strip().splitlines()[-1:] or ["no output"]
    return {"failure": f"its process ended with exit code {code}: {said[0][:200]}"}
