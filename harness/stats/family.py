"""One joint difference test over metrics x time: which metric differs, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.stats.cluster import ClusterRule, cluster_mass
from harness.stats.permutation import FieldTest, Moderation, moderated_max_t
from harness.stats.relabel import N_PERMUTATIONS, require_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.records import Curves

    FloatArray = NDArray[np.float64]
    Pairs = Mapping[str, tuple["Curves", "Curves"]]

DifferenceTest = Literal["max-t", "cluster-mass"]


@dataclass(frozen=True)
class FamilyTest:
    """The joint test of several metrics; every metric given is in `p_adjusted` or in `excluded`.

    Attributes:
        p_adjusted: metric -> (n_checkpoints,), adjusted for all metrics and checkpoints of the
            family; NaN where not testable.
        statistic: metric -> (n_checkpoints,) signed t of mine - reference; NaN where not testable.
        smallest_p: smallest p that any data of this design could give.
        excluded: metric -> why it could not be tested at all.
        untested_points: metric -> checkpoints at which some seed of a side has no finite value.
    """

    p_adjusted: Mapping[str, FloatArray]
    statistic: Mapping[str, FloatArray]
    smallest_p: float
    is_exact: bool
    excluded: Mapping[str, str]
    untested_points: Mapping[str, int]


@dataclass(frozen=True)
class FamilyOptions:
    """How a family is tested."""

    method: DifferenceTest = "max-t"
    is_paired: bool = False
    n_permutations: int = N_PERMUTATIONS


def family_test(
    curves: Pairs, *, rng: np.random.Generator, options: FamilyOptions | None = None
) -> FamilyTest | None:
    """Return the joint test of all metrics at all checkpoints, or None when nothing was testable.

    Null hypothesis, per metric and checkpoint: both sides have the same distribution. A run keeps
    its label over all metrics and checkpoints, so their dependence is respected. A checkpoint is
    testable where every seed of both sides has a finite value; the others are counted, a metric
    without any is named with the seeds that are to blame. Assumptions and meaning: see
    `moderated_max_t`, `cluster_mass`.

    Args:
        curves: metric -> (mine, reference) on the same checkpoints; rows of all metrics belong to
            the same seeds in the same order (a metric with other seeds is excluded and named).

    Raises:
        TooFewSeeds: a side has fewer than 2 seeds.
        ValueError: the two sides of a metric lie on different checkpoints, or no metric was given.
    """
    chosen = options or FamilyOptions()
    columns, excluded = _testable_columns(curves, is_paired=chosen.is_paired)
    untested = {metric: int(np.count_nonzero(~mask)) for metric, mask in columns.items()}
    tested = {metric: mask for metric, mask in columns.items() if metric not in excluded}
    if not tested:
        return None
    field = _test_field(curves, tested, rng=rng, options=chosen)
    return FamilyTest(
        _by_metric(field.p_adjusted, tested),
        _by_metric(field.statistic, tested),
        field.smallest_p,
        field.is_exact,
        excluded,
        untested,
    )


def _test_field(
    curves: Pairs,
    tested: Mapping[str, NDArray[np.bool_]],
    *,
    rng: np.random.Generator,
    options: FamilyOptions,
) -> FieldTest:
    mine = np.concatenate(
        [curves[name][0].values[:, mask] for name, mask in tested.items()], axis=1
    )
    reference = np.concatenate(
        [curves[name][1].values[:, mask] for name, mask in tested.items()], axis=1
    )
    # Neither a cluster nor a variance reaches across metrics or checkpoints that were not tested.
    breaks = [np.diff(np.flatnonzero(mask), prepend=-2) != 1 for mask in tested.values()]
    for first in breaks:
        first[:1] = True
    starts = np.concatenate(breaks)
    if options.method == "max-t":
        moderation = Moderation(starts, options.n_permutations, options.is_paired)
        return moderated_max_t(mine, reference, rng=rng, rule=moderation)
    return cluster_mass(
        mine,
        reference,
        rng=rng,
        rule=ClusterRule(starts, n_permutations=options.n_permutations),
        is_paired=options.is_paired,
    )


def _testable_columns(
    curves: Pairs, *, is_paired: bool
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, str]]:
    """Return metric -> testable checkpoints, and metric -> reason for those without any."""
    if not curves:
        msg = "expected at least one metric to test, seen none"
        raise ValueError(msg)
    roster = max(((m.seeds, r.seeds) for m, r in curves.values()), key=_n_seeds)
    require_seeds(len(roster[0]), len(roster[1]), is_paired=is_paired)
    columns: dict[str, NDArray[np.bool_]] = {}
    excluded: dict[str, str] = {}
    for metric, (mine, reference) in curves.items():
        if not np.array_equal(mine.checkpoints, reference.checkpoints):
            msg = f"{metric}: mine and reference lie on different checkpoints; use one grid"
            raise ValueError(msg)
        columns[metric] = np.zeros(len(mine.checkpoints), dtype=bool)
        if (mine.seeds, reference.seeds) != roster:
            excluded[metric] = _other_seeds((mine.seeds, reference.seeds), roster)
            continue
        columns[metric] = np.isfinite(np.concatenate([mine.values, reference.values])).all(axis=0)
        if not columns[metric].any():
            excluded[metric] = _blame(mine, reference)
    return columns, excluded


def _n_seeds(seeds: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    return len(seeds[0]) + len(seeds[1])


def _other_seeds(
    seen: tuple[tuple[int, ...], tuple[int, ...]], expected: tuple[tuple[int, ...], tuple[int, ...]]
) -> str:
    parts = []
    for side, have, want in zip(("mine", "reference"), seen, expected, strict=True):
        missing = sorted(set(want) - set(have))
        if missing:
            parts.append(f"{side} lacks seed(s) {', '.join(map(str, missing))}")
    return "; ".join(parts) or "its seeds are in another order than those of the other metrics"


def _blame(mine: Curves, reference: Curves) -> str:
    """Say which seeds have no finite value where, for a metric without testable checkpoints."""
    parts = []
    for side, curve in (("mine", mine), ("reference", reference)):
        holes = np.count_nonzero(~np.isfinite(curve.values), axis=1)
        parts += [
            f"{side} seed {seed}: {count} of {curve.values.shape[1]}"
            for seed, count in zip(curve.seeds, holes, strict=True)
            if count
        ]
    listed = ", ".join(parts[:6]) + (f" and {len(parts) - 6} more" if len(parts) > 6 else "")
    return f"no checkpoint at which every seed has a finite value (not finite: {listed})"


def _by_metric(field: FloatArray, tested: Mapping[str, NDArray[np.bool_]]) -> dict[str, FloatArray]:
    """Return the flat results as one array per metric, NaN at untestable checkpoints."""
    result: dict[str, FloatArray] = {}
    start = 0
    for metric, mask in tested.items():
        count = int(np.count_nonzero(mask))
        values = np.full(len(mask), np.nan)
        values[mask] = field[start : start + count]
        result[metric] = values
        start += count
    return result
