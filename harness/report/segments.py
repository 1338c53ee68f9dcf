"""The segments alone, as plain text: one line per stretch of code, and what to open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement import DrawRow, SegmentRow, SegmentsResult
from harness.report import replay, stages
from harness.report.text import terminal as clean

MARKS = {
    "passed": "ok",
    "failed": "FAIL",
    "waived": "waived",
    "convention": "differs",
    "unobserved": "no tap",
    "not exercised": "not run",
}
MAX_LINE = 400  # characters of one foreign line
MAX_SOURCE = 12  # lines of each side shown of the first failing stretch
_INDENT = " " * 9


def render_segments(found: SegmentsResult) -> str:
    """Return one line per stretch, what was exercised, and where to look first."""
    if not found.rows:
        lines = [f"nothing was compared: {clean(found.reason, 600)}", *_notes(found)]
        return "\n".join(lines)
    blocks = [
        [line for row in found.rows for line in _stretch(row, _width(found.rows))],
        list(_draws(found.draws)),
        [clean(replay.events_sentence(found.events), 2 * MAX_LINE), *_notes(found)],
        list(_missing(found.rows)),
        list(_first(found)),
        [_summary(found)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _summary(found: SegmentsResult) -> str:
    """Return how everything came out, in one line."""
    return clean(f"{replay.counts(found.rows)}; {stages.draws_line(found.draws)}", MAX_LINE)


def _width(rows: Sequence[SegmentRow]) -> int:
    return max(len(clean(row.tap)) for row in rows)


def _stretch(row: SegmentRow, width: int) -> Iterator[str]:
    """Yield the line of a stretch; below it what its numbers say."""
    mark = MARKS.get(replay.outcome(row), row.status)
    place = clean(row.mine_place, MAX_LINE)
    if row.status in ("failed", "convention"):
        place = f"{place}  ({clean(row.component, 60)})"
    optional = "(optional) " if row.is_optional and row.status == "unobserved" else ""
    yield f"{mark:>7}  {clean(row.tap):<{width}}  {optional}{place}".rstrip()
    said = [replay.measured(row)] if row.status in ("failed", "convention") else []
    said += [f"hint: {hint}" for hint in row.hints]
    said += [f"waived: {row.waived}"] if row.waived else []
    yield from (f"{_INDENT}{' ' * width}  {clean(line, MAX_LINE)}" for line in said if line)


def _draws(draws: Sequence[DrawRow]) -> Iterator[str]:
    """Yield one line per source, and one more per feature that differs."""
    groups = replay.draw_groups(draws)
    if groups:
        yield "random draws, mine's against the reference's in the same states:"
    for group in groups:
        yield f"  {clean(group.said, MAX_LINE)}"
        yield from (f"    {clean(replay.drawn(row), MAX_LINE)}" for row in group.rejected)


def _notes(found: SegmentsResult) -> Iterator[str]:
    return (f"note: {clean(note, MAX_LINE)}" for note in found.notes)


def _missing(rows: Sequence[SegmentRow]) -> Iterator[str]:
    """Yield what adding which tap would buy."""
    sentences = replay.missing_taps(rows)
    if sentences:
        yield f"{replay.stretches(len(sentences))} not tested for want of a tap:"
    yield from (f"  {clean(sentence, MAX_LINE)}" for sentence in sentences)


def _first(found: SegmentsResult) -> Iterator[str]:
    """Yield the two places to open first, with their lines."""
    row = replay.first_failed(found.rows)
    if row is None:
        drawn = next((one for one in found.draws if one.is_rejected and not one.waived), None)
        if drawn is not None:
            places = f"{clean(drawn.mine_place)} beside {clean(drawn.reference_place)}"
            yield f"open first: {places} ({clean(drawn.component, 60)})"
        return
    yield (
        f"open first: {clean(row.mine_place)} beside {clean(row.reference_place)} "
        f"({clean(row.component, 60)})"
    )
    for side, place, source in replay.sides(row):
        if source:
            yield f"  {side}, {clean(place)}:"
            yield from (f"    {line}" for line in replay.excerpt(source, MAX_SOURCE))
    more = replay.further_places(row.mine_lines, row.mine_place)
    if more:
        yield f"  mine, also ran: {clean(more, MAX_LINE)}"
