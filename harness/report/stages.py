"""One line per finished stage before the training, to be shown at once."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judgement import DrawRow, FactRow, SegmentRow, TwinRow
from harness.preflight import PreflightRun
from harness.records import Outcome
from harness.report import replay, words
from harness.report.summary import fact_groups
from harness.waiver import FAILING, WaiverRow

MAX_NAMES = 6  # names in one line; the report holds them all


def beginning_lines(runs: Sequence[PreflightRun]) -> tuple[str, ...]:
    """Return one line per run of the pre-flight that gave no facts, and why.

    >>> beginning_lines([PreflightRun("mine", "X-v0", 0, Outcome.CRASHED, "ValueError: no")])
    ('pre-flight: mine, X-v0, seed 0: crashed with an exception: ValueError: no',)
    """
    return tuple(
        f"pre-flight: {run.role}, {run.env_id}, seed {run.seed}: "
        f"{words.OUTCOMES[run.outcome.value]}: {' '.join(run.message.split())}"
        for run in runs
        if run.outcome is not Outcome.DONE
    )


def facts_line(facts: Sequence[FactRow]) -> str:
    """Return what came of the facts.

    >>> facts_line([FactRow("net_arch", "X-v0", "network-architecture", "[8]", "[8]", True, True)])
    'facts: 1 compared, all agree'
    """
    if not facts:
        return "facts: none could be compared"
    said = f"facts: {len(facts):,} compared"
    groups = fact_groups(facts)
    deciding = [group.name for group in groups if group.decides and not group.waived]
    waived = [group.name for group in groups if group.decides and group.waived]
    n_notes = sum(not group.decides for group in groups)
    said += f", {len(deciding)} DIFFER: {_some(deciding)}" if deciding else ""
    said += f", {len(waived)} waived: {_some(waived)}" if waived else ""
    said += f", {n_notes} differ and decide nothing" if n_notes else ""
    return said if groups else f"{said}, all agree"


def segments_line(found: Sequence[SegmentRow], reason: str = "") -> str:
    """Return what came of the stretches of code that were tested alone.

    Args:
        found: one row each. reason: why there is none.
    """
    if not found:
        return f"segments: nothing was compared: {reason}"
    parts = [f"segments: {len(replay.of_outcome(found, 'passed'))} of {len(found)} passed"]
    for key in ("failed", "waived", "convention", "unobserved", "not exercised"):
        rows = replay.of_outcome(found, key)
        if rows:
            named = _some([row.tap for row in rows])
            parts.append(f"{len(rows)} {replay.OUTCOMES[key]}: {named}")
    return "; ".join(parts)


def draws_line(draws: Sequence[DrawRow]) -> str:
    """Return what came of the draw tests."""
    groups = replay.draw_groups(draws)
    if not groups:
        return "draws: none were tested"
    said = f"draws: {words.counted(len(groups), 'source')}"
    differing = [g.source for g in groups if any(not row.waived for row in g.rejected)]
    waived = [g.source for g in groups if g.rejected and g.source not in differing]
    blind = [group.source for group in groups if group.is_blind]
    if differing:
        said += f", {len(differing)} DIFFER: {_some(differing)}"
    elif not waived:
        said += ", none differs"
    said += f", {len(waived)} waived: {_some(waived)}" if waived else ""
    return f"{said}, {len(blind)} drawn too seldom to tell: {_some(blind)}" if blind else said


def twin_line(twin: TwinRow) -> str:
    """Return what came of one twin run."""
    return f"twin: {replay.twin_sentence(twin)}"


def twins_line(twins: Sequence[TwinRow]) -> str:
    """Return what came of all twin runs, in one line."""
    parts = []
    for word in dict.fromkeys(replay.twin_outcome(twin) for twin in twins):
        rows = [twin for twin in twins if replay.twin_outcome(twin) == word]
        parts.append(f"{word}: {_some([_in_short(twin) for twin in rows])}")
    return f"twin runs: {'; '.join(parts)}"


def _in_short(twin: TwinRow) -> str:
    """Return the environment of a twin run, and what left its band when."""
    if twin.status != "departed":
        return twin.env_id
    when = replay.first_seen(twin.update, twin.env_step)
    return f"{twin.env_id} {when} ({twin.quantity}, {twin.component})"


def waivers_line(rows: Sequence[WaiverRow]) -> str:
    """Return what became of the declared differences."""
    failing = [f"{row.waiver.what} ({row.status})" for row in rows if row.status in FAILING]
    applied = [row.waiver.what for row in rows if row.status == "applied"]
    said = f"waivers: {len(rows)} declared, {len(applied)} applied"
    said += f" ({_some(applied)})" if applied else ""
    return f"{said}; {len(failing)} FAIL: {_some(failing)}" if failing else said


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - MAX_NAMES} more" if len(unique) > MAX_NAMES else ""
    return ", ".join(unique[:MAX_NAMES]) + more
