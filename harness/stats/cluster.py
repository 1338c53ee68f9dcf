"""Cluster-mass permutation test: an alternative to max-T for wide, low differences over time.

Sources: Bullmore et al. (1999), IEEE TMI 18; Maris & Oostenveld (2007), J. Neurosci. Methods 164.
The p value belongs to a whole cluster: its borders are not tested (Sassenhagen & Draschkow 2019,
Psychophysiology 56), so an onset must not be read off them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from harness.stats.permutation import FieldTest, count_to_p, field_scorer
from harness.stats.relabel import N_PERMUTATIONS, SCORE_ATOL, Scorer, in_chunks, relabellings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

# Two-sided pointwise level whose critical t enters clusters: the default of MNE and FieldTrip.
CLUSTER_LEVEL = 0.05
# Relative width of a tie between two masses; sums of up to 1e4 terms are good to about 1e-12.
MASS_RTOL = 1e-9


@dataclass(frozen=True)
class ClusterRule:
    """What makes a cluster.

    Attributes:
        starts: (n_hypotheses,) bool, True where no cluster may go on from the hypothesis before
            (first checkpoint of a metric, or a gap of untestable checkpoints); None: nowhere.
        threshold: points with |t| above it enter; None: the two-sided 5 % point of Student's t with
            n_mine + n_reference - 2 (paired: n - 1) degrees of freedom.
        n_permutations: relabellings to use; all of them when they are not more than this.
    """

    starts: NDArray[np.bool_] | None = None
    threshold: float | None = None
    n_permutations: int = N_PERMUTATIONS


def cluster_mass(
    mine: FloatArray,
    reference: FloatArray,
    *,
    rng: np.random.Generator,
    rule: ClusterRule | None = None,
    is_paired: bool = False,
) -> FieldTest:
    """Return the cluster-mass test; p of a point is that of its cluster, 1 outside clusters.

    A cluster is a stretch of neighbours with |t| above the threshold and one sign; its mass is the
    sum of |t|. The p value compares it with the largest mass under each relabelling. Null
    hypothesis and assumptions as in `max_t`; control is of "any cluster" (weak): single points
    inside a significant cluster are not established. |t| is capped near 1e5 so that masses stay
    finite.

    Args:
        mine: (n_mine, n_hypotheses), finite, neighbours in time adjacent.
        reference: (n_reference, n_hypotheses), finite; paired: row i belongs to row i of mine.
        rule: default: one unbroken stretch, the default threshold.

    Raises:
        TooFewSeeds: a side has fewer than 2 rows.
        ValueError: shapes do not fit, or a value is not finite.
    """
    chosen = rule or ClusterRule()
    scorer = field_scorer(
        mine, reference, is_paired=is_paired, n_permutations=chosen.n_permutations
    )
    breaks = _starts(chosen, mine.shape[1])
    threshold = _threshold(scorer, chosen)
    observed = _signed_t(scorer, scorer.observed())
    mass = _mass_per_point(observed[:, 0], breaks, threshold)
    largest = np.concatenate(
        [
            _largest_mass(_signed_t(scorer, chunk), breaks, threshold)
            for chunk in in_chunks(relabellings(scorer.design, rng=rng), mine.shape[1])
        ]
    )
    exceeding = len(largest) - np.searchsorted(np.sort(largest), mass * (1.0 - MASS_RTOL))
    exceeding = np.where(mass > 0.0, exceeding, len(largest))
    design = scorer.design
    p_adjusted = count_to_p(exceeding, n_drawn=len(largest), is_exact=design.is_exact)
    used = design.n_relabellings if design.is_exact else design.n_permutations + 1
    return FieldTest(observed[:, 0], p_adjusted, design.smallest_p, used, design.is_exact)


def _starts(rule: ClusterRule, n_hypotheses: int) -> NDArray[np.bool_]:
    starts = np.zeros(n_hypotheses, dtype=bool) if rule.starts is None else rule.starts.copy()
    if starts.shape != (n_hypotheses,):
        msg = f"starts must have shape ({n_hypotheses},), seen {starts.shape}"
        raise ValueError(msg)
    starts[:1] = True
    return starts


def _threshold(scorer: Scorer, rule: ClusterRule) -> float:
    if rule.threshold is not None:
        return rule.threshold
    design = scorer.design
    df = design.n_mine - 1 if design.is_paired else design.n_mine + design.n_reference - 2
    return float(stdtrit(df, 1.0 - CLUSTER_LEVEL / 2.0))


def _signed_t(scorer: Scorer, labels: FloatArray) -> FloatArray:
    """Return capped signed t statistics: (n_hypotheses, n_labels)."""
    signed = scorer.signed(labels)
    score = np.minimum(scorer.scores(labels, signed), 1.0 - SCORE_ATOL)
    rest = 1.0 - score
    score /= rest
    score *= scorer.t_scale
    np.sqrt(score, out=score)
    return np.asarray(np.copysign(score, signed, out=score))


def _largest_mass(t: FloatArray, starts: NDArray[np.bool_], threshold: float) -> FloatArray:
    """Return the largest cluster mass per column of `t` (n_hypotheses, n_labels)."""
    rising, falling = np.zeros(t.shape[1]), np.zeros(t.shape[1])
    largest = np.zeros(t.shape[1])
    for row, is_start in zip(t, starts, strict=True):
        for running, value in ((rising, row), (falling, -row)):
            if is_start:
                running[:] = 0.0
            running += value
            running *= value > threshold
            np.maximum(largest, running, out=largest)
    return largest


def _mass_per_point(t: FloatArray, starts: NDArray[np.bool_], threshold: float) -> FloatArray:
    """Return for each hypothesis the mass of its cluster, 0 outside clusters: (n_hypotheses,)."""
    sign = np.where(np.abs(t) > threshold, np.sign(t), 0.0)
    is_new = starts | (np.diff(sign, prepend=0.0) != 0.0)
    cluster = np.cumsum(is_new)
    mass = np.bincount(cluster, weights=np.where(sign != 0.0, np.abs(t), 0.0))
    return np.asarray(mass[cluster])
