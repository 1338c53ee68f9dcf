"""Rows of a judgement as quantities that a waiver can speak of, and the rows marked as waived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from harness.judgement import (
    DrawRow,
    EnvJudgement,
    FactRow,
    MetricTest,
    SanityRow,
    SegmentRow,
    SegmentsResult,
    TwinRow,
    Verdict,
)
from harness.localise.compared import Compared
from harness.localise.ordering import differing_sanity
from harness.waiver import Applied, Checked, State, Waiver, apply_waivers, reason_of

# Statuses of a segment that says something: the others were not tested. A convention neither
# refutes a waiver nor needs one.
_TOLD: Mapping[str, State] = {"passed": "agrees", "convention": "undecided", "failed": "differs"}
# Why a metric trace may differ without a waiver.
CONVENTION = "another convention: alone, it differs by what nothing else inherits"


def waive(compared: Compared, waivers: Sequence[Waiver], *, algo: str, today: date) -> Compared:
    """Return everything compared, what a waiver hides marked, and what became of each waiver.

    A row is marked only when all that differs in it is waived.
    """
    applied = apply_waivers(tuple(_everything(compared)), waivers, algo=algo, today=today)
    sanity = checked_sanity(compared.sanity)
    return replace(
        compared,
        envs=tuple(_marked_env(env, applied) for env in compared.envs),
        facts=tuple(
            replace(row, waived=reason_of(applied, checked_fact(row))) for row in compared.facts
        ),
        sanity=tuple(
            replace(row, waived=reason_of(applied, sanity[row])) for row in compared.sanity
        ),
        segments=_marked_segments(compared, applied),
        twins=tuple(_marked_twin(row, applied) for row in compared.twins),
        waivers=applied.rows,
    )


def _everything(compared: Compared) -> Iterator[Checked]:
    env_ids = compared.env_ids
    yield from (checked_fact(row) for row in compared.facts)
    for row in compared.segments.rows:
        yield from checked_segment(row, env_ids)
    for draws in checked_draws(compared.segments.draws, env_ids).values():
        yield from draws
    taps = [row.tap for row in compared.segments.rows if row.status != "convention"]
    for twin in compared.twins:
        yield from checked_twin(twin, taps)
    yield from checked_sanity(compared.sanity).values()
    for env in compared.envs:
        yield from checked_metrics(env).values()


def checked_fact(row: FactRow) -> Checked:
    """Return a fact: one that differs without deciding (or was seen on one side) is undecided."""
    differing: State = "differs" if row.decides else "undecided"
    return Checked("fact", row.name, row.env_id, "agrees" if row.is_equal else differing)


def checked_segment(row: SegmentRow, env_ids: Sequence[str]) -> tuple[Checked, ...]:
    """Return a segment once for every environment compared, for it concerns them all.

    Empty for a segment that was not exercised or not observed. An event that is missing or one too
    many is a difference of the whole, not of single fields.
    """
    if row.status not in _TOLD:
        return ()
    state = _TOLD[row.status]
    is_whole = state != "differs" or row.missing or row.extra
    fields = () if is_whole else row.fields
    return tuple(Checked("segment", row.tap, env_id, state, fields) for env_id in env_ids)


def checked_draws(
    rows: Sequence[DrawRow], env_ids: Sequence[str]
) -> dict[str, tuple[Checked, ...]]:
    """Return source -> its draw tests together, once for every environment.

    A test that does not reject shows no agreement.
    """
    rejected = {row.source for row in rows if row.is_rejected}
    return {
        source: tuple(
            Checked("draw", source, env_id, "differs" if source in rejected else "undecided")
            for env_id in env_ids
        )
        for source in dict.fromkeys(row.source for row in rows)
    }


def checked_twin(row: TwinRow, quantities: Sequence[str]) -> tuple[Checked, ...]:
    """Return what a twin run says: what departed first, and the stretches that failed then.

    Args:
        quantities: compared in every twin run; they agree where it stayed inside its band.
    """
    if row.status == "inside":
        return tuple(Checked("twin", name, row.env_id, "agrees") for name in quantities)
    if row.status == "not run":
        return ()
    pieces = [one for piece in row.segments for one in checked_segment(piece, [row.env_id])]
    return (Checked("twin", row.quantity, row.env_id, "differs"), *pieces)


def checked_sanity(rows: Sequence[SanityRow]) -> dict[SanityRow, Checked]:
    """Return each row with what it says: a check differs when it holds on one side only."""
    differing = differing_sanity(rows)
    return {
        row: Checked("sanity", row.check, row.env_id, "differs" if row in differing else "agrees")
        for row in rows
    }


def checked_metrics(env: EnvJudgement) -> dict[str, Checked]:
    """Return metric -> what its test says; only the learning curve can be shown to agree."""
    is_equivalent = _is_equivalent(env)
    found = {}
    for test in env.metrics:
        state: State = "agrees" if test.family == "curve" and is_equivalent else "undecided"
        state = "differs" if test.is_significant else state
        found[test.metric] = Checked(test.family, test.metric, env.env_id, state)
    return found


def _is_equivalent(env: EnvJudgement) -> bool:
    return bool(env.endpoints) and all(one.is_equivalent for one in env.endpoints)


def _marked_segments(compared: Compared, applied: Applied) -> SegmentsResult:
    segments = compared.segments
    draws = checked_draws(segments.draws, compared.env_ids)
    return replace(
        segments,
        rows=tuple(
            replace(row, waived=reason_of(applied, *checked_segment(row, compared.env_ids)))
            for row in segments.rows
        ),
        draws=tuple(
            replace(row, waived=reason_of(applied, *draws[row.source]) if row.is_rejected else "")
            for row in segments.draws
        ),
    )


def _marked_twin(row: TwinRow, applied: Applied) -> TwinRow:
    """Return the row; its pieces are marked one by one, so that a second defect stays visible."""
    return replace(
        row,
        waived=reason_of(applied, *checked_twin(replace(row, segments=()), ())),
        segments=tuple(
            replace(piece, waived=reason_of(applied, *checked_segment(piece, [row.env_id])))
            for piece in row.segments
        ),
    )


def _marked_env(env: EnvJudgement, applied: Applied) -> EnvJudgement:
    """Return the environment with its metrics marked."""
    checked = checked_metrics(env)
    metrics = tuple(
        replace(test, waived=reason_of(applied, checked[test.metric])) for test in env.metrics
    )
    return _with_metrics(env, metrics)


def noted(compared: Compared) -> Compared:
    """Return the same with traces marked that differ because their tap follows a convention."""
    taps = [row.tap for row in compared.segments.rows if row.status == "convention"]
    if not taps:
        return compared
    return replace(compared, envs=tuple(_noted_env(env, taps) for env in compared.envs))


def _noted_env(env: EnvJudgement, taps: Sequence[str]) -> EnvJudgement:
    metrics = tuple(
        replace(test, waived=CONVENTION)
        if test.is_significant and not test.waived and test.metric.split(".")[0] in taps
        else test
        for test in env.metrics
    )
    return _with_metrics(env, metrics)


def _with_metrics(env: EnvJudgement, metrics: tuple[MetricTest, ...]) -> EnvJudgement:
    """Return the environment; it has not diverged when all that differs is waived."""
    outcome: Verdict = env.outcome
    if outcome == "diverged" and not any(t.is_significant and not t.waived for t in metrics):
        outcome = "parity" if _is_equivalent(env) else "inconclusive"
    return replace(env, metrics=metrics, outcome=outcome)
