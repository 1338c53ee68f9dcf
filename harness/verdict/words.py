"""The verdict in words: one headline, and what evidence is missing and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judgement import EnvJudgement, Finding, RunRow
from harness.verdict.rules import Decision

# Sentences of advice; what comes after is read off the findings.
MAX_ADVICE = 3


def headline(
    decision: Decision,
    *,
    sides: tuple[str, str],
    envs: Sequence[EnvJudgement],
    findings: Sequence[Finding],
    is_waived: bool = False,
) -> str:
    """Return the verdict in one sentence.

    Args:
        sides: names of mine and of the reference.
        is_waived: whether some differences are declared and allowed.
    """
    mine, reference = sides
    names = _listed([env.env_id for env in envs])
    if decision.verdict == "diverged" and not findings:
        return f"{mine} and {reference} do not agree as declared: {decision.reasons[0]}"
    if decision.verdict == "diverged":
        first = findings[0]
        return (
            f"{mine} differs from {reference} on {first.env_id}; suspect first: "
            f"{first.component} ({first.quantity}){_opened(first)}"
        )
    if decision.grounds == "numerical":
        return (
            f"{mine} is numerically the same as {reference}: every stretch of code, every draw, "
            f"and whole runs on {names} agree"
        )
    if decision.verdict == "parity":
        return (
            f"{mine} learns the same as {reference} on {names}: final performance and area under "
            "the curve lie inside the margin"
        )
    if decision.verdict == "invalid":
        return f"{mine} and {reference} could not be compared: {decision.reasons[0]}"
    declared = " beyond the declared ones" if is_waived else ""
    return (
        f"no difference between {mine} and {reference}{declared} was established on {names}, "
        "and equivalence was not shown either"
    )


def _opened(finding: Finding) -> str:
    """Return which line to open beside which, as far as both are known."""
    places = [place for place in (finding.mine_place, finding.reference_place) if place]
    return f": open {' beside '.join(places)}" if places else ""


def look_next(
    decision: Decision,
    *,
    envs: Sequence[EnvJudgement],
    findings: Sequence[Finding],
    runs: Sequence[RunRow],
    gaps: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return what to do next, most useful first; gaps: what numerical parity lacks."""
    if decision.verdict == "diverged":
        advice = dict.fromkeys(finding.look_next for finding in findings)
        return tuple(advice)[:MAX_ADVICE] or decision.reasons[:MAX_ADVICE]
    if decision.verdict == "invalid":
        said = [f"{run.role}, {run.env_id}, seed {run.seed}: {run.message}" for run in runs]
        return tuple(said[:MAX_ADVICE]) or decision.reasons[:MAX_ADVICE]
    if decision.verdict == "parity":
        return ()
    costs = (sentence for env in envs for sentence in _missing(env))
    return (*(f"for numerical parity: {gap}" for gap in gaps), *costs)


def _missing(env: EnvJudgement) -> list[str]:
    """Return what this environment's evidence lacks, and what it costs."""
    sentences = []
    n = min(env.n_mine, env.n_reference)
    if env.smallest_p is not None and env.smallest_p > env.alpha_per_test:
        sentences.append(
            f"{env.env_id}: with {n} seeds per side the smallest reachable p is "
            f"{env.smallest_p:.2g}, above the level {env.alpha_per_test:.2g}: "
            "no difference could have been established"
        )
    open_endpoints = [one for one in env.endpoints if not one.is_equivalent]
    needed = [one.seeds_for_parity for one in open_endpoints]
    if not open_endpoints:
        return sentences
    if any(seeds is None for seeds in needed):
        return sentences
    seeds = max(seeds for seeds in needed if seeds is not None)
    more = max(seeds - n, 0)
    cost = 2 * more * env.total_timesteps
    sentences.append(
        f"{env.env_id}: go on with --seeds {seeds} to show that the two are the same, if they are: "
        f"{more} more seeds per side, {cost:,} env steps"
    )
    return sentences


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
