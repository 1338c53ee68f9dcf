"""One interim analysis: every environment tested, Holm over all of them, one table of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from harness.judge.environment import FAMILIES, N_PERMUTATIONS, judge_env, tests_of_env
from harness.judge.numerical import numerical_gaps
from harness.judge.summary import differences, provisional, summarise
from harness.judge.view import EnvView, Gathered, Levels, RunId, facts_of, sanity_of, view_env
from harness.judgement import EnvJudgement, Evidence, LookRow
from harness.localise import Compared, noted, waive
from harness.records import ROLES, ComparisonSpec
from harness.spec.cards import card
from harness.stats import grid, multiplicity, permutation, sequential
from harness.stats.equivalence import smallest_p_equivalence
from harness.stats.family import FamilyTest
from harness.stats.relabel import MIN_SEEDS
from harness.verdict import Decision, decide


@dataclass(frozen=True)
class LookJudgement:
    """Everything concluded at one look; gaps: what numerical parity lacks, one sentence each."""

    row: LookRow
    compared: Compared
    decision: Decision
    evidence: Evidence
    gaps: tuple[str, ...] = ()


def judge_look(spec: ComparisonSpec, gathered: Gathered, look: int) -> LookJudgement:
    """Return the judgement of interim analysis number `look` (from 0) on what is gathered.

    Environments whose runs are not all there yet count as not rejected and not equivalent, so a
    DIVERGED from a part of the look is final, and nothing else can be concluded early.
    """
    seeds = spec.seeds[: spec.looks[look]]
    views = [view_env(env, gathered, seeds) for env in spec.envs]
    levels = levels_of(spec)[look]
    tests = {view.plan.env_id: tests_of_env(spec, view, look) for view in views}
    holm_levels = _holm_levels(tests, alpha=levels.difference)
    envs = tuple(
        judge_env(spec, view, tests[view.plan.env_id], levels=levels, holm_levels=holm_levels)
        for view in views
    )
    compared = waived(spec, _exact(spec, gathered, views, envs=envs))
    if not _is_whole(gathered, spec, seeds):
        compared = provisional(compared)
    evidence = summarise(spec, gathered, compared, n_planned=len(seeds))
    decision = decide(evidence)
    row = _look_row(gathered, compared.envs, levels=levels, decision=decision)
    return LookJudgement(row, compared, decision, _evidence(views), evidence.numerical_gaps)


def deterministic_divergence(spec: ComparisonSpec, gathered: Gathered) -> bool:
    """Return whether what needs no curves already establishes DIVERGED. Cheap."""
    return decide(differences(compared_so_far(spec, gathered))).verdict == "diverged"


def is_settled(spec: ComparisonSpec, gathered: Gathered) -> bool:
    """Return whether what is known before the training leaves nothing to be trained for.

    Something differs, or a side failed in what was asked: then it has to be put right first.
    """
    has_failed = gathered.segments.is_invalid or bool(gathered.preflight.failed)
    has_failed = has_failed or any(row.is_invalid for row in gathered.twins)
    return has_failed or deterministic_divergence(spec, gathered)


def awaits_curves_alone(spec: ComparisonSpec, gathered: Gathered) -> bool:
    """Return whether numerical parity lacks nothing but the curves of its few seeds."""
    compared = compared_so_far(spec, gathered)
    return not numerical_gaps(compared, algo=spec.algo, n_planned=spec.looks[0])


def compared_so_far(spec: ComparisonSpec, gathered: Gathered) -> Compared:
    """Return what is compared without curves; a check of one side alone says nothing yet."""
    views = [view_env(env, gathered, spec.seeds, with_curves=False) for env in spec.envs]
    both = [view for view in views if view.mine and view.reference]
    return waived(spec, _exact(spec, gathered, views, with_sanity_of=both))


def _exact(
    spec: ComparisonSpec,
    gathered: Gathered,
    views: Sequence[EnvView],
    *,
    envs: tuple[EnvJudgement, ...] = (),
    with_sanity_of: Sequence[EnvView] | None = None,
) -> Compared:
    """Return everything that was compared; sanity checks of all views unless others are given."""
    estimates = card(spec.algo).estimates
    checked = views if with_sanity_of is None else with_sanity_of
    return Compared(
        env_ids=tuple(env.env_id for env in spec.envs),
        envs=envs,
        facts=tuple(row for view in views for row in facts_of(view, gathered.preflight)),
        sanity=tuple(row for view in checked for row in sanity_of(view, estimates)),
        segments=gathered.segments,
        twins=gathered.twins,
    )


def waived(spec: ComparisonSpec, compared: Compared) -> Compared:
    """Return the same with what the user's waivers hide marked."""
    if not spec.waivers:
        return noted(compared)
    today = date.fromisoformat(spec.today)
    return noted(waive(compared, spec.waivers, algo=spec.algo, today=today))


def _is_whole(gathered: Gathered, spec: ComparisonSpec, seeds: Sequence[int]) -> bool:
    """Return whether every run that the look asks for has ended, one way or another."""
    return all(
        RunId(role, env.env_id, seed) in gathered.records
        for env in spec.envs
        for role in ROLES
        for seed in seeds
    )


def levels_of(spec: ComparisonSpec) -> tuple[Levels, ...]:
    """Return the error rates of every look, computed before anything trains."""
    n_hypotheses = len(FAMILIES) * len(spec.envs)
    reachable = [_reachable(n, is_paired=spec.is_paired) for n in spec.looks]
    difference = sequential.look_levels(
        spec.looks, spec.alpha, reachable, n_hypotheses=n_hypotheses
    )
    best = [_best_equivalence(n, spec) for n in spec.looks]
    equivalent = sequential.look_levels(
        spec.looks, spec.alpha, best, spending=sequential.spend_on_equivalence
    )
    return tuple(Levels(*values) for values in zip(difference, equivalent, reachable, strict=True))


def _reachable(n_seeds: int, *, is_paired: bool) -> float:
    """Return the smallest p that any data can give; 1 when there are too few seeds to test."""
    if n_seeds < MIN_SEEDS:
        return 1.0
    return permutation.smallest_p(
        n_seeds, n_seeds, is_paired=is_paired, n_permutations=N_PERMUTATIONS
    )


def _best_equivalence(n_seeds: int, spec: ComparisonSpec) -> float:
    """Return the smallest p that the equivalence test can give; 1 when there are too few seeds."""
    if n_seeds < MIN_SEEDS:
        return 1.0
    return smallest_p_equivalence(n_seeds, n_seeds, margin=spec.margin, is_paired=spec.is_paired)


def _holm_levels(
    tests: Mapping[str, Mapping[str, FamilyTest]], *, alpha: float
) -> dict[tuple[str, str], float]:
    """Return the level at which each (environment, family) is tested; missing ones have p = 1."""
    keys = [(env_id, family) for env_id in tests for family in FAMILIES]
    p = [_smallest(tests[env_id].get(family)) for env_id, family in keys]
    return dict(zip(keys, multiplicity.holm_levels(p, alpha).tolist(), strict=True))


def _smallest(test: FamilyTest | None) -> float:
    values = [p[np.isfinite(p)] for p in test.p_adjusted.values()] if test else []
    return min((float(p.min()) for p in values if p.size), default=1.0)


def _look_row(
    gathered: Gathered,
    envs: Sequence[EnvJudgement],
    *,
    levels: Levels,
    decision: Decision,
) -> LookRow:
    return LookRow(
        n_mine=min(env.n_mine for env in envs),
        n_reference=min(env.n_reference for env in envs),
        env_steps_spent=sum(env_steps_spent(gathered).values()),
        alpha_spent=levels.difference,
        equivalence_spent=levels.equivalence,
        smallest_p={
            env.env_id: min(p for test in env.metrics if (p := test.p_adjusted) is not None)
            for env in envs
            if any(test.p_adjusted is not None for test in env.metrics)
        },
        equivalence_p={env.env_id: p for env in envs if (p := _equivalence_p(env)) is not None},
        decision=decision.verdict,
    )


def _equivalence_p(env: EnvJudgement) -> float | None:
    """Return the larger p of the environment's equivalence tests; None when one has none."""
    values = [test.p_equivalence for test in env.endpoints]
    known = [p for p in values if p is not None]
    return max(known) if values and len(known) == len(values) else None


def env_steps_spent(gathered: Gathered) -> dict[str, int]:
    """Return the env steps of every run the judgement rests on, by side."""
    spent: dict[str, int] = dict.fromkeys(ROLES, 0)
    for one, record in gathered.records.items():
        spent[one.role] += record.env_steps
    return spent


def _evidence(views: Sequence[EnvView]) -> Evidence:
    finals: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    for view in views:
        if "episode_return" in view.curves:
            values = grid.final_performance(*view.curves["episode_return"])
            finals[view.plan.env_id] = (
                tuple(values.mine.tolist()),
                tuple(values.reference.tolist()),
            )
    return Evidence({view.plan.env_id: view.curves for view in views}, finals)
