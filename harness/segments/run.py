"""Run one algorithm's scenarios in child processes, side by side, and join their answers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.judgement import SegmentsResult
from harness.records import Json, SideSpec
from harness.segments.join import joined
from harness.segments.scenario import Scenario, scenarios

# Far above what a scenario takes (seconds); a side that waits for ever must not hold all up.
TIME_LIMIT_S = 120.0
# Version of an answer; part of its key.
SEGMENTS_SCHEMA = 2
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONHASHSEED": "0",
}


def segments_key(
    algo: str,
    mine: SideSpec,
    reference: SideSpec,
    *,
    fallback: Mapping[str, Json],
    fingerprint: Mapping[str, str],
) -> str:
    """Return the hash of everything that can change the answer."""
    parts = {
        "schema": SEGMENTS_SCHEMA,
        "scenarios": [asdict(scenario) for scenario in scenarios()[algo]],
        "sides": [
            [one.source_digest, one.callable, dict(one.versions)] for one in (mine, reference)
        ],
        "fallback": dict(fallback),
        "fingerprint": dict(fingerprint),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_segments(
    algo: str,
    mine: SideSpec,
    reference: SideSpec,
    *,
    fallback: Mapping[str, Json],
    jobs: int = 1,
) -> SegmentsResult:
    """Record the reference, replay mine, return the rows; never raises for what a side does.

    Args:
        fallback: hyperparameter -> value to take where mine refuses that of the scenario.
        jobs: scenarios run side by side.
    """

    def run(scenario: Scenario) -> dict[str, Any]:
        sides = {"mine": asdict(mine), "reference": asdict(reference)}
        request = {**sides, "scenario": asdict(scenario), "fallback": dict(fallback)}
        return run_child("harness.segments.child", request, time_limit_s=TIME_LIMIT_S)

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        answers = list(pool.map(run, scenarios()[algo]))
    return joined(algo, scenarios()[algo], answers)


def run_child(module: str, request: Mapping[str, Any], *, time_limit_s: float) -> dict[str, Any]:
    """Return the answer of one child process; {"failure": why} when it gave none."""
    with tempfile.TemporaryDirectory(prefix="segments-") as folder:
        asked, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        failure = _run(module, asked, answer, time_limit_s)
        if failure:
            return {"failure": failure}
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found


def _run(module: str, asked: Path, answer: Path, time_limit_s: float) -> str:
    """Run the child; return why there is no answer, or "" when there is one."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, str(asked), str(answer)],
            cwd=asked.parent,
            env={**os.environ, **CHILD_ENVIRONMENT, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the scenario did not end within {time_limit_s:.0f} s"
    if not answer.is_file():
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
        return f"the scenario's process ended with exit code {done.returncode}: {tail[0][:200]}"
    return ""
