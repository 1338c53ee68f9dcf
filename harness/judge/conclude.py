"""From the looks of a comparison to one `Judgement`, the document of every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.judge.look import LookJudgement, env_steps_spent
from harness.judge.placing import place_of, placed, placed_twins
from harness.judge.view import Gathered, generator
from harness.judgement import Evidence, Finding, Judgement, RunRow, SegmentsResult
from harness.localise import Compared, SidePlaces, find_divergences
from harness.records import ROLES, ComparisonSpec, Json, Margin, Role, SideSpec
from harness.stats import bootstrap
from harness.stats.bootstrap import AggregateResult
from harness.verdict import words


def conclude(spec: ComparisonSpec, gathered: Gathered, looks: Sequence[LookJudgement]) -> Judgement:
    """Return the judgement of the last look, with everything a report needs."""
    last = looks[-1]
    aggregate = _aggregate(spec, last.evidence)
    compared = replace(
        last.compared,
        segments=placed(last.compared.segments, spec),
        twins=placed_twins(last.compared.twins, spec),
    )
    return Judgement(
        **_said(spec, gathered, last, compared),
        **_request(spec),
        envs=compared.envs,
        facts=compared.facts,
        sanity=compared.sanity,
        aggregate=aggregate.aggregate,
        looks=tuple(look.row for look in looks),
        env_steps_spent=env_steps_spent(gathered),
        provenance=_provenance(gathered),
        segments=compared.segments.rows,
        segment_events=compared.segments.events,
        draws=compared.segments.draws,
        twins=compared.twins,
        waivers=compared.waivers,
        notes=_notes(aggregate, gathered),
    )


def _said(
    spec: ComparisonSpec, gathered: Gathered, last: LookJudgement, compared: Compared
) -> dict[str, Any]:
    """Return the verdict with its words, and the findings and runs that they are about."""
    decision, envs = last.decision, compared.envs
    findings = _findings(spec, gathered, compared)
    runs = _runs(gathered)
    failed = [run for run in runs if run.message]
    return {
        "verdict": decision.verdict,
        "grounds": decision.grounds,
        "headline": words.headline(
            decision,
            sides=(spec.mine.name, spec.reference.name),
            envs=envs,
            findings=findings,
            is_waived=any(row.status == "applied" for row in compared.waivers),
        ),
        "reasons": decision.reasons,
        "look_next": words.look_next(
            decision, envs=envs, findings=findings, runs=failed, gaps=last.gaps
        ),
        "findings": findings,
        "runs": runs,
    }


def _request(spec: ComparisonSpec) -> dict[str, Any]:
    """Return what was asked for, as the report repeats it."""
    return {
        "algo": spec.algo,
        "mine": spec.mine.name,
        "reference": spec.reference.name,
        "alpha": spec.alpha,
        "margin": _margin(spec.margin),
        "budget": spec.budget,
        "difference_test": spec.difference_test,
        "is_paired": spec.is_paired,
        "asked": spec.asked,
    }


def _findings(spec: ComparisonSpec, gathered: Gathered, compared: Compared) -> tuple[Finding, ...]:
    places = (
        _places(spec.mine, gathered, role="mine"),
        _places(spec.reference, gathered, role="reference"),
    )
    return find_divergences(compared, places)


def _runs(gathered: Gathered) -> tuple[RunRow, ...]:
    return tuple(
        RunRow(
            role=one.role,
            env_id=one.env_id,
            seed=one.seed,
            outcome=record.outcome.value,
            key=record.spec.key,
            env_steps=record.env_steps,
            updates=record.updates,
            message=record.message,
            stderr_tail=record.stderr_tail,
        )
        for one, record in gathered.records.items()
    )


def _places(side: SideSpec, gathered: Gathered, *, role: Role) -> SidePlaces:
    """Return where to open a side's code, without the folders of anybody's machine."""
    entry = side.name if side.file is not None else f"{side.module}:{side.callable}"
    begun = [run.facts for run in gathered.preflight.runs if run.role == role]
    whole = [trace.facts for one, trace in gathered.traces.items() if one.role == role]
    sites = {
        name: place_of(place, side)
        for facts in (*begun, *whole)
        for name, place in facts.get("sites", {}).items()
    }
    return SidePlaces(entry, sites)


def _margin(margin: Margin) -> str:
    if margin.is_absolute:
        return f"{margin.value:g} reward"
    return f"{margin.value:g} standard deviation of the reference's own seeds"


def _aggregate(spec: ComparisonSpec, evidence: Evidence) -> AggregateResult:
    """Return the IQM of normalised final scores over environments, and which were left out."""
    curves = {
        env_id: metrics["episode_return"]
        for env_id, metrics in evidence.curves.items()
        if "episode_return" in metrics
    }
    return bootstrap.aggregate(curves, rng=generator(spec, "aggregate"))


def _provenance(gathered: Gathered) -> Mapping[str, Json]:
    """Return each side's provenance, and the keys on which the two disagree."""
    sides: dict[str, Json] = {}
    for role in ROLES:
        first = next(
            (trace.provenance for one, trace in gathered.traces.items() if one.role == role), None
        )
        if first is not None:
            sides[role] = first
    return sides


def _notes(aggregate: AggregateResult, gathered: Gathered) -> tuple[str, ...]:
    excluded = tuple(
        f"{env_id}: not part of the aggregate: {reason}"
        for env_id, reason in aggregate.excluded.items()
    )
    return (*_segment_notes(gathered.segments), *excluded)


def _segment_notes(segments: SegmentsResult) -> tuple[str, ...]:
    """Return how many stretches of code were tested alone, and why others were not."""
    if not segments.rows:
        reason = (f"segments: {segments.reason}",) if segments.reason else ()
        return (*reason, *segments.notes)
    n_passed = sum(row.status == "passed" for row in segments.rows)
    said = f"segments: {n_passed} of {len(segments.rows)} stretches of code passed alone"
    others = [row for row in segments.rows if row.status in ("unobserved", "not exercised")]
    why = "; ".join(dict.fromkeys(hint for row in others for hint in row.hints))
    names = ", ".join(row.tap for row in others)
    said += f"; not tested: {names}{f' ({why})' if why else ''}" if others else ""
    return (said, *segments.notes)
