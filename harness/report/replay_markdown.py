"""The sections of report.md about what was tested without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement import DrawRow, Judgement, SegmentRow, TwinRow
from harness.report import replay, replay_tables
from harness.report.markdown_parts import bullets, folded, pipe_table, say, source
from harness.report.plots import Picture, twin_picture
from harness.report.text import markdown_code as code

MAX_SOURCE = 20  # lines of one side; the HTML report shows them all


def sections(judgement: Judgement, names: frozenset[str]) -> Iterator[str]:
    """Yield stretches of code, draws and twin runs, whichever were tested."""
    yield from _segments(judgement)
    yield from _draws(judgement.draws)
    yield from _twins(judgement.twins, names)


def waivers(judgement: Judgement) -> Iterator[str]:
    """Yield the declared differences, when there are any."""
    if judgement.waivers:
        yield "## Declared differences"
        yield pipe_table(replay_tables.waivers(judgement.waivers))


def stretch(row: SegmentRow) -> Iterator[str]:
    """Yield the lines of a failing stretch, mine then the reference's, and what else ran."""
    for side, place, lines in replay.sides(row):
        title = f"{side}, {code(place)}:"
        yield source(title, replay.excerpt(lines, MAX_SOURCE))
    more = replay.further_places(row.mine_lines, row.mine_place)
    if more:
        yield f"mine, also ran: {say(more)}"


def _segments(judgement: Judgement) -> Iterator[str]:
    """Yield the stretches of code that were tested alone, when any were."""
    rows = judgement.segments
    if not rows:
        return
    yield "## Code tested piece by piece"
    yield f"{say(replay.counts(rows))}."
    questioned = replay.in_question(rows)
    if questioned:
        yield pipe_table(replay_tables.segments(questioned))
    passed = replay.of_outcome(rows, "passed")
    yield say(f"Passed: {replay.names(passed)}.") if passed else ""
    missing = replay.missing_taps(rows)
    if missing:
        yield "A tap more would buy:"
        yield bullets(missing)
    yield folded("What the scenarios exercised", replay_tables.events(judgement.segment_events))


def _draws(rows: Sequence[DrawRow]) -> Iterator[str]:
    """Yield one line per source of draws, and what was rejected."""
    if not rows:
        return
    yield "## Random draws"
    yield bullets([group.said for group in replay.draw_groups(rows)])
    rejected = [row for row in rows if row.is_rejected]
    yield pipe_table(replay_tables.draws(rejected)) if rejected else ""


def _twins(rows: Sequence[TwinRow], names: frozenset[str]) -> Iterator[str]:
    """Yield the twin runs with their pictures."""
    if not rows:
        return
    yield "## Whole training under the reference's draws"
    yield bullets([replay.twin_sentence(row) for row in rows])
    for row in rows:
        yield picture(twin_picture(row), names)
        for failing in replay.of_outcome(row.segments, "failed"):
            yield f"Around the departure: {code(failing.tap)}: {say(replay.measured(failing))}"
            yield from stretch(failing)


def picture(one: Picture, names: frozenset[str]) -> str:
    """Return a linked picture with its caption, or nothing when there is no such file."""
    name = f"{one.stem}.png"
    return f"![{one.kind}](plots/{name})\n\n{say(one.caption)}" if name in names else ""
