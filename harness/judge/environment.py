"""The tests of one environment: joint over metrics and time, and equivalence of its endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.judge.view import EnvView, Levels, generator
from harness.judgement import EndpointTest, EnvJudgement, MetricTest, Verdict
from harness.records import ComparisonSpec, Curves
from harness.spec.metrics import metric as metric_row
from harness.stats.endpoints import EndpointRules, endpoint_tests
from harness.stats.family import FamilyOptions, FamilyTest, family_test
from harness.stats.onset import onset_interval

# Permutations of the labels: all assignments are enumerated while there are no more than this
# (8 against 8 seeds: 12,870, drawn); the Monte Carlo error of p = 0.05 is 0.002.
N_PERMUTATIONS = 10_000
FAMILIES = ("curve", "trace")


def tests_of_env(spec: ComparisonSpec, view: EnvView, look: int) -> dict[str, FamilyTest]:
    """Return the joint test over metrics and time of each family; none while runs are missing."""
    if not view.is_complete:
        return {}
    tests = {}
    for family in FAMILIES:
        curves = {
            name: pair
            for name, pair in view.curves.items()
            if (row := metric_row(spec.algo, name)).family == family and row.is_tested
        }
        if curves:
            rng = generator(spec, view.plan.env_id, family, look)
            options = FamilyOptions(spec.difference_test, spec.is_paired, N_PERMUTATIONS)
            tests[family] = family_test(curves, rng=rng, options=options)
    return {family: test for family, test in tests.items() if test is not None}


def judge_env(
    spec: ComparisonSpec,
    view: EnvView,
    tests: Mapping[str, FamilyTest],
    *,
    levels: Levels,
    holm_levels: Mapping[tuple[str, str], float],
) -> EnvJudgement:
    """Return everything said about one environment at one look.

    Args:
        tests: family -> joint test; empty while runs are missing.
        holm_levels: (environment, family) -> level that its p values are compared with.
    """
    plan = view.plan
    metrics = tuple(
        _metric_test(spec, view, test, metric=name, level=holm_levels[plan.env_id, family])
        for family, test in tests.items()
        for name in test.p_adjusted
    )
    endpoints = _endpoints(spec, view, alpha=levels.equivalence) if tests else ()
    return EnvJudgement(
        env_id=plan.env_id,
        tier=plan.tier,
        n_mine=len(view.mine),
        n_reference=len(view.reference),
        total_timesteps=plan.total_timesteps,
        outcome=_env_outcome(view, metrics, endpoints),
        metrics=metrics,
        endpoints=endpoints,
        smallest_p=levels.smallest_p if tests else None,
        alpha_per_test=min(holm_levels[plan.env_id, family] for family in FAMILIES),
        hyperparameters=plan.hyperparameters,
        sources=plan.sources,
        notes=_notes(view, tests),
    )


def _env_outcome(
    view: EnvView, metrics: Sequence[MetricTest], endpoints: Sequence[EndpointTest]
) -> Verdict:
    if any(test.is_significant for test in metrics):
        return "diverged"
    if not view.curves:
        return "invalid"
    is_equivalent = bool(endpoints) and all(one.is_equivalent for one in endpoints)
    return "parity" if is_equivalent else "inconclusive"


def _metric_test(
    spec: ComparisonSpec,
    view: EnvView,
    test: FamilyTest,
    *,
    metric: str,
    level: float,
) -> MetricTest:
    row = metric_row(spec.algo, metric)
    p = test.p_adjusted[metric]
    mine, reference = view.curves[metric]
    is_small = np.isfinite(p) & (p <= level)
    finite = p[np.isfinite(p)]
    effect = _effect(mine, reference, is_small if is_small.any() else np.isfinite(p))
    return MetricTest(
        metric=metric,
        family=row.family,
        unit=row.unit,
        component=row.component,
        stage=row.stage,
        p_adjusted=float(finite.min()) if finite.size else None,
        is_significant=bool(is_small.any()),
        significant=_stretches(is_small),
        onset=onset_interval(mine, reference, p_adjusted=p, alpha=level)
        if is_small.any()
        else None,
        effect=effect,
        reason=test.excluded.get(metric, ""),
    )


def _stretches(is_small: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Return [first, last] of every run of true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_small, [False]))))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return tuple((first, stop - 1) for first, stop in pairs)


def _effect(mine: Curves, reference: Curves, where: NDArray[np.bool_]) -> float | None:
    if not where.any():
        return None
    return float(
        (mine.values[:, where].mean(axis=0) - reference.values[:, where].mean(axis=0)).mean()
    )


def _endpoints(spec: ComparisonSpec, view: EnvView, *, alpha: float) -> tuple[EndpointTest, ...]:
    mine, reference = view.curves["episode_return"]
    rules = EndpointRules(spec.margin, spec.alpha, alpha, spec.is_paired)
    return endpoint_tests(mine, reference, rules=rules)


def _notes(view: EnvView, tests: Mapping[str, FamilyTest]) -> tuple[str, ...]:
    """Return everything that was observed but not compared, metrics of one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, why in view.uncompared.items():
        reasons.setdefault(why, []).append(name)
    for test in tests.values():
        for name, why in test.excluded.items():
            reasons.setdefault(f"not tested: {why}", []).append(name)
        for name, count in test.untested_points.items():
            if count and name not in test.excluded:
                of_all = f"{count} of {len(test.p_adjusted[name])} checkpoints not tested"
                why = f"{of_all}, absent or not finite in some run"
                reasons.setdefault(why, []).append(name)
    return tuple(f"{why}: {', '.join(sorted(names))}" for why, names in reasons.items())
