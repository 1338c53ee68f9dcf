"""Make the arrays on which the oracles were run: tests/stats/oracles/arrays.npz.

    python benchmarks/oracles/make_arrays.py

Autocorrelated curves with a ramped difference, unequal and equal n, pairs; scores for the IQM.
Needs numpy only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[2] / "tests" / "stats" / "oracles"
N_POINTS = 60


def curves(rng: np.random.Generator, n: int, *, height: float) -> np.ndarray:
    """Return (n, N_POINTS) AR(1) curves with a ramp from checkpoint 25 to 40."""
    noise = rng.normal(size=(n, N_POINTS))
    for t in range(1, N_POINTS):
        noise[:, t] = 0.8 * noise[:, t - 1] + 0.6 * noise[:, t]
    return noise + height * np.clip((np.arange(N_POINTS) - 25) / 15.0, 0.0, 1.0)


def main() -> None:
    """Write the arrays."""
    rng = np.random.default_rng(20240611)
    arrays = {
        "mine": curves(rng, 7, height=2.0),
        "reference": curves(rng, 6, height=0.0),
        "paired_mine": curves(rng, 9, height=1.5),
        "paired_reference": curves(rng, 9, height=0.0),
        "scores_mine": rng.gamma(2.0, 0.4, size=(10, 5)),
        "scores_reference": rng.gamma(2.0, 0.5, size=(10, 5)),
        "scores_small": rng.normal(size=(3, 3)),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()
