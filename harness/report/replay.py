"""What was tested without training, in sentences: stretches of code, draws, twin runs.

All texts are still unescaped; every format dresses them for itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judgement import DrawRow, Finding, Judgement, SegmentRow, TwinRow
from harness.report import words
from harness.report.text import MAX_CODE, plain

# Outcomes of a stretch in the order in which a reader wants them. "waived" is a failure with a
# reason that the user declared.
OUTCOMES = {
    "failed": "FAILED",
    "waived": "waived",
    "convention": "convention",
    "unobserved": "unobserved",
    "not exercised": "not exercised",
    "passed": "passed",
}
NOT_EXERCISED = "not exercised"
# A numbered line of source, as the localiser keeps it: the number, two spaces, the code.
_NUMBERED = re.compile(r"(\s*\d+)  (.*)", re.DOTALL)
TAB = 4  # columns
WIDE = 0.01  # share of the scale; a band wider than this shows only large differences


@dataclass(frozen=True)
class DrawGroup:
    """The draw tests of one source.

    Attributes:
        rejected: tests that found a difference, waived ones included. said: one sentence.
        is_blind: whether draws differ and no test could have found anything in them.
    """

    source: str
    rows: tuple[DrawRow, ...]
    rejected: tuple[DrawRow, ...]
    said: str
    is_blind: bool


def outcome(row: SegmentRow) -> str:
    """Return the key of `OUTCOMES` for a stretch: its status, or "waived"."""
    return "waived" if row.status == "failed" and row.waived else row.status


def shown_outcome(row: SegmentRow) -> str:
    """Return the outcome of a stretch as it is shown."""
    said = OUTCOMES.get(outcome(row), row.status)
    return f"{said} (optional)" if row.is_optional and row.status == "unobserved" else said


def is_bad(row: SegmentRow) -> bool:
    """Return whether a stretch failed and nobody declared that it may."""
    return outcome(row) == "failed"


def of_outcome(rows: Sequence[SegmentRow], *wanted: str) -> tuple[SegmentRow, ...]:
    """Return the stretches with one of these outcomes, in data-flow order."""
    return tuple(row for row in rows if outcome(row) in wanted)


def in_question(rows: Sequence[SegmentRow]) -> tuple[SegmentRow, ...]:
    """Return every stretch that did not simply pass, failures first, then in data-flow order."""
    order = [*OUTCOMES]
    rest = [row for row in rows if outcome(row) != "passed"]
    return tuple(sorted(rest, key=lambda row: order.index(outcome(row))))


def first_failed(rows: Sequence[SegmentRow]) -> SegmentRow | None:
    """Return the first failing stretch that is not waived, or None."""
    return next((row for row in rows if is_bad(row)), None)


def counts(rows: Sequence[SegmentRow]) -> str:
    """Return how many stretches came out how, failures first.

    >>> counts([SegmentRow("td_target", "loss", "loss", "passed")])
    '1 stretch of code: 1 passed'
    """
    found = [(word, len(of_outcome(rows, key))) for key, word in OUTCOMES.items()]
    said = ", ".join(f"{count} {word}" for word, count in found if count)
    return f"{stretches(len(rows))} of code: {said}"


def stretches(count: int) -> str:
    """Return "1 stretch", "2 stretches"."""
    return f"{count} stretch" if count == 1 else f"{count} stretches"


def names(rows: Sequence[SegmentRow]) -> str:
    """Return the names of stretches as a list."""
    return ", ".join(row.tap for row in rows)


def multiple(size: float) -> str:
    """Return a size in noise floors; what must be equal exactly has no floor.

    >>> multiple(1234.6), multiple(float("inf"))
    ('1,235', 'must be equal')
    """
    return words.number(size, 4 if size >= 1000 else 3) if math.isfinite(size) else "must be equal"


def unmatched(row: SegmentRow) -> str:
    """Return how many events only one side has; "" when none."""
    said = [f"{row.missing:,} missing"] if row.missing else []
    said += [f"{row.extra:,} extra"] if row.extra else []
    return ", ".join(said)


def first_seen(update: int, env_step: int) -> str:
    """Return when something was seen first, in what had been done by then.

    >>> first_seen(1, 6300)
    'after 1 update, 6,300 env steps'
    """
    return f"after {words.counted(update, 'update')}, {words.counted(env_step, 'env step')}"


def fields(row: SegmentRow) -> str:
    """Return which parts of a value differ; "" for a value without parts."""
    named = [name for name in row.fields if name]
    if not named:
        return ""
    kind = "parameters" if all(name.isdigit() for name in named) else "fields"
    return f"in the {kind} {', '.join(named)}"


def measured(row: SegmentRow) -> str:
    """Return how much a failing stretch is off, and when first, as one sentence without a stop."""
    said = []
    if row.n_failed:
        off = f"{row.n_failed:,} of {words.counted(row.n_events, 'value')} differ {fields(row)}"
        if math.isfinite(row.size):
            off = f"{off.rstrip()}, the largest by {multiple(row.size)} noise floors"
        said.append(f"{off.rstrip()}; {words.percent(row.share)} of the elements where it begins")
    if row.missing or row.extra:
        said.append(f"{unmatched(row)} (events that only the reference, or only mine, has)")
    if said:
        where = f" of scenario {row.scenario!r}" if row.scenario else ""
        said.append(f"first {first_seen(row.update, row.env_step)}{where}")
    return "; ".join(said)


def sides(row: SegmentRow) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Return (side, place, source lines) of mine and of the reference."""
    return (
        ("mine", row.mine_place, row.mine_source),
        ("reference", row.reference_place, row.reference_source),
    )


def excerpt(lines: Sequence[str], limit: int | None = None) -> tuple[str, ...]:
    """Return numbered source lines without their common indent; of many, the last `limit`.

    The tap stands at the end of a stretch, so the last lines are the nearest to it. Source is
    foreign text: nothing invisible is left in it.

    >>> excerpt((" 154          y = 1", " 155              z = 2"))
    ('154  y = 1', '155      z = 2')
    """
    clean = [plain(line.expandtabs(TAB), MAX_CODE) for line in lines]
    pairs = [_numbered(line) for line in (clean if limit is None else clean[-limit:])]
    kept = [pair for pair in pairs if pair[0] or pair[1]]
    indents = [len(code) - len(code.lstrip(" ")) for _, code in kept if code.strip()]
    indent, width = min(indents, default=0), max((len(number) for number, _ in kept), default=0)
    return tuple(f"{number:>{width}}  {code[indent:]}".rstrip() for number, code in kept)


def _numbered(line: str) -> tuple[str, str]:
    """Return the number and the code of a line of source; no number for any other line."""
    found = _NUMBERED.fullmatch(line)
    return (found.group(1).strip(), found.group(2)) if found else ("", line)


def further_places(places: Sequence[str], shown: str) -> str:
    """Return the places that ran as well, file by file, without the one whose source is shown.

    >>> further_places(("a.py:1-3", "a.py:7", "b.py:2", "a.py:9"), "a.py:1-3")
    'a.py:7, 9; b.py:2'
    """
    by_file: dict[str, list[str]] = {}
    for place in dict.fromkeys(places):
        if place != shown:
            file, _, span = place.rpartition(":")
            by_file.setdefault(file, []).append(span)
    return "; ".join(
        f"{file}{':' if file else ''}{', '.join(spans)}" for file, spans in by_file.items()
    )


def row_of(judgement: Judgement, finding: Finding) -> SegmentRow | None:
    """Return the failing stretch that a finding speaks of; None for findings of other kinds."""
    if finding.level != "segment":
        return None
    bad = (row for row in judgement.segments if is_bad(row) and row.tap == finding.quantity)
    return next(bad, None)


def missing_taps(rows: Sequence[SegmentRow]) -> tuple[str, ...]:
    """Return one sentence per tap that mine lacks: what it would buy; optional ones left out."""
    return tuple(_bought(row) for row in rows if row.status == "unobserved" and not row.is_optional)


def _bought(row: SegmentRow) -> str:
    why = f" ({'; '.join(row.hints)})" if row.hints else ""
    beside = f", beside {row.reference_place}" if row.reference_place else ""
    return f"{row.tap}{why}: would test {row.component} alone and name its lines{beside}"


def event_count(count: int) -> str:
    """Return how often something was exercised.

    >>> event_count(1234), event_count(0)
    ('1,234', 'not exercised')
    """
    return f"{count:,}" if count else NOT_EXERCISED


def events_sentence(events: Mapping[str, int]) -> str:
    """Return what was exercised with counts, what was not at the end."""
    done = ", ".join(f"{count:,} {name}" for name, count in events.items() if count)
    rest = ", ".join(never(events))
    return f"exercised: {done or 'nothing'}" + (f"; {NOT_EXERCISED}: {rest}" if rest else "")


def never(events: Mapping[str, int]) -> tuple[str, ...]:
    """Return what no scenario exercised."""
    return tuple(name for name, count in events.items() if not count)


def draw_groups(draws: Sequence[DrawRow]) -> tuple[DrawGroup, ...]:
    """Return the draw tests source by source, in order of appearance."""
    by_source: dict[str, list[DrawRow]] = {}
    for row in draws:
        by_source.setdefault(row.source, []).append(row)
    return tuple(_draw_group(source, tuple(rows)) for source, rows in by_source.items())


def _draw_group(source: str, rows: tuple[DrawRow, ...]) -> DrawGroup:
    rejected = tuple(row for row in rows if row.is_rejected)
    n_scenarios = len({row.scenario for row in rows})
    where = f" in {words.counted(n_scenarios, 'scenario')}" if n_scenarios > 1 else ""
    is_blind = all(_is_blind(row) for row in rows) and any(row.n for row in rows)
    found = "nothing could be shown" if is_blind else _differing(rejected)
    said = f"{words.counted(len(rows), 'feature')} looked at{where}, {found}"
    said = f"{source}: {'; '.join([said, *_power(rows)])}"
    return DrawGroup(source, rows, rejected, said, is_blind)


def _differing(rejected: Sequence[DrawRow]) -> str:
    open_ones, waived = (
        [row for row in rejected if bool(row.waived) == is_waived] for is_waived in (False, True)
    )
    said = [f"{len(open_ones)} DIFFER"] if open_ones else []
    said += [f"{len(waived)} waived"] if waived else []
    return ", ".join(said) or "none differs"


def _power(rows: Sequence[DrawRow]) -> Iterator[str]:
    """Yield what these tests could have found, and how many of them could not tell."""
    if all(row.n == 0 and not row.is_rejected for row in rows):
        yield "no draw differs at all"
        return
    known = next((row for row in rows if row.smallest_detectable is not None), None)
    if known is None:
        yield "smallest detectable: unknown, these are few draws"
    else:
        size = words.number(known.smallest_detectable, 3)
        base = words.number(known.reference, 3)
        yield f"smallest detectable: {size} in {known.feature} (reference {base})"
    blind = sum(_is_blind(row) for row in rows)
    if blind:
        yield f"{words.counted(blind, 'feature')} with too few differing draws to tell"


def _is_blind(row: DrawRow) -> bool:
    """Return whether a test could not have found anything: its reason says why."""
    return bool(row.reason) and not row.is_rejected


def drawn(row: DrawRow) -> str:
    """Return what a rejected draw test found, as one sentence without a stop."""
    said = f"{row.feature}: mine {words.number(row.mine)}, reference {words.number(row.reference)}"
    if row.reason:
        said = f"{row.feature}: {row.reason}"
    else:
        said += f" (adjusted p = {words.p_value(row.p_adjusted)}, n = {row.n:,})"
    return f"{said}; waived: {row.waived}" if row.waived else said


def twin_outcome(twin: TwinRow) -> str:
    """Return "inside", "DEPARTED", "waived" or "not run"."""
    if twin.status == "departed":
        return "waived" if twin.waived else "DEPARTED"
    return twin.status


def twin_sentence(twin: TwinRow) -> str:
    """Return what came of a twin run, as one sentence without a stop."""
    who = f"{twin.env_id}, seed {twin.seed}: {twin_outcome(twin)}"
    if twin.status == "not run":
        return f"{who}: {twin.detail}" if twin.detail else who
    length = f"{words.counted(twin.updates, 'update')}, {words.steps(twin.env_steps)} env steps"
    if twin.status == "inside":
        kept = f"all {twin.n_quantities} quantities stay" if twin.n_quantities else "it stays"
        said = f"{who}: over {length}, {kept} in the band of nudged reference runs{_near(twin)}"
    else:
        when = first_seen(twin.update, twin.env_step)
        said = (
            f"{who} {when}: {twin.quantity} ({twin.component}) is "
            f"{words.number(twin.size, 3)} of its scale away, nudged reference runs "
            f"{words.number(twin.band, 3)} at most; compared: {length}"
        )
    return f"{said}; {twin.detail}" if twin.detail else said


def _near(twin: TwinRow) -> str:
    """Return how near mine stays, and from when on the band says little."""
    if not twin.course:
        return ""
    largest = max(distance for _, distance, _ in twin.course)
    near = f"at most {words.number(largest, 2)} of the scale away" if largest else "exactly equal"
    wide = next((step for step, _, band in twin.course if not band <= WIDE), None)
    if wide is None:
        return f" ({near})"
    width = f"the band is wider than {words.percent(WIDE)} of the scale"
    return f" ({near}; {width} from env step {words.steps(wide)} on)"
