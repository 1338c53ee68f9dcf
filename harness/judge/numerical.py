"""Numerical parity: what it rests on, and what it lacks, with what would fill the gap.

The deterministic maps and the distribution of the draws are the algorithm. Where every one of them
was tested and agrees, and whole runs under the same draws agree, the sides are the same; curves of
a few seeds only have to show no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement import EnvJudgement, SegmentRow, SegmentsResult, TwinRow
from harness.localise import CONVENTION, Compared
from harness.spec.cards import Card, card

# Seeds per side whose curves must show no difference: the first look of every budget.
NUMERICAL_SEEDS = 3
AGREES = ("passed", "convention")


def numerical_gaps(compared: Compared, *, algo: str, n_planned: int) -> tuple[str, ...]:
    """Return one sentence per piece of evidence that numerical parity lacks; () when it holds.

    Args:
        n_planned: seeds per side that the look asks for.
    """
    return (
        *segment_gaps(compared.segments, card(algo)),
        *(gap for env_id in compared.env_ids for gap in _twin_gaps(compared.twins, env_id)),
        *(gap for env in compared.envs for gap in _curve_gaps(env, n_planned)),
        *_fact_gaps(compared),
    )


def numerical_grounds(compared: Compared) -> tuple[str, ...]:
    """Return what numerical parity rests on, one sentence per kind of evidence."""
    segments = compared.segments
    n_passed = sum(row.status in AGREES for row in segments.rows)
    conventions = [row.tap for row in segments.rows if row.status == "convention"]
    noted = f" ({', '.join(conventions)} by another convention)" if conventions else ""
    inside = [row for row in compared.twins if row.status == "inside"]
    return (
        f"all {n_passed} stretches of code give the same from the same inputs{noted}",
        f"{len(segments.draws)} tests of random draws, none rejected",
        *(
            f"{row.env_id}: a whole run under the reference's draws stays inside its band "
            f"({row.env_steps:,} env steps, {row.updates:,} updates)"
            for row in inside
        ),
        *(
            f"{env.env_id}: curves of {env.n_mine} and {env.n_reference} seeds show no difference"
            for env in compared.envs
        ),
    )


def segment_gaps(segments: SegmentsResult, algorithm: Card) -> tuple[str, ...]:
    """Return what keeps the segments and the draws from having shown everything."""
    if not segments.rows:
        return (f"segments: {segments.reason or 'none was tested'}",)
    waived = [row.tap for row in segments.rows if row.waived]
    waived += dict.fromkeys(f"draws of {row.source}" for row in segments.draws if row.waived)
    never = [name for name, count in segments.events.items() if count == 0]
    return (
        *_untested(segments.rows, algorithm),
        *((f"never happened in the scenarios: {', '.join(never)}",) if never else ()),
        *_undrawn(segments, algorithm),
        *_kept(segments),
        *((f"waived, so not shown to be the same: {', '.join(waived)}",) if waived else ()),
    )


def _untested(rows: Sequence[SegmentRow], algorithm: Card) -> Iterator[str]:
    """Yield one sentence per remedy, naming the stretches that it would test."""
    groups: dict[str, list[str]] = {}
    of_taps: dict[str, list[str]] = {}
    for row in rows:
        if row.status in ("unobserved", "not exercised") and not row.is_optional:
            said = f"{row.tap} ({row.component})"
            tap = "" if row.hints or row.status == "not exercised" else _tap_of(row, algorithm)
            group = of_taps if tap else groups
            group.setdefault(tap or _remedy(row), []).append(said)
    if of_taps:
        names = ", ".join(of_taps)
        many = "s" if len(of_taps) > 1 else ""
        groups[f"add the tap{many} {names} to mine"] = [
            one for said in of_taps.values() for one in said
        ]
    for remedy, names_ in groups.items():
        yield f"not tested alone: {', '.join(names_)}: {remedy}"


def _remedy(row: SegmentRow) -> str:
    if row.status == "not exercised":
        return "no scenario that mine can run makes it happen"
    return "; ".join(row.hints) or "it was not seen in mine"


def _tap_of(row: SegmentRow, algorithm: Card) -> str:
    """Return the tap that shows a quantity: its own, or that of the module it belongs to."""
    taps = [tap.name for tap in algorithm.taps]
    owners = [name for name in taps if row.tap.startswith(f"{name}_")]
    return row.tap if row.tap in taps else max(owners, key=len, default="")


def _undrawn(segments: SegmentsResult, algorithm: Card) -> Iterator[str]:
    """Yield the sources whose values were handed on but whose draws were not tested."""
    tested = {row.source for row in segments.draws}
    replaced = {row.tap for row in segments.rows if row.status in AGREES}
    drawn = [tap for tap in algorithm.taps if tap.draws and not replaced & {*tap.drawn_from}]
    names = [tap.name for tap in drawn if tap.name in replaced - tested]
    if names:
        yield f"draws not tested: {', '.join(names)}"


def _kept(segments: SegmentsResult) -> Iterator[str]:
    """Yield what mine does not follow: it was tested at one value alone."""
    if segments.kept:
        named = ", ".join(f"{name} (tested at {value})" for name, value in segments.kept.items())
        yield (
            f"mine does the same whatever is asked for: {named}: follow it, or raise "
            "UnsupportedHyperparameter where it is fixed on purpose"
        )


def _twin_gaps(twins: Sequence[TwinRow], env_id: str) -> Iterator[str]:
    row = next((one for one in twins if one.env_id == env_id), None)
    if row is None:
        yield f"{env_id}: no whole run under the reference's draws (twin run)"
    elif row.status == "not run":
        yield f"{env_id}: no whole run under the reference's draws: {row.detail}"
    elif row.status == "departed":
        yield f"{env_id}: the whole run under the reference's draws departs (waived)"


def _curve_gaps(env: EnvJudgement, n_planned: int) -> Iterator[str]:
    needed = max(NUMERICAL_SEEDS, n_planned)
    n = min(env.n_mine, env.n_reference)
    if n < needed:
        yield f"{env.env_id}: curves of {n} seeds per side, {needed} are needed"
    elif not env.metrics:
        yield f"{env.env_id}: no curve could be compared"
    waived = [t.metric for t in env.metrics if t.is_significant and t.waived != CONVENTION]
    if waived:
        yield f"{env.env_id}: waived, so not shown to be the same: {', '.join(waived)}"


def _fact_gaps(compared: Compared) -> Iterator[str]:
    for env_id in compared.env_ids:
        if not any(row.env_id == env_id for row in compared.facts):
            yield f"{env_id}: no facts were seen on both sides"
    waived = dict.fromkeys(row.check for row in compared.sanity if row.waived)
    if waived:
        yield f"waived, so not shown to be the same: {', '.join(waived)}"
