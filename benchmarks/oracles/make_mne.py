"""Run MNE on the shipped arrays: tests/stats/oracles/mne.json.

python -m venv /tmp/venv-mne && /tmp/venv-mne/bin/pip install mne
/tmp/venv-mne/bin/python benchmarks/oracles/make_mne.py
"""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import scipy
from mne.stats import permutation_cluster_1samp_test, permutation_cluster_test, permutation_t_test
from scipy.stats import ttest_ind

FOLDER = Path(__file__).parents[2] / "tests" / "stats" / "oracles"
N_PERMUTATIONS = 20_000
UNPAIRED_THRESHOLD = 2.2
PAIRED_THRESHOLD = 2.3


def welch_size(mine: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return |t| of Welch per column.

    Not t itself with tail=0: for two samples MNE 1.13.2 keeps only the largest positive cluster sum
    of each permutation, which is right for the F statistic it expects, and too small for a signed
    one.
    """
    return np.abs(ttest_ind(mine, reference, equal_var=False).statistic)


def unpaired(mine: np.ndarray, reference: np.ndarray) -> dict[str, object]:
    """Return MNE's cluster test of two samples."""
    t, clusters, p, _ = permutation_cluster_test(
        [mine, reference],
        threshold=UNPAIRED_THRESHOLD,
        n_permutations=N_PERMUTATIONS,
        tail=1,
        stat_fun=welch_size,
        out_type="mask",
        seed=0,
        verbose="error",
    )
    return {
        "threshold": UNPAIRED_THRESHOLD,
        "n_permutations": N_PERMUTATIONS,
        "t": t.tolist(),
        "clusters": [np.flatnonzero(_mask(cluster, t)).tolist() for cluster in clusters],
        "p": p.tolist(),
    }


def paired(pairs: np.ndarray) -> dict[str, object]:
    """Return MNE's exhaustive cluster and max-T tests of pair differences."""
    t, clusters, p, _ = permutation_cluster_1samp_test(
        pairs,
        threshold=PAIRED_THRESHOLD,
        n_permutations="all",
        seed=0,  # which flip is left out of the exhaustive list depends on it
        tail=0,
        out_type="mask",
        verbose="error",
    )
    _, max_t_p, _ = permutation_t_test(pairs, n_permutations="all", seed=0, verbose="error")
    return {
        "threshold": PAIRED_THRESHOLD,
        "t": t.tolist(),
        "clusters": [np.flatnonzero(_mask(cluster, t)).tolist() for cluster in clusters],
        "p": p.tolist(),
        "max_t_p": max_t_p.tolist(),
    }


def main() -> None:
    """Write MNE's outputs."""
    arrays = np.load(FOLDER / "arrays.npz")
    stored = {
        "versions": {"mne": mne.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
        "unpaired": unpaired(arrays["mine"], arrays["reference"]),
        "paired": paired(arrays["paired_mine"] - arrays["paired_reference"]),
    }
    (FOLDER / "mne.json").write_text(json.dumps(stored, indent=1) + "\n")


def _mask(cluster: object, t: np.ndarray) -> np.ndarray:
    """Return a cluster, given as mask or as tuple of slices, as a mask."""
    mask = np.zeros(len(t), dtype=bool)
    mask[cluster] = True
    return mask


if __name__ == "__main__":
    main()
