"""From everything compared to what the rules of the verdict look at: one sentence per item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.judge.numerical import numerical_gaps, numerical_grounds
from harness.judge.view import Gathered
from harness.judgement import SegmentsResult, TwinRow
from harness.localise import Compared, differing_facts, differing_sanity, is_failing
from harness.records import ComparisonSpec
from harness.verdict import EvidenceSummary
from harness.waiver import WaiverRow, failures


def summarise(
    spec: ComparisonSpec, gathered: Gathered, compared: Compared, *, n_planned: int
) -> EvidenceSummary:
    """Return the evidence for the rules; what a waiver hides is left out.

    Args:
        n_planned: seeds per side that the look asks for.
    """
    tried = {one.env_id for one in gathered.records}
    unobserved = [env.env_id for env in compared.envs if env.outcome == "invalid"]
    return replace(
        differences(compared),
        waiver_failures=failures(compared.waivers),
        invalid_segments=_invalid(compared.segments),
        invalid_twins=tuple(
            f"{row.env_id}: {' '.join(row.detail.split())}"
            for row in compared.twins
            if row.is_invalid
        ),
        failed_beginnings=tuple(
            f"{run.role}, {run.env_id}, seed {run.seed}: {run.outcome.value}: {run.message}"
            for run in gathered.preflight.failed
        ),
        failed_runs=tuple(
            f"{one.role}, {one.env_id}, seed {one.seed}: {record.outcome.value}: {record.message}"
            for one, record in gathered.records.items()
            if not record.is_usable
        ),
        unobserved=tuple(env_id for env_id in unobserved if env_id in tried),
        equivalent_envs=tuple(env.env_id for env in compared.envs if env.outcome == "parity"),
        not_equivalent_envs=tuple(
            env.env_id
            for env in compared.envs
            if env.outcome in ("inconclusive", "diverged")
            or (env.outcome == "invalid" and env.env_id not in tried)
        ),
        numerical=numerical_grounds(compared),
        numerical_gaps=numerical_gaps(compared, algo=spec.algo, n_planned=n_planned),
    )


def differences(compared: Compared) -> EvidenceSummary:
    """Return the part of the evidence that establishes DIVERGED."""
    sanity = [row for row in differing_sanity(compared.sanity) if not row.waived]
    return EvidenceSummary(
        fact_differences=tuple(
            f"{row.env_id}: {row.name}: mine {row.mine}, reference {row.reference}"
            for row in differing_facts(compared.facts)
        ),
        segment_differences=tuple(
            f"{row.tap} ({row.component})" for row in compared.segments.rows if is_failing(row)
        ),
        draw_rejections=_rejected_draws(compared.segments),
        twin_departures=tuple(said for row in compared.twins for said in _departures(row)),
        sanity_differences=tuple(
            f"{row.env_id}: {row.role}: {row.check}: {row.detail}" for row in sanity
        ),
        rejected=tuple(
            f"{env.env_id}: {test.metric} (adjusted p = {test.p_adjusted:.3g})"
            for env in compared.envs
            for test in env.metrics
            if test.is_significant and not test.waived
        ),
    )


def _rejected_draws(segments: SegmentsResult) -> tuple[str, ...]:
    """Return one sentence per source, with the first of its features that are rejected."""
    firsts: dict[str, str] = {}
    for row in segments.draws:
        if row.is_rejected and not row.waived:
            firsts.setdefault(row.source, f"{row.source} ({row.component}): {row.feature}")
    return tuple(firsts.values())


def _departures(row: TwinRow) -> Iterator[str]:
    if row.status != "departed":
        return
    if not row.waived:
        where = f"env step {row.env_step:,}, update {row.update:,}"
        yield f"{row.env_id}: {row.quantity} ({row.component}) at {where}"
    for piece in row.segments:
        if is_failing(piece):
            yield f"{row.env_id}: {piece.tap} ({piece.component}) in the repeated stretch"


def _invalid(segments: SegmentsResult) -> tuple[str, ...]:
    """Return why the scenarios say nothing, when a side failed in one; as one line."""
    if not segments.is_invalid:
        return ()
    return (" ".join(segments.reason.split()),)


def provisional(compared: Compared) -> Compared:
    """Return the same where not everything is gathered yet: no waiver is refuted by a part."""
    return replace(compared, waivers=tuple(_so_far(row) for row in compared.waivers))


def _so_far(row: WaiverRow) -> WaiverRow:
    if row.status != "no longer differs":
        return row
    return replace(row, status="undecided", detail="agrees so far; not everything was compared")
