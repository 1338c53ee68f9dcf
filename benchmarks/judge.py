"""Time and memory of judging a stored comparison: 200 runs x 20 metrics x 500 points by default.

    python -m benchmarks.judge [--seeds 100] [--metrics 20] [--points 500]

The judging runs in a fresh process; its wall time includes imports, reading, verifying and testing
every trace, and writing the report. The bar: <= 20 s and <= 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.synthetic import comparison, store_comparison

_JUDGE = """
import json, resource, sys, time
begin = time.monotonic()
from pathlib import Path
from harness.pipeline import rejudge
result = rejudge(Path(sys.argv[1]))
peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"wall_s": time.monotonic() - begin, "peak_mib": peak_kib / 1024,
                  "verdict": result.judgement.verdict}))
"""


def measure(folder: Path) -> dict[str, float | str]:
    """Return wall seconds, peak MiB and verdict of judging `folder` in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _JUDGE, str(folder)], capture_output=True, text=True, check=True
    )
    found: dict[str, float | str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make the synthetic comparison, judge it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="seeds per side")
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--points", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        spec = comparison(n_seeds=asked.seeds, n_points=asked.points)
        folder = store_comparison(
            spec, Path(results), n_metrics=asked.metrics, rng=np.random.default_rng(0)
        )
        found = measure(folder)
    print(
        f"{2 * asked.seeds} runs x {asked.metrics} metrics x {asked.points} points: "
        f"{found['wall_s']:.1f} s, {found['peak_mib']:.0f} MiB, {found['verdict']}"
    )


if __name__ == "__main__":
    main()
