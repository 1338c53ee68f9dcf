"""Interquartile mean over environments with stratified bootstrap intervals.

Source: Agarwal et al. (2021), Deep RL at the Edge of the Statistical Precipice, arXiv:2108.13264:
the interquartile mean of all runs of all tasks, runs resampled within each task, percentile
intervals. Stored outputs of their package rliable are oracles in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import TooFewSeeds
from harness.judgement import Aggregate, Interval
from harness.stats.grid import final_performance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Curves

    FloatArray = NDArray[np.float64]

N_BOOT = 10_000
LEVEL = 0.95
TRIM = 0.25  # share cut at each end, Agarwal et al. (2021)
# Normalising divides by what the reference learned. Below this many standard errors of its final
# mean that is noise, and normalised scores would be noise divided by noise.
LEARNED_ERRORS = 2.0
# Elements of one chunk of resampled scores (float64): 8 MiB.
CHUNK_ELEMENTS = 1 << 20


def iqm(scores: Sequence[FloatArray]) -> float:
    """Return the interquartile mean over all runs of all environments.

    Equals scipy.stats.trim_mean of the pooled scores with 0.25: floor(n / 4) values cut per end.

    Args:
        scores: one array (n_seeds,) per environment, finite, normalised.

    Raises:
        TooFewSeeds: no environment, or one without seeds.

    >>> iqm([np.array([0.0, 1.0]), np.array([2.0, 30.0])])
    1.5
    """
    _check_scores(scores)
    return float(_iqm_rows(np.concatenate(scores)[None, :])[0])


def stratified_bootstrap(
    scores: Sequence[FloatArray], *, rng: np.random.Generator, n_boot: int = N_BOOT
) -> FloatArray:
    """Return interquartile means of resamples, seeds drawn within each environment: (n_boot,).

    Raises:
        TooFewSeeds: no environment, or one without seeds.
    """
    _check_scores(scores)
    total = sum(len(env_scores) for env_scores in scores)
    step = max(1, CHUNK_ELEMENTS // total)
    chunks = []
    for start in range(0, n_boot, step):
        n_rows = min(step, n_boot - start)
        drawn = [
            env_scores[rng.integers(0, len(env_scores), size=(n_rows, len(env_scores)))]
            for env_scores in scores
        ]
        chunks.append(_iqm_rows(np.concatenate(drawn, axis=1)))
    return np.concatenate(chunks)


def aggregate_scores(
    mine: Sequence[FloatArray],
    reference: Sequence[FloatArray],
    *,
    rng: np.random.Generator,
    level: float = LEVEL,
    n_boot: int = N_BOOT,
) -> Aggregate:
    """Return the IQM of both sides and of mine - reference with percentile intervals.

    An environment with more seeds weighs more, as in the source. An interval over few seeds is too
    short (2 seeds per environment resample to 3 values): read it as a description, not as a test.

    Raises:
        TooFewSeeds: no environment, or one without seeds.
    """
    boot_mine = stratified_bootstrap(mine, rng=rng, n_boot=n_boot)
    boot_reference = stratified_bootstrap(reference, rng=rng, n_boot=n_boot)
    at_mine, at_reference = iqm(mine), iqm(reference)
    return Aggregate(
        _percentile(at_mine, boot_mine, level),
        _percentile(at_reference, boot_reference, level),
        _percentile(at_mine - at_reference, boot_mine - boot_reference, level),
    )


@dataclass(frozen=True)
class NormalisedScores:
    """Final performance on the scale 0 = reference at its start, 1 = reference at its end.

    Attributes:
        mine: (n_mine,). reference: (n_reference,). Empty when `reason` says why not.
    """

    mine: FloatArray
    reference: FloatArray
    reason: str = ""


def normalise(mine: Curves, reference: Curves) -> NormalisedScores:
    """Return (final - start) / (reference's mean final - start) per seed.

    `start` is the mean over reference seeds of their first measured checkpoint. Refused, with the
    reason, when a final value is missing or the reference did not rise by more than 2 standard
    errors of its final mean: then there is no scale to normalise with.
    """
    final = final_performance(mine, reference)
    values = np.concatenate([final.mine, final.reference])
    if len(final.mine) == 0 or len(final.reference) == 0 or not np.isfinite(values).all():
        n_missing = int(np.count_nonzero(~np.isfinite(values)))
        return _refused(f"{n_missing} seed(s) have no finite final performance")
    start = float(np.mean([row[~np.isnan(row)][0] for row in reference.values]))
    gain = float(final.reference.mean()) - start
    n = len(final.reference)
    error = float(final.reference.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    if not gain > LEARNED_ERRORS * error:
        return _refused(
            f"the reference rose by {gain:.4g} from {start:.4g}, not more than {LEARNED_ERRORS:g} "
            f"standard errors ({error:.4g}) of its final mean; train longer or add seeds"
        )
    return NormalisedScores((final.mine - start) / gain, (final.reference - start) / gain)


@dataclass(frozen=True)
class AggregateResult:
    """The aggregate over the environments that could be normalised, and why others could not.

    Attributes:
        aggregate: None when no environment could be normalised.
        excluded: env id -> reason.
    """

    aggregate: Aggregate | None
    excluded: Mapping[str, str]


def aggregate(
    curves: Mapping[str, tuple[Curves, Curves]], *, rng: np.random.Generator, level: float = LEVEL
) -> AggregateResult:
    """Return the aggregate of reference-normalised final performance over environments.

    Args:
        curves: env id -> (mine, reference) learning curves.
    """
    scores = {env_id: normalise(*pair) for env_id, pair in curves.items()}
    excluded = {env_id: score.reason for env_id, score in scores.items() if score.reason}
    usable = [score for score in scores.values() if not score.reason]
    if not usable:
        return AggregateResult(None, excluded)
    found = aggregate_scores(
        [score.mine for score in usable],
        [score.reference for score in usable],
        rng=rng,
        level=level,
    )
    return AggregateResult(found, excluded)


def _iqm_rows(scores: FloatArray) -> FloatArray:
    n = scores.shape[1]
    cut = int(TRIM * n)
    if cut:
        scores = np.partition(scores, (cut, n - cut - 1), axis=1)[:, cut : n - cut]
    return np.asarray(scores.mean(axis=1))


def _percentile(estimate: float, boot: FloatArray, level: float) -> Interval:
    low, high = np.quantile(boot, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(estimate, float(low), float(high), level)


def _refused(reason: str) -> NormalisedScores:
    return NormalisedScores(np.empty(0), np.empty(0), reason)


def _check_scores(scores: Sequence[FloatArray]) -> None:
    if not scores:
        msg = "expected scores of at least one environment, seen none"
        raise TooFewSeeds(msg)
    for position, env_scores in enumerate(scores):
        if len(env_scores) == 0:
            msg = f"environment number {position + 1} has no seeds; at least 1 is needed"
            raise TooFewSeeds(msg)
        if not np.isfinite(env_scores).all():
            msg = f"environment number {position + 1} holds NaN or infinite scores"
            raise ValueError(msg)
