"""What is known of one environment at one look: traces by side, and curves on the common grid."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.judge.optimisers import matched_optimisers
from harness.judgement import FactRow, SanityRow, SegmentsResult, TwinRow
from harness.localise import Subject, check_closed_form, check_sanity, compare_facts
from harness.localise.optimisers import sizes_of
from harness.preflight import PreflightResult
from harness.probes.closed_forms import Answer
from harness.probes.listed import probe_of
from harness.records import (
    ROLES,
    ComparisonSpec,
    Curves,
    EnvPlan,
    Role,
    RunRecord,
    Series,
    Trace,
)
from harness.stats import grid


class RunId(NamedTuple):
    """Which run of a comparison."""

    role: Role
    env_id: str
    seed: int


@dataclass(frozen=True)
class Gathered:
    """What is known so far: how runs ended, and the traces of the usable ones, in planned order.

    Attributes:
        segments, twins, preflight: what was found before the runs, as far as it was asked for.
    """

    records: Mapping[RunId, RunRecord]
    traces: Mapping[RunId, Trace]
    segments: SegmentsResult = field(default_factory=SegmentsResult)
    twins: tuple[TwinRow, ...] = ()
    preflight: PreflightResult = field(default_factory=PreflightResult)

    def of(self, role: Role, env_id: str, seeds: Sequence[int]) -> dict[int, Trace]:
        """Return seed -> trace of one side on one environment, for the seeds that are there."""
        ids = (RunId(role, env_id, seed) for seed in seeds)
        return {one.seed: self.traces[one] for one in ids if one in self.traces}


@dataclass(frozen=True)
class Levels:
    """Error rates of one look.

    Attributes:
        difference: shared by all hypotheses through Holm; 0 when no difference can be shown yet.
        equivalence: of one equivalence test. smallest_p: reachable with this look's seeds.
    """

    difference: float
    equivalence: float
    smallest_p: float


@dataclass(frozen=True)
class EnvView:
    """One environment at one look.

    Attributes:
        mine, reference: seed -> trace. n_planned: seeds per side that the look asks for.
        curves: metric -> (mine, reference) on the common grid, for metrics seen on both sides.
        uncompared: metric -> why it is not compared.
    """

    plan: EnvPlan
    mine: dict[int, Trace]
    reference: dict[int, Trace]
    n_planned: int
    curves: dict[str, tuple[Curves, Curves]]
    uncompared: dict[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether every planned run of both sides left a trace."""
        return len(self.mine) == len(self.reference) == self.n_planned


def view_env(
    env: EnvPlan,
    gathered: Gathered,
    seeds: Sequence[int],
    *,
    with_curves: bool = True,
) -> EnvView:
    """Return what is known of one environment for the given seeds; curves need both sides."""
    mine, reference = (gathered.of(role, env.env_id, seeds) for role in ROLES)
    curves: dict[str, tuple[Curves, Curves]] = {}
    uncompared: dict[str, str] = {}
    if with_curves and mine and reference:
        curves, uncompared = _curves(env, mine, reference)
    return EnvView(env, mine, reference, len(seeds), curves, uncompared)


def _curves(
    env: EnvPlan, mine: dict[int, Trace], reference: dict[int, Trace]
) -> tuple[dict[str, tuple[Curves, Curves]], dict[str, str]]:
    """Return metric -> (mine, reference) on the common grid; and metric -> why not compared."""
    checkpoints = grid.checkpoints(env.total_timesteps)
    sides = [_side_curves(traces, checkpoints) for traces in (mine, reference)]
    sizes = [_optimisers_of(traces) for traces in (mine, reference)]
    sides[0], why = matched_optimisers(sides[0], mine=sizes[0], reference=sizes[1])
    both = [name for name in sides[0] if name in sides[1] and name not in why]
    one_sided = {
        name: f"observed on {role} only, not compared"
        for role, side, other in zip(ROLES, sides, reversed(sides), strict=True)
        for name in side
        if name not in other
    }
    return {name: (sides[0][name], sides[1][name]) for name in both}, one_sided | why


def _optimisers_of(traces: dict[int, Trace]) -> list[int]:
    return next((found for t in traces.values() if (found := sizes_of(t.facts))), [])


def _side_curves(traces: dict[int, Trace], checkpoints: NDArray[np.int64]) -> dict[str, Curves]:
    """Return metric -> curves of one side, for the metrics that every one of its runs has."""
    rows = {seed: _rows_of(trace, checkpoints) for seed, trace in traces.items()}
    common = [
        name for name in next(iter(rows.values())) if all(name in row for row in rows.values())
    ]
    return {
        name: grid.curves(
            name, checkpoints, rows=[row[name] for row in rows.values()], seeds=[*rows]
        )
        for name in common
    }


def _rows_of(trace: Trace, checkpoints: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    episodes = trace.episodes
    lengths = Series(episodes.end_env_step, episodes.lengths.astype(np.float64))
    return {
        "episode_return": grid.learning_curve(episodes, checkpoints),
        "episode_length": grid.binned_mean(lengths, checkpoints),
        **{
            name: grid.binned_mean(series, checkpoints)
            for name, series in sorted(trace.metrics.items())
        },
    }


def facts_of(view: EnvView, preflight: PreflightResult) -> tuple[FactRow, ...]:
    """Return the facts table of one environment: of whole runs, or of how they begin.

    A fact seen in both is shown once: as it differs, where it does, else as in the whole runs.
    """
    env_id = view.plan.env_id
    begun = compare_facts(
        *(preflight.facts_of(role, env_id) for role in ROLES),
        env_id=env_id,
    )
    whole = compare_facts(
        {seed: trace.facts for seed, trace in view.mine.items()},
        {seed: trace.facts for seed, trace in view.reference.items()},
        env_id=env_id,
    )
    rows = {row.name: row for row in (*begun, *whole)}
    early = {row.name: row for row in begun if row.decides and not row.is_equal}
    return tuple({**rows, **early}.values())


def sanity_of(view: EnvView, estimates: Mapping[str, str]) -> tuple[SanityRow, ...]:
    """Return the sanity checks of both sides on one environment, and the answers of a probe.

    Args:
        estimates: tap -> which values it estimates, from the algorithm's card.
    """
    plan = view.plan
    answer = _answer(plan)
    rows: list[SanityRow] = []
    for role, traces in zip(ROLES, (view.mine, view.reference), strict=True):
        subjects = [
            Subject(trace, plan.hyperparameters, plan.tier, plan.total_timesteps)
            for trace in traces.values()
        ]
        rows += check_sanity(subjects, role=role, env_id=plan.env_id)
        if answer is not None:
            rows += check_closed_form(
                tuple(traces.values()), answer, estimates, role=role, env_id=plan.env_id
            )
    return tuple(rows)


def _answer(plan: EnvPlan) -> Answer | None:
    """Return the closed form of a probe, for its discount; None elsewhere."""
    probe, gamma = probe_of(plan.env_id), plan.hyperparameters.get("gamma")
    if probe is None or not isinstance(gamma, float):
        return None
    return probe.answer(gamma, n_envs=plan.n_envs)


def generator(spec: ComparisonSpec, *parts: object) -> np.random.Generator:
    """Return a generator that depends on nothing but the names: the same request, the same p."""
    text = "|".join(str(part) for part in (spec.algo, *parts))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
