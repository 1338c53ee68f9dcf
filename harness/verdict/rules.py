"""The rules of the verdict, in one table: the first row that applies decides.

Not significant is never parity, and a comparison that compared nothing is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.judgement import Verdict


@dataclass(frozen=True)
class EvidenceSummary:
    """What the rules look at. Each tuple holds one sentence per item.

    Attributes:
        fact_differences: unwaived facts that decide and differ.
        segment_differences: stretches of code that compute something else from the same inputs.
        draw_rejections: sources whose draws are distributed otherwise.
        twin_departures: whole runs under the reference's draws that left their band, with where.
        sanity_differences: sanity checks that hold on one side only.
        rejected: learning-curve or metric-trace tests rejected at their adjusted level.
        failed_beginnings: runs that a side ended before its first updates.
        failed_runs: runs that ended without a usable trace.
        invalid_segments: why a scenario says nothing: a side failed in it, or was not readable.
        invalid_twins: why a whole run under the reference's draws says nothing: likewise.
        unobserved: environments or sides of which nothing could be compared.
        equivalent_envs, not_equivalent_envs: environments whose endpoints were all, or not all,
            shown to be inside the margin at this look.
        waiver_failures: declared deviations that have expired, or no longer differ.
        numerical: what numerical parity rests on. numerical_gaps: what it lacks; () when nothing.
    """

    fact_differences: tuple[str, ...] = ()
    segment_differences: tuple[str, ...] = ()
    draw_rejections: tuple[str, ...] = ()
    twin_departures: tuple[str, ...] = ()
    sanity_differences: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    failed_beginnings: tuple[str, ...] = ()
    failed_runs: tuple[str, ...] = ()
    invalid_segments: tuple[str, ...] = ()
    invalid_twins: tuple[str, ...] = ()
    unobserved: tuple[str, ...] = ()
    equivalent_envs: tuple[str, ...] = ()
    not_equivalent_envs: tuple[str, ...] = ()
    waiver_failures: tuple[str, ...] = ()
    numerical: tuple[str, ...] = ()
    numerical_gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One row: the verdict it gives, its grounds, and the sentences that make it apply."""

    verdict: Verdict
    grounds: str
    title: str
    applies: Callable[[EvidenceSummary], tuple[str, ...]]


@dataclass(frozen=True)
class Decision:
    """The verdict with the reasons of every rule that gives the same verdict."""

    verdict: Verdict
    grounds: str
    reasons: tuple[str, ...]


def _numerical_parity(evidence: EvidenceSummary) -> tuple[str, ...]:
    return () if evidence.numerical_gaps else evidence.numerical


def _statistical_parity(evidence: EvidenceSummary) -> tuple[str, ...]:
    if evidence.not_equivalent_envs or not evidence.equivalent_envs:
        return ()
    return tuple(
        f"{env}: area under the curve and final performance lie inside the margin"
        for env in evidence.equivalent_envs
    )


def _undecided(evidence: EvidenceSummary) -> tuple[str, ...]:
    missing = tuple(
        f"{env}: no difference established, equivalence not shown either"
        for env in evidence.not_equivalent_envs
    )
    gaps = tuple(f"numerical parity lacks: {gap}" for gap in evidence.numerical_gaps)
    return (*missing, *gaps) if missing else ("no evidence was gathered",)


RULES: tuple[Rule, ...] = (
    Rule("diverged", "", "an exact fact differs", lambda e: e.fact_differences),
    Rule(
        "diverged",
        "",
        "the same inputs give another result",
        lambda e: e.segment_differences,
    ),
    Rule("diverged", "", "draws are distributed otherwise", lambda e: e.draw_rejections),
    Rule("diverged", "", "a whole run under the same draws departs", lambda e: e.twin_departures),
    Rule("diverged", "", "a sanity check holds on one side only", lambda e: e.sanity_differences),
    Rule("diverged", "", "a test rejects at its adjusted level", lambda e: e.rejected),
    Rule("invalid", "", "a run could not be begun", lambda e: e.failed_beginnings),
    Rule("invalid", "", "a run left no usable trace", lambda e: e.failed_runs),
    Rule("invalid", "", "a scenario could not be compared", lambda e: e.invalid_segments),
    Rule("invalid", "", "a whole run under the same draws failed", lambda e: e.invalid_twins),
    Rule("invalid", "", "something could not be observed", lambda e: e.unobserved),
    Rule("diverged", "", "a declared deviation does not hold", lambda e: e.waiver_failures),
    Rule("parity", "numerical", "numerically the same", _numerical_parity),
    Rule("parity", "statistical", "equivalence on every environment", _statistical_parity),
    Rule("inconclusive", "", "neither could be established", _undecided),
)


def decide(evidence: EvidenceSummary) -> Decision:
    """Return the verdict of the first rule that applies, with all reasons of that verdict."""
    fired = [(rule, reasons) for rule in RULES if (reasons := rule.applies(evidence))]
    first = fired[0][0]
    reasons = tuple(
        f"{rule.title}: {reason}"
        for rule, sentences in fired
        if rule.verdict == first.verdict
        for reason in sentences
    )
    return Decision(first.verdict, first.grounds, reasons)
