"""From evidence to an ordered list of findings: what to suspect first.

Order: facts, then segments in data-flow order, then sanity checks, then metric traces by when they
are first shown to differ, then learning curves; within each, the easiest environment first.
Metrics first shown at about the same time cannot be told apart in time, so they are ordered by data
flow: an effect may be inherited from an earlier stage, never from a later one within one update.
Outcomes are always inherited.

The lower end of an onset does not order: it says what the data exclude, and a metric that excludes
little (its interval begins with step 1) is no earlier for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.judgement import (
    DrawRow,
    EnvJudgement,
    FactRow,
    Finding,
    MetricTest,
    SanityRow,
    SegmentRow,
    SegmentsResult,
)
from harness.localise.advice import look_next
from harness.localise.places import SidePlaces
from harness.records import STAGES

# A difference that grows out of the noise is seen later than it begins, by another amount for every
# metric; first sights closer than this share of the training are not told apart. Not more: a
# difference comes back through the collected data as one of an early stage (measured: a dropped
# terminal mask reaches the actions 10 % of a run of 6,000 env steps after the targets).
ONSET_SLACK = 0.05

# What a tap is reduced to when it is observed (harness/run/observe/reduce.py).
REDUCTIONS = frozenset({"mean", "std", "min", "max", "norm", "nonfinite"})

# Where segments are tested, as findings name it; and how many fields are worth naming.
SCENARIO = "the exposing scenario"
MAX_FIELDS = 4

# Order in which data flows through the components that facts speak of: what decides the shape of
# things comes before what is computed with them.
_FACT_ORDER = (
    "env-interface",
    "observation-preprocessing",
    "action-scaling",
    "network-architecture",
    "seeding-determinism",
    "replay-buffer",
    "bootstrapping-termination",
    "gradient-optimiser",
    "lr-schedule",
    "update-schedule",
    "evaluation-logging",
)


def find_divergences(
    envs: Sequence[EnvJudgement],
    facts: Sequence[FactRow],
    sanity: Sequence[SanityRow],
    *,
    segments: SegmentsResult | None = None,
    places: tuple[SidePlaces, SidePlaces] = (SidePlaces(), SidePlaces()),
) -> tuple[Finding, ...]:
    """Return every established divergence, most suspicious first.

    Args:
        envs: in order of difficulty, easiest first; facts and sanity rows name their environment.
        places: the known places in the code of mine and of the reference.
    """
    order = [env.env_id for env in envs]
    found = [
        *_from_facts(facts, order),
        *_from_segments(segments or SegmentsResult()),
        *_from_sanity(sanity, order),
        *(finding for env in envs for finding in _from_metrics(env)),
    ]
    levels = ("fact", "segment", "draw", "sanity", "trace", "curve")
    found.sort(key=lambda finding: levels.index(finding.level))
    return tuple(_placed(finding, *places) for finding in found)


def _placed(finding: Finding, mine: SidePlaces, reference: SidePlaces) -> Finding:
    return replace(
        finding,
        mine_place=finding.mine_place or mine.of(finding.quantity),
        reference_place=finding.reference_place or reference.of(finding.quantity),
    )


def _from_segments(segments: SegmentsResult) -> list[Finding]:
    """Return failed segments in data-flow order, then rejected draws, one finding per source."""
    drawn: dict[str, list[DrawRow]] = {}
    for row in segments.draws:
        if row.is_rejected and not row.waived:
            drawn.setdefault(row.source, []).append(row)
    return [
        *(
            _segment_finding(row)
            for row in segments.rows
            if row.status == "failed" and not row.waived
        ),
        *(_draw_finding(rows) for rows in drawn.values()),
    ]


def _draw_finding(rows: Sequence[DrawRow]) -> Finding:
    """Return one finding for a source: its clearest feature, and how many others differ too."""
    row = min(rows, key=lambda one: one.p_adjusted)
    said = row.reason or (
        f"mine {row.mine:.4g}, reference {row.reference:.4g} "
        f"(adjusted p = {row.p_adjusted:.2g}, n = {row.n})"
    )
    more = f"; {len(rows) - 1} more features differ" if len(rows) > 1 else ""
    return Finding(
        level="draw",
        env_id=SCENARIO,
        component=row.component,
        quantity=row.source,
        summary=f"draws of {row.source}: {row.feature}: {said}{more}",
        look_next=look_next(row.component, quantity=row.source),
        mine_place=row.mine_place,
        reference_place=row.reference_place,
    )


def _segment_finding(row: SegmentRow) -> Finding:
    fields = f" ({', '.join(row.fields)})" if row.fields and len(row.fields) < MAX_FIELDS else ""
    said = []
    if row.n_failed:
        said.append(
            f"{row.n_failed} of {row.n_events} differ{fields}, up to {row.size:.3g} noise floors, "
            f"first at update {row.update}, env step {row.env_step}"
        )
    if row.missing:
        said.append(f"{row.missing} that the reference makes are missing")
    if row.extra:
        said.append(f"{row.extra} that the reference does not make")
    hints = f"; {'; '.join(row.hints)}" if row.hints else ""
    return Finding(
        level="segment",
        env_id=SCENARIO,
        component=row.component,
        quantity=row.tap,
        summary=f"{row.tap}: from the same inputs, {', '.join(said)}{hints}",
        look_next=look_next(row.component, quantity=row.tap),
        mine_place=row.mine_place,
        reference_place=row.reference_place,
    )


def _from_facts(facts: Sequence[FactRow], order: list[str]) -> list[Finding]:
    differing = [row for row in facts if row.decides and not row.is_equal]
    merged: dict[tuple[str, str, str], list[FactRow]] = {}
    for row in differing:
        merged.setdefault((row.name, row.mine, row.reference), []).append(row)
    groups = sorted(
        merged.values(),
        key=lambda rows: (_FACT_ORDER.index(rows[0].component), _place(order, rows[0].env_id)),
    )
    return [_fact_finding(rows) for rows in groups]


def _fact_finding(rows: Sequence[FactRow]) -> Finding:
    row = rows[0]
    hint = f" ({row.hint})" if row.hint else ""
    return Finding(
        level="fact",
        env_id=", ".join(one.env_id for one in rows),
        component=row.component,
        quantity=row.name,
        summary=f"{row.name}: mine {row.mine}, reference {row.reference}{hint}",
        look_next=look_next(row.component, quantity=row.name),
    )


def _from_sanity(sanity: Sequence[SanityRow], order: list[str]) -> list[Finding]:
    findings = []
    for row in sorted(differing_sanity(sanity), key=lambda row: _place(order, row.env_id)):
        blamed = "" if row.role == "mine" else " in the reference, not in mine"
        findings.append(
            Finding(
                level="sanity",
                env_id=row.env_id,
                component=row.component,
                quantity=row.check,
                summary=f"does not hold{blamed}: {row.check}: {row.detail}",
                look_next=look_next(row.component, quantity=row.check),
            )
        )
    return findings


def differing_sanity(sanity: Sequence[SanityRow]) -> tuple[SanityRow, ...]:
    """Return failed checks that did not also fail on the other side.

    A check that applies to one side only and fails there counts as differing.
    """
    failed = {(row.role, row.env_id, row.check) for row in sanity if not row.passed}
    return tuple(
        row
        for row in sanity
        if not row.passed and (_other(row.role), row.env_id, row.check) not in failed
    )


def _other(role: str) -> str:
    return "reference" if role == "mine" else "mine"


def _from_metrics(env: EnvJudgement) -> list[Finding]:
    """Return one finding per differing quantity: of several reductions of a tap, the first."""
    significant = [test for test in env.metrics if test.is_significant]
    ordered = order_metrics(significant, slack=ONSET_SLACK * env.total_timesteps)
    firsts: dict[str, MetricTest] = {}
    for test in ordered:
        firsts.setdefault(_quantity(test.metric), test)
    return [_metric_finding(env, test) for test in firsts.values()]


def _quantity(metric: str) -> str:
    """Return the tap of a reduced metric ("td_target" of "td_target.std"), else the name."""
    base, dot, reduction = metric.rpartition(".")
    return base if dot and reduction in REDUCTIONS else metric


def order_metrics(tests: Sequence[MetricTest], *, slack: float) -> tuple[MetricTest, ...]:
    """Return significant metrics, most suspicious first: earliest shown, ties by data flow.

    Repeatedly takes all metrics that are first shown no more than `slack` env steps after the
    earliest one, and sorts them by stage of the data flow, then by adjusted p. What learning leads
    to (stage "outcome") is no cause of anything measured inside it and comes last.
    """
    waiting = sorted(tests, key=_first_shown)
    ordered: list[MetricTest] = []
    while waiting:
        horizon = _first_shown(waiting[0]) + slack
        together = [test for test in waiting if _first_shown(test) <= horizon]
        ordered += sorted(together, key=lambda test: (STAGES.index(test.stage), test.p_adjusted))
        waiting = waiting[len(together) :]
    return tuple(sorted(ordered, key=lambda test: test.stage == "outcome"))


def _first_shown(test: MetricTest) -> float:
    """Return the env step by which the difference was first shown: the onset's upper end."""
    return test.onset.high if test.onset else float("inf")


def _metric_finding(env: EnvJudgement, test: MetricTest) -> Finding:
    unit = f" {test.unit}" if test.unit else ""
    size = "" if test.effect is None else f", mine - reference = {test.effect:+.4g}{unit}"
    return Finding(
        level=test.family,
        env_id=env.env_id,
        component=test.component,
        quantity=test.metric,
        summary=(
            f"{test.metric} differs (adjusted p = {test.p_adjusted:.3g}, "
            f"n = {env.n_mine} and {env.n_reference} seeds{size})"
        ),
        look_next=look_next(test.component, quantity=test.metric),
        onset=test.onset,
    )


def _place(order: list[str], env_id: str) -> int:
    return order.index(env_id) if env_id in order else len(order)
