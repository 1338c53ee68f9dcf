"""Pre-flight: both sides begun as for a whole run and ended after their first updates.

What each side really uses is seen in about a second, the values that nobody set among it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.children import ENVIRONMENT
from harness.codec import from_plain, to_plain
from harness.preflight import PreflightResult, PreflightRun
from harness.records import Outcome, Role, RunSpec

# A side that neither trains nor ends, seconds; and the imports of the process that forks the runs.
TIME_LIMIT_S, IMPORTS_S = 30.0, 60.0
# Run inside the child's interpreter: this process's import path, then the child.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.run.preflight_child import main; sys.exit(main(sys.argv[2:]))"
)

Planned = tuple[Role, RunSpec]


def preflight_key(runs: Sequence[Planned]) -> str:
    """Return the hash of everything that can change the answer."""
    content = [[role, run.key] for role, run in runs]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def preflight(
    runs: Sequence[Planned], *, jobs: int, time_limit_s: float = TIME_LIMIT_S
) -> PreflightResult:
    """Begin the runs, end them after their first updates, return what was seen of them.

    Never raises for what a side does: each run says in its outcome what became of it.

    Args:
        runs: per environment mine with one seed, the reference with two or more. jobs: at once.
        time_limit_s: of one run that does not come to its first update.
    """
    started_s = time.monotonic()
    found = _begin(runs, jobs=jobs, time_limit_s=time_limit_s)
    return PreflightResult(found, time.monotonic() - started_s)


def _begin(runs: Sequence[Planned], *, jobs: int, time_limit_s: float) -> tuple[PreflightRun, ...]:
    """Begin the runs in a child process; without an answer of it, every run has crashed."""
    request = {
        "runs": [{"role": role, "run": to_plain(run)} for role, run in runs],
        "jobs": jobs,
        "time_limit_s": time_limit_s,
    }
    limit_s = IMPORTS_S + time_limit_s * len(runs)
    with tempfile.TemporaryDirectory(prefix="preflight-") as folder:
        asked, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        failure = _call_child(asked, answer, limit_s)
        if failure:
            return tuple(
                PreflightRun(role, run.env_id, run.seed, Outcome.CRASHED, failure)
                for role, run in runs
            )
        answers = json.loads(answer.read_text(encoding="utf-8"))
    return tuple(from_plain(PreflightRun, one) for one in answers)


def _call_child(asked: Path, answer: Path, limit_s: float) -> str:
    """Run the child; return why there is no answer, or "" when there is one."""
    path = json.dumps([entry or os.getcwd() for entry in sys.path])  # noqa: PTH109
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", BOOT, path, str(asked), str(answer)],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the pre-flight did not end within {limit_s:.0f} s"
    if answer.is_file():
        return ""
    tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
    return f"the pre-flight's process ended with exit code {done.returncode}: {tail[0][:200]}"
