"""Tables of what was tested without training: stretches, events, draws, twin runs, waivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.judgement import DrawRow, SegmentRow, TwinRow
from harness.report import replay, words
from harness.report.tables import Table, table
from harness.waiver import FAILING, WaiverRow


def segments(rows: Sequence[SegmentRow]) -> Table:
    """Return what was seen of each stretch that did not simply pass."""
    cells = [
        (
            row.tap,
            replay.shown_outcome(row),
            row.component,
            *_sizes(row),
            row.mine_place,
            row.reference_place,
            "; ".join(row.hints),
            row.scenario if _is_off(row) else "",
            row.waived,
        )
        for row in rows
    ]
    head = ("ends at tap", "outcome", "component", "size in noise floors", "elements off")
    when = ("differ", "unmatched", "first at update", "at env step", "mine", "reference")
    why = ("hints", "scenario", "waived because")
    return table((*head, *when, *why), cells, [replay.is_bad(row) for row in rows])


def _sizes(row: SegmentRow) -> tuple[str, ...]:
    """Return the cells that say how much a stretch is off, and since when."""
    return (
        replay.multiple(row.size) if row.n_failed else "",
        words.percent(row.share) if row.n_failed else "",
        f"{row.n_failed:,} of {row.n_events:,}" if row.n_failed else "",
        replay.unmatched(row),
        words.steps(row.update) if _is_off(row) else "",
        words.steps(row.env_step) if _is_off(row) else "",
    )


def _is_off(row: SegmentRow) -> bool:
    return row.n_failed > 0 or row.missing > 0 or row.extra > 0


def passed_segments(rows: Sequence[SegmentRow]) -> Table:
    """Return the stretches that passed, with how exactly they were compared."""
    cells = [
        (
            row.tap,
            row.component,
            f"{row.n_events:,}",
            words.number(row.noise_floor, 2) if row.noise_floor else "exact, or rounding alone",
            row.mine_place,
            row.reference_place,
        )
        for row in replay.of_outcome(rows, "passed")
    ]
    head = ("ends at tap", "component", "compared", "noise floor", "mine", "reference")
    return table(head, cells)


def events(counts: Mapping[str, int]) -> Table:
    """Return what the scenarios exercised, with counts."""
    rows = [(name, replay.event_count(count)) for name, count in counts.items()]
    return table(("event", "count"), rows, [not count for count in counts.values()])


def draws(rows: Sequence[DrawRow]) -> Table:
    """Return draw tests, one row each."""
    cells = [
        (
            row.source,
            row.feature,
            _drawn(row),
            words.number(row.mine),
            words.number(row.reference),
            words.p_value(row.p_adjusted),
            f"{row.n:,}",
            words.number(row.smallest_detectable, 3),
            row.component,
            row.mine_place,
            row.reference_place,
            row.scenario,
            row.reason,
            row.waived,
        )
        for row in rows
    ]
    head = ("drawn", "feature", "outcome", "mine", "reference", "adjusted p", "differing draws")
    where = ("smallest detectable", "component", "place of mine", "place of the reference")
    why = ("scenario", "note", "waived because")
    return table((*head, *where, *why), cells, [row.is_rejected and not row.waived for row in rows])


def _drawn(row: DrawRow) -> str:
    if not row.is_rejected:
        return "no difference shown"
    return "waived" if row.waived else "DIFFERS"


def twins(rows: Sequence[TwinRow]) -> Table:
    """Return the twin runs, one row each."""
    cells = [
        (
            row.env_id,
            str(row.seed),
            replay.twin_outcome(row),
            words.steps(row.updates),
            words.steps(row.env_steps),
            *_departure(row),
            row.detail,
            row.waived,
        )
        for row in rows
    ]
    head = ("environment", "seed", "outcome", "updates", "env steps", "left its band first")
    when = ("when", "distance, in shares of its scale", "band", "mine", "reference", "note")
    bad = [replay.twin_outcome(row) == "DEPARTED" for row in rows]
    return table((*head, *when, "waived because"), cells, bad)


def _departure(row: TwinRow) -> tuple[str, ...]:
    """Return the cells about what left its band, empty for a run that stayed inside."""
    if row.status != "departed":
        return ("",) * 6
    return (
        f"{row.quantity} ({row.component})",
        replay.first_seen(row.update, row.env_step),
        words.number(row.size, 3),
        words.number(row.band, 3),
        row.mine_place,
        row.reference_place,
    )


def waivers(rows: Sequence[WaiverRow]) -> Table:
    """Return every declared difference and what became of it."""
    cells = [
        (
            row.waiver.what,
            row.status,
            row.waiver.reason,
            row.waiver.level,
            _scope(row),
            row.waiver.expires,
            row.waiver.owner,
            row.detail,
        )
        for row in rows
    ]
    head = ("waived", "status", "reason", "level", "holds for", "last day", "owner", "note")
    return table(head, cells, [row.status in FAILING for row in rows])


def _scope(row: WaiverRow) -> str:
    """Return where a waiver holds."""
    return ", ".join(one for one in (row.waiver.algo, row.waiver.env) if one) or "everywhere"
