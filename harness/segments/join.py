"""The answers of several scenarios as one result: a quantity fails when one scenario fails it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.codec import from_plain
from harness.judgement import DrawRow, SegmentRow, SegmentsResult
from harness.records import STAGES
from harness.segments.automatic import NOT_IN_REFERENCE
from harness.segments.hints import agreed
from harness.segments.hints_related import settled
from harness.segments.scenario import Scenario
from harness.spec.cards import Card, card

# What a quantity is called when scenarios say different things of it: the first that one says.
_PRECEDENCE = ("failed", "convention", "passed", "unobserved", "not exercised")
REPEATABLE = "the same draws under the same seed"


def joined(
    algo: str, asked: Sequence[Scenario], answers: Sequence[Mapping[str, Any]]
) -> SegmentsResult:
    """Return the rows, events and draws of all scenarios together.

    A side that cannot begin a scenario with other actions or observations is not turned away as
    long as it can begin one: what only the other exercises is then not exercised. One that begins a
    scenario and not another of the same kind has failed.
    """
    pairs = list(zip(asked, answers, strict=True))
    begun = [answer for answer in answers if "refused" not in answer]
    kinds = {answer["kind"] for answer in begun if "rows" in answer}
    notes = tuple(note for scenario, answer in pairs for note in _notes(scenario, answer))
    reasons = [
        reason for scenario, answer in pairs for reason in _failures(scenario, answer, kinds)
    ]
    if not begun:
        # Code written for one environment alone: nothing is tested piece by piece, and whether it
        # runs there is for the training to say.
        role, said = answers[0]["refused_by"], _last_line(answers[0]["refused"])
        return SegmentsResult(reason=f"{role} could not begin a scenario: {said}", notes=notes)
    events: dict[str, int] = {}
    for answer in begun:
        for name, count in answer.get("events", {}).items():
            events[name] = events.get(name, 0) + count
    known = card(algo)
    rows = () if reasons else _rows(begun)
    notes = (*_bare(known, rows), *notes)
    choices = {key: n for answer in begun for key, n in answer.get("choices", {}).items()}
    return SegmentsResult(
        rows=rows,
        events=events,
        reason=reasons[0] if reasons else "",
        env_steps=sum(answer.get("env_steps", 0) for answer in begun),
        draws=() if reasons else tuple(d for answer in begun for d in _draws(known, answer)),
        notes=notes,
        is_invalid=bool(reasons),
        choices=choices,
        kept={name: repr(v) for answer in begun for name, v in answer.get("kept", {}).items()},
    )


def _bare(known: Card, rows: Sequence[SegmentRow]) -> Iterator[str]:
    """Yield what it means that a side taps nothing."""
    taps = {row.name for row in known.taps}
    tapped = [row for row in rows if row.tap in taps]
    if not tapped or any(row.status != "unobserved" for row in tapped):
        return
    side = "the reference" if any(NOT_IN_REFERENCE in row.hints for row in tapped) else "mine"
    yield (
        f"{side} has no taps: what it asks of environments and optimisers is compared, the code "
        "between is not. Parity can only be statistical, from many seeds; numerical parity needs "
        "the taps"
    )


def _rows(answers: Sequence[Mapping[str, Any]]) -> tuple[SegmentRow, ...]:
    """Return one row per quantity, in the data-flow order that the scenarios share."""
    every: dict[str, list[SegmentRow]] = {}
    order: list[str] = []
    for answer in answers:
        at = 0
        for row in from_plain(tuple[SegmentRow, ...], answer.get("rows", ())):
            if row.tap not in every:
                order.insert(at, row.tap)
            at = order.index(row.tap) + 1
            every.setdefault(row.tap, []).append(row)
    rows = [_one(every[tap]) for tap in order]
    return tuple(sorted(rows, key=lambda row: STAGES.index(row.stage)))


def _one(rows: Sequence[SegmentRow]) -> SegmentRow:
    """Return the row that says most, with the events of all scenarios counted."""
    first = min(rows, key=lambda row: _PRECEDENCE.index(row.status))
    if first.status == "failed":
        first = next(row for row in rows if row.status == settled(rows))
    return replace(
        first,
        hints=agreed([first.hints, *(r.hints for r in rows if r.status == first.status)]),
        n_events=sum(row.n_events for row in rows),
        n_failed=sum(row.n_failed for row in rows),
        missing=sum(row.missing for row in rows),
        extra=sum(row.extra for row in rows),
        size=max(row.size for row in rows),
        noise_floor=max(row.noise_floor for row in rows),
    )


def _draws(known: Card, answer: Mapping[str, Any]) -> Iterator[DrawRow]:
    taps = {row.name: row for row in known.taps}
    rows = {row["tap"]: row for row in answer.get("rows", ())}
    places = answer.get("places", {})
    for name, lines in places.items():
        place = {"mine_place": lines[0], "mine_lines": lines} if lines else {}
        rows[name] = {**rows.get(name, {}), **place}
    for name in answer.get("varying", ()):
        stage = taps[name].stage if name in taps else "collect"
        row = _draw_row(rows.get(name, {}), "seeding-determinism", stage)
        yield replace(
            row,
            source=name,
            feature=REPEATABLE,
            is_rejected=True,
            reason="two plays with the same seed drew differently: a generator is not seeded",
            scenario=answer["scenario"],
        )
    for test in answer.get("draws", ()):
        tap = taps[test["source"]]
        row = _draw_row(rows.get(tap.name, {}), tap.component, tap.stage)
        named = {key: value for key, value in test.items() if key not in ("statistic", "p")}
        plain = from_plain(dict[str, Any], named)
        numbers = {key: _number(plain[key]) for key in ("mine", "reference", "p_adjusted")}
        yield replace(row, **{**plain, **numbers}, scenario=answer["scenario"])


def _number(value: Any) -> float:  # noqa: ANN401 - a number, or the word for one that is not finite
    return float(value)


def _draw_row(row: Mapping[str, Any], component: str, stage: str) -> DrawRow:
    return DrawRow(
        source="",
        component=component,
        stage=stage,
        feature="",
        n=0,
        p_adjusted=0.0,
        is_rejected=False,
        mine=0.0,
        reference=0.0,
        mine_place=row.get("mine_place", ""),
        reference_place=row.get("reference_place", ""),
        mine_lines=tuple(row.get("mine_lines", ())),
    )


def _notes(scenario: Scenario, answer: Mapping[str, Any]) -> Iterator[str]:
    where = f"scenario {scenario.name!r}"
    if "refused" in answer:
        said = f"{answer['refused_by']} could not begin it: {_last_line(answer['refused'])}"
        yield f"{where} left out ({answer['kind']}): {said}"
    if "mine_error" in answer:
        yield f"{where} ({answer['kind']}): mine raised: {_last_line(answer['mine_error'])}"
    for fixed in answer.get("fixed", ()):
        side = "mine" if fixed["role"] == "mine" else "the reference"
        yield (
            f"{where}: {side} cannot vary {fixed['name']}; both sides take {fixed['value']!r} there"
        )
    yield from _ignored(where, answer)
    for sentence in answer.get("unknown", ()):
        yield f"{where}: mine: {sentence}"
    if answer.get("floors_error"):
        yield (
            f"{where}: the reference cannot run in float64 ({_last_line(answer['floors_error'])}); "
            "noise floors are stated constants"
        )


def _ignored(where: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what mine does not follow, and what is not exercised because of fixed values."""
    for name, value in answer.get("kept", {}).items():
        yield (
            f"{where}: mine does the same whatever {name} is asked for; both sides take the "
            f"comparison's {value!r} there"
        )
    if answer.get("lost"):
        yield f"{where}: not exercised because of that: {', '.join(answer['lost'])}"
    for name, value in answer.get("ignored", {}).items():
        yield (
            f"{where}: mine does the same whatever {name} is asked for, and nothing shows that it "
            f"has the comparison's {value!r}: follow it, or raise UnsupportedHyperparameter where "
            "it is fixed on purpose"
        )


def _failures(
    scenario: Scenario, answer: Mapping[str, Any], kinds: Collection[str]
) -> Iterator[str]:
    where = f"scenario {scenario.name!r}"
    if "refused" in answer and answer["kind"] in kinds:
        yield f"{where}: {answer['refused_by']} raised: {answer['refused']}"
    if "failure" in answer:
        yield f"{where}: {answer['failure']}"
    if answer.get("reference_error"):
        yield f"{where}: reference raised: {answer['reference_error']}"
    if answer.get("mine_error") and (not kinds or answer["kind"] in kinds):
        yield f"{where}: mine raised: {answer['mine_error']}"
    problems = answer.get("problems", ())
    if problems:
        yield f"{where}: {len(problems)} values could not be read, first: {problems[0]}"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else text
