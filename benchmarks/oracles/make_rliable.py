"""Run rliable on the shipped arrays: tests/stats/oracles/rliable.json.

    python -m venv /tmp/venv-rliable && /tmp/venv-rliable/bin/pip install "pandas<3" rliable
    /tmp/venv-rliable/bin/python benchmarks/oracles/make_rliable.py

rliable ignores the random state it is given; the global generator is seeded instead.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

FOLDER = Path(__file__).parents[2] / "tests" / "stats" / "oracles"
REPS = 20_000


def main() -> None:
    """Write rliable's outputs."""
    arrays = np.load(FOLDER / "arrays.npz")
    scores = {"mine": arrays["scores_mine"], "reference": arrays["scores_reference"]}
    np.random.seed(0)  # noqa: NPY002 - the only seed that rliable obeys
    iqm = lambda x: np.array([metrics.aggregate_iqm(x)])  # noqa: E731
    points, intervals = library.get_interval_estimates(scores, iqm, reps=REPS)
    stored = {
        "versions": {
            name: version(name) for name in ("rliable", "arch", "numpy", "scipy", "pandas")
        },
        "reps": REPS,
        "level": 0.95,
        "iqm": {side: float(point[0]) for side, point in points.items()},
        "iqm_small": float(metrics.aggregate_iqm(arrays["scores_small"])),
        "interval": {side: limits[:, 0].tolist() for side, limits in intervals.items()},
    }
    (FOLDER / "rliable.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
