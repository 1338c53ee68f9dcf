"""Studentised max-T permutation test: which of many hypotheses differ, at one family-wise level.

Sources: Westfall & Young (1993), Resampling-Based Multiple Testing, algorithm 2.8 (free step-down
max-T); Ge, Dudoit & Speed (2003), TEST 12, box 2; Janssen (1997), Stat. Probab. Lett. 36: the
studentised (Welch) statistic keeps a permutation test's level asymptotically when variances differ;
Phipson & Smyth (2010), SAGMB 9: (b + 1) / (m + 1) for sampled permutations; Smyth (2004), SAGMB 3:
variances moderated by those of other hypotheses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.relabel import (
    N_PERMUTATIONS,
    SCORE_ATOL,
    Design,
    Scorer,
    in_chunks,
    neighbours,
    relabellings,
    standardise,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FieldTest:
    """A test of many hypotheses at once.

    Attributes:
        statistic: (n_hypotheses,) signed Welch (paired: one-sample) t of mine - reference.
        p_adjusted: (n_hypotheses,) adjusted for all hypotheses.
        smallest_p: smallest p that any data of this design could give.
        n_permutations: relabellings used, the observed one included.
    """

    statistic: FloatArray
    p_adjusted: FloatArray
    smallest_p: float
    n_permutations: int
    is_exact: bool


def max_t(
    mine: FloatArray,
    reference: FloatArray,
    *,
    rng: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
    is_paired: bool = False,
) -> FieldTest:
    """Return the step-down max-T test of "both sides have the same distribution" per hypothesis.

    Null hypothesis, per column: mine and reference have the same distribution; asymptotically, by
    studentisation, the same mean. Assumptions: runs are independent and exchangeable under the
    null; strong control of the family-wise error needs subset pivotality (the joint distribution of
    true null columns does not depend on the others). Smallest usable n: 2 per side to compute; see
    `smallest_p` for what can reject. A non-rejection says nothing about equality.

    Args:
        mine: (n_mine, n_hypotheses), finite, one run per row.
        reference: (n_reference, n_hypotheses), finite; paired: row i belongs to row i of mine.

    Raises:
        TooFewSeeds: a side has fewer than 2 rows.
        ValueError: shapes do not fit, or a value is not finite.

    >>> rng = np.random.default_rng(0)
    >>> low, high = np.zeros((5, 1)) + rng.normal(size=(5, 1)), 9 + rng.normal(size=(5, 1))
    >>> round(float(max_t(low, high, rng=rng).p_adjusted[0]), 4)
    0.0079
    """
    scorer = field_scorer(mine, reference, is_paired=is_paired, n_permutations=n_permutations)
    return _max_t(scorer, rng)


@dataclass(frozen=True)
class Moderation:
    """How `moderated_max_t` permutes, and which columns are neighbours in time.

    Attributes:
        starts: (n_hypotheses,), True where a new stretch begins: another metric, or a gap.
    """

    starts: NDArray[np.bool_]
    n_permutations: int = N_PERMUTATIONS
    is_paired: bool = False


def moderated_max_t(
    mine: FloatArray, reference: FloatArray, *, rng: np.random.Generator, rule: Moderation
) -> FieldTest:
    """Return `max_t` with each variance moderated by those of its neighbours in time.

    With few runs and many columns the largest t of a relabelling mostly comes from a column whose
    spread is tiny by chance; moderation takes that away and so shows real differences. Null
    hypothesis, arguments and errors as for `max_t`. "Any difference" is exact, as there; beside a
    large difference, the t of a column without one rises by at most sqrt(1 + PRIOR_DF / df).
    """
    scorer = field_scorer(
        mine, reference, is_paired=rule.is_paired, n_permutations=rule.n_permutations
    )
    return _max_t(replace(scorer, neighbours=neighbours(scorer.units, rule.starts)), rng)


def _max_t(scorer: Scorer, rng: np.random.Generator) -> FieldTest:
    signed = scorer.signed(scorer.observed())
    score = scorer.scores(scorer.observed(), signed)
    p_adjusted = _step_down(scorer, score[:, 0], rng=rng)
    return _field_test(scorer, scorer.statistic(score, signed)[:, 0], p_adjusted)


def smallest_p(
    n_mine: int, n_reference: int, *, is_paired: bool, n_permutations: int = N_PERMUTATIONS
) -> float:
    """Return the smallest p value that any data can give with this design.

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.

    >>> smallest_p(3, 3, is_paired=False)
    0.1
    """
    return Design(n_mine, n_reference, is_paired, n_permutations).smallest_p


def field_scorer(
    mine: FloatArray, reference: FloatArray, *, is_paired: bool, n_permutations: int
) -> Scorer:
    """Return the scorer of checked, standardised runs.

    Raises:
        TooFewSeeds: a side has fewer than 2 rows.
        ValueError: shapes do not fit, or a value is not finite.
    """
    if mine.ndim != 2 or reference.ndim != 2 or mine.shape[1] != reference.shape[1]:
        msg = (
            "expected (n_mine, n_hypotheses) and (n_reference, n_hypotheses), "
            f"seen {mine.shape} and {reference.shape}"
        )
        raise ValueError(msg)
    design = Design(len(mine), len(reference), is_paired, n_permutations)
    for side, values in (("mine", mine), ("reference", reference)):
        if not np.isfinite(values).all():
            count = int(np.count_nonzero(~np.isfinite(values)))
            msg = f"{side} holds {count} NaN or infinite value(s); select finite columns first"
            raise ValueError(msg)
    return Scorer(design, standardise(mine, reference, is_paired=is_paired))


def _step_down(scorer: Scorer, observed: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """Return free step-down adjusted p values of the observed scores, (n_hypotheses,)."""
    ascending = np.argsort(observed, kind="stable")
    # Moderated scores need neighbours side by side, so rows are put in order afterwards.
    is_moderated = scorer.neighbours is not None
    ordered = scorer if is_moderated else Scorer(scorer.design, scorer.units[:, ascending])
    threshold = (observed[ascending] - SCORE_ATOL)[:, None]
    labels = relabellings(scorer.design, rng=rng)
    exceeding = np.zeros(len(observed), dtype=np.int64)
    for chunk in in_chunks(labels, len(observed)):
        scores = ordered.scores(chunk)
        if is_moderated:
            scores = scores[ascending]
        # Row j becomes the maximum over hypotheses whose observed score is not above that of j.
        np.maximum.accumulate(scores, axis=0, out=scores)
        exceeding += np.count_nonzero(scores >= threshold, axis=1)
    p_ascending = count_to_p(exceeding, n_drawn=len(labels), is_exact=scorer.design.is_exact)
    # Monotone: a hypothesis is never rejected before one with a larger statistic.
    p_monotone = np.maximum.accumulate(p_ascending[::-1])[::-1]
    p_adjusted = np.empty_like(p_monotone)
    p_adjusted[ascending] = p_monotone
    return p_adjusted


def count_to_p(exceeding: NDArray[np.int64], *, n_drawn: int, is_exact: bool) -> FloatArray:
    """Return p values from the number of relabellings at least as extreme as the observed one."""
    if is_exact:
        return np.asarray(exceeding / n_drawn)
    return np.asarray((exceeding + 1.0) / (n_drawn + 1.0))


def _field_test(scorer: Scorer, statistic: FloatArray, p_adjusted: FloatArray) -> FieldTest:
    design = scorer.design
    used = design.n_relabellings if design.is_exact else design.n_permutations + 1
    return FieldTest(statistic, p_adjusted, design.smallest_p, used, design.is_exact)
