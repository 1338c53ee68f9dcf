"""From evidence to an ordered list of findings: what to suspect first.

Order: segments in data-flow order, then draws, then facts, then twin runs, then sanity checks, then
metric traces by when they are first shown to differ, then learning curves; within each, the easiest
environment first. What a waiver hides is no finding.
A segment or a draw starts from the reference's values, so that it inherits nothing; a fact is seen
in a run of its own, where an earlier stage may have led to it (docs/decisions/0011). A fact opens
the lines of the first segment or draw of its component.
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
    EnvJudgement,
    FactRow,
    Finding,
    MetricTest,
    SanityRow,
)
from harness.localise.advice import look_next
from harness.localise.compared import Compared
from harness.localise.places import SidePlaces
from harness.localise.replayed import from_segments, from_twins
from harness.records import STAGES

# A difference that grows out of the noise is seen later than it begins, by another amount for every
# metric; first sights closer than this share of the training are not told apart. Not more: a
# difference comes back through the collected data as one of an early stage (measured: a dropped
# terminal mask reaches the actions 10 % of a run of 6,000 env steps after the targets).
ONSET_SLACK = 0.05

# What a tap is reduced to when it is observed (harness/run/observe/reduce.py).
REDUCTIONS = frozenset({"mean", "std", "min", "max", "norm", "nonfinite"})

# Kinds of evidence, most suspicious first.
LEVELS = ("segment", "draw", "fact", "twin", "sanity", "probe", "trace", "curve")

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
    compared: Compared, places: tuple[SidePlaces, SidePlaces] = (SidePlaces(), SidePlaces())
) -> tuple[Finding, ...]:
    """Return every established divergence that no waiver hides, most suspicious first.

    Args:
        places: the known places in the code of mine and of the reference.
    """
    order = list(compared.env_ids)
    replayed = from_segments(compared.segments)
    found = [
        *replayed,
        *(_opened(fact, replayed) for fact in _from_facts(compared.facts, order)),
        *from_twins(compared.twins),
        *_from_sanity(compared.sanity, order),
        *(finding for env in compared.envs for finding in _from_metrics(env)),
    ]
    found.sort(key=lambda finding: LEVELS.index(finding.level))
    return tuple(_placed(finding, *places) for finding in found)


def _opened(fact: Finding, replayed: Sequence[Finding]) -> Finding:
    """Return a fact with the lines of the first replayed difference in its component, if any."""
    same = (one for one in replayed if one.component == fact.component)
    shown = next(same, fact)
    return replace(fact, mine_place=shown.mine_place, reference_place=shown.reference_place)


def _placed(finding: Finding, mine: SidePlaces, reference: SidePlaces) -> Finding:
    return replace(
        finding,
        mine_place=finding.mine_place or mine.of(finding.quantity),
        reference_place=finding.reference_place or reference.of(finding.quantity),
    )


def _from_facts(facts: Sequence[FactRow], order: list[str]) -> list[Finding]:
    differing = differing_facts(facts)
    merged: dict[tuple[str, str, str], list[FactRow]] = {}
    for row in differing:
        merged.setdefault((row.name, row.mine, row.reference), []).append(row)
    groups = sorted(
        merged.values(),
        key=lambda rows: (_FACT_ORDER.index(rows[0].component), _place(order, rows[0].env_id)),
    )
    return [_fact_finding(rows) for rows in groups]


def differing_facts(facts: Sequence[FactRow]) -> tuple[FactRow, ...]:
    """Return the facts that decide and differ, but for waived ones."""
    return tuple(row for row in facts if row.decides and not row.is_equal and not row.waived)


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
    unwaived = [row for row in differing_sanity(sanity) if not row.waived]
    for row in sorted(unwaived, key=lambda row: _place(order, row.env_id)):
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
    significant = [test for test in env.metrics if test.is_significant and not test.waived]
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
