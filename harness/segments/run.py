"""Run one algorithm's scenario in a child process and read its answer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.judgement import SegmentRow, SegmentsResult
from harness.records import Json, SideSpec

# Far above what a scenario takes (seconds); a side that waits for ever must not hold all up.
TIME_LIMIT_S = 120.0
SCENARIOS = Path(__file__).with_name("scenarios.toml")
# Version of an answer; part of its key.
SEGMENTS_SCHEMA = 1
_CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONHASHSEED": "0",
}


@cache
def scenarios() -> dict[str, dict[str, Json]]:
    """Return algorithm -> its scenario: env_id, total_timesteps, seed, hyperparameters."""
    return tomllib.loads(SCENARIOS.read_text(encoding="utf-8"))


def segments_key(
    algo: str, mine: SideSpec, reference: SideSpec, fingerprint: Mapping[str, str]
) -> str:
    """Return the hash of everything that can change the answer."""
    parts = {
        "schema": SEGMENTS_SCHEMA,
        "scenario": scenarios()[algo],
        "sides": [
            [one.source_digest, one.callable, dict(one.versions)] for one in (mine, reference)
        ],
        "fingerprint": dict(fingerprint),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_segments(algo: str, mine: SideSpec, reference: SideSpec) -> SegmentsResult:
    """Record the reference, replay mine, return the rows; never raises for what a side does."""
    scenario = scenarios()[algo]
    call = {**scenario, "algo": algo, "n_envs": 1, "device": "cpu"}
    with tempfile.TemporaryDirectory(prefix="segments-") as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        sides = {"mine": asdict(mine), "reference": asdict(reference)}
        request.write_text(json.dumps({**sides, "call": call}), encoding="utf-8")
        failure = _run_child(request, answer)
        if failure:
            return SegmentsResult(reason=failure)
        return _result(json.loads(answer.read_text(encoding="utf-8")))


def _run_child(request: Path, answer: Path) -> str:
    """Run the child; return why there is no answer, or "" when there is one."""
    command = [sys.executable, "-m", "harness.segments.child", str(request), str(answer)]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    try:
        done = subprocess.run(
            command,
            cwd=request.parent,
            env={**os.environ, **_CHILD_ENVIRONMENT, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the scenario did not end within {TIME_LIMIT_S:.0f} s"
    if not answer.is_file():
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
        return f"the scenario's process ended with exit code {done.returncode}: {tail[0][:200]}"
    return ""


def _result(found: Mapping[str, Any]) -> SegmentsResult:
    rows = TypeAdapter(tuple[SegmentRow, ...]).validate_python(found.get("rows", ()))
    events: Mapping[str, int] = dict(sorted(found.get("events", {}).items()))
    env_steps = 2 * int(events.get("env steps", 0))
    for role in ("reference", "mine"):
        error = found.get(f"{role}_error")
        if error:
            return SegmentsResult((), events, f"{role} raised in the scenario: {error}", env_steps)
    problems = found.get("problems", ())
    reason = f"{len(problems)} taps could not be read, first: {problems[0]}" if problems else ""
    return SegmentsResult(() if problems else rows, events, reason, env_steps)
