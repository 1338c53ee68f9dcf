"""The draws of a scenario as records for the draw tests, read off the tapes of three plays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from harness.segments.names import ENV_RESULT
from harness.segments.quantities import is_drawn
from harness.segments.tape import Array, Event, Slot, Tape
from harness.spec.cards.card import Card, TapRow
from harness.stats.draws_record import DrawRecord

# Kinds of draws that take the rows of a rollout in epochs.
EPOCHS = ("permutation", "once")
# An action of at most so many choices is looked at two by two as well.
MAX_DIMENSIONS = 4


class Tapes(NamedTuple):
    """Three plays in the same states: the record, the reference again, and mine."""

    known: Tape
    again: Tape
    mine: Tape


@dataclass
class _Events:
    """Draws of one source, event by event.

    Attributes:
        at: env steps made before each draw. epoch_at: those at the last permuted minibatch.
    """

    mine: list[Array] = field(default_factory=list)
    again: list[Array] = field(default_factory=list)
    known: list[Array] = field(default_factory=list)
    capacity: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    is_grouped: bool = False
    epoch_at: int = 0

    def record(self, source: str, kind: str, part: str = "") -> DrawRecord:
        """Return the record that the tests take."""
        parts = (self.mine, self.again, self.known, self.capacity, self.groups, self.labels)
        record = DrawRecord(source, kind, *map(tuple, parts))  # type: ignore[arg-type]
        return replace(record, is_grouped=self.is_grouped, part=part)

    def mapped(self, change: Callable[[Array], Array]) -> _Events:
        """Return the events with every draw changed."""
        sides = ([change(draw) for draw in side] for side in (self.mine, self.again, self.known))
        mine, again, known = sides
        return replace(self, mine=mine, again=again, known=known)

    def by_environment(self, ends: Mapping[int, Array]) -> _Events:
        """Return the events of one environment after the other, each episode one group.

        Args:
            ends: environment -> env steps, of all environments, at which its episodes ended.
        """
        n = len(self.known[0])
        events = _Events(is_grouped=True)
        for i in range(n):
            events.mine += [array[i : i + 1] for array in self.mine]
            events.again += [array[i : i + 1] for array in self.again]
            events.known += [array[i : i + 1] for array in self.known]
            episodes = np.searchsorted(ends.get(i, np.array([])), self.at, side="right")
            events.groups += [int(episode) * n + i for episode in episodes]
        return events


def draw_records(card: Card, tapes: Tapes, starts: Sequence[Tapes]) -> tuple[DrawRecord, ...]:
    """Return one record per source that all three plays tapped and that is a draw of its own.

    Args:
        tapes: of one whole scenario. starts: of its beginning under several seeds, for the weights.
    """
    found = []
    for row in card.taps:
        if not row.draws or any(not tape.count(row.name) for tape in tapes):
            continue
        if not is_drawn(row, tapes.known, tapes.mine):
            continue
        if row.draws == "weights":
            events, kind = _weights(row.name, starts), "weights"
        else:
            events, kind = _draws(row, tapes)
            if events.known and _remembers(card, row, tapes):
                events = events.by_environment(_ends(tapes.known))
        parts = _choices(events) if kind == "categorical" else {"": events}
        found += [part.record(row.name, kind, name) for name, part in parts.items() if part.known]
    return tuple(found)


def _choices(events: _Events) -> dict[str, _Events]:
    """Return the dimensions of an action of several choices, and each two of them together."""
    shape = events.known[0].shape if events.known else ()
    if len(shape) < 2 or shape[-1] == 1:
        return {"": events}
    n = shape[-1]
    pairs = itertools.combinations(range(n), 2) if n <= MAX_DIMENSIONS else ()
    base = 10 ** len(str(int(max(array.max() for array in events.known))))
    single = {f"dimension {d}": events.mapped(partial(_weighed, weights={d: 1})) for d in range(n)}
    joint = {
        f"dimensions {a} and {b} together": events.mapped(
            partial(_weighed, weights={a: base, b: 1})
        )
        for a, b in pairs
    }
    return {**single, **joint}


def _weighed(draw: Array, weights: Mapping[int, int]) -> Array:
    """Return the weighted sum of columns: (n_envs, A) to (n_envs,)."""
    columns = [weight * draw[:, d] for d, weight in weights.items()]
    return np.sum(columns, axis=0)  # type: ignore[no-any-return]


def _weights(name: str, starts: Sequence[Tapes]) -> _Events:
    events = _Events()
    for tapes in starts:
        firsts = [next(iter(tape.of(name).values()), None) for tape in tapes]
        if any(first is None for first in firsts):
            continue
        known, again, mine = (first.arrays for first in firsts if first is not None)
        for label in known:
            if label in again and label in mine and mine[label].size == known[label].size:
                events.known.append(known[label])
                events.again.append(again[label].reshape(known[label].shape))
                events.mine.append(mine[label].reshape(known[label].shape))
                events.labels.append(f"parameter {label}")
    return events


def _draws(row: TapRow, tapes: Tapes) -> tuple[_Events, str]:
    kind = row.draws
    if kind == "action":
        drawn = [a for event in tapes.known.of(row.name).values() for a in event.arrays.values()]
        is_whole = all(np.array_equal(array, np.round(array)) for array in drawn)
        kind = "categorical" if is_whole else "continuous"
    events = _Events()
    for slot, known in tapes.known.of(row.name).items():
        others = (tapes.again.at(row.name, slot), tapes.mine.at(row.name, slot))
        found = [_flat(event, kind, row) for event in (known, *others) if event is not None]
        if len(found) != len(tapes) or any(one.size != found[0].size for one in found):
            continue
        arrays = [one.reshape(found[0].shape) for one in found]
        events.known.append(arrays[0])
        events.again.append(arrays[1])
        events.mine.append(arrays[2])
        events.at.append(known.env_step)
        _add_context(events, row, known, tapes.known)
    return events, kind


def _remembers(card: Card, row: TapRow, tapes: Tapes) -> bool:
    """Return whether the draws depend on earlier ones through a state that mine does not tap."""
    rows = {one.name: one for one in card.taps}
    behind = [rows[name] for name in row.drawn_from]
    return any(
        (one.is_remembered and tapes.known.count(one.name) > tapes.mine.count(one.name))
        or _remembers(card, one, tapes)
        for one in behind
    )


def _ends(tape: Tape) -> dict[int, Array]:
    """Return environment -> env steps, counted over all of them, at which an episode ended."""
    ends: dict[int, list[int]] = {}
    for (_, env), event in tape.of(ENV_RESULT).items():
        if bool(event.arrays["terminated"]) or bool(event.arrays["truncated"]):
            ends.setdefault(env, []).append(event.env_step)
    return {env: np.array(steps) for env, steps in ends.items()}


def _flat(event: Event, kind: str, row: TapRow) -> Array:
    """Return the draw as one array; pairs of step and environment side by side.

    A noise of one axis is a row of dimensions where it belongs to one environment ("(n_envs, A)",
    "(A,)"), and a column of rows where it belongs to a minibatch ("(B,)", "(B, A)").
    """
    arrays = list(event.arrays.values())
    if kind in EPOCHS and len(arrays) > 1:
        return np.stack([event.arrays["step"].ravel(), event.arrays["env"].ravel()], axis=-1)
    array = arrays[0]
    if kind == "categorical" and array.ndim > 1 and array.shape[-1] > 1:
        return array.reshape(-1, array.shape[-1])  # several choices each
    if kind in ("categorical", "indices"):
        return array.ravel()
    if kind != "noise" or array.ndim != 1:
        return array
    return array[:, np.newaxis] if row.shape.startswith("(B") else array[np.newaxis, :]


def _add_context(events: _Events, row: TapRow, known: Event, tape: Tape) -> None:
    """Add what a draw is judged by; noise of a minibatch belongs to no episode."""
    if row.draws == "indices":
        events.capacity.append(_stored(tape, known.env_step))
    elif row.draws in EPOCHS:
        rows, epoch = _epochs(tape, events, known)
        events.capacity.append(rows)
        events.groups.append(epoch)
    elif row.clock == "env_step" and events.known[-1].dtype.kind == "f":
        events.groups.append(_episode(tape, known.env_step))


def _stored(tape: Tape, env_step: int) -> int:
    """Return how many transitions are kept when a minibatch is drawn."""
    limit = tape.capacity
    return min(env_step, limit) if limit else env_step


def _episode(tape: Tape, env_step: int) -> int:
    """Return how many episodes had ended."""
    ended = [
        event.env_step
        for event in tape.of(ENV_RESULT).values()
        if bool(event.arrays["terminated"]) or bool(event.arrays["truncated"])
    ]
    return int(np.searchsorted(np.sort(ended), env_step, side="right"))


def _epochs(tape: Tape, events: _Events, known: Event) -> tuple[int, int]:
    """Return the rows of the rollout, and the number of the epoch that an event belongs to.

    The event's own draw is the last of `events.known`; an epoch is full when its rows are as many
    as the rollout's, or a new rollout has begun.
    """
    rollout = _rows_of_rollout(tape, known.env_step)
    if not events.groups:
        events.epoch_at = known.env_step
        return rollout, 0
    latest = events.groups[-1]
    sizes = zip(events.known, events.groups, strict=False)
    drawn = sum(len(array) for array, group in sizes if group == latest)
    is_new = drawn >= rollout or known.env_step != events.epoch_at
    events.epoch_at = known.env_step
    return rollout, latest + is_new


def _rows_of_rollout(tape: Tape, env_step: int) -> int:
    sizes: Mapping[Slot, Event] = tape.of("advantages") or tape.of("returns")
    before = [event for event in sizes.values() if event.env_step <= env_step]
    return int(next(iter(before[-1].arrays.values())).size) if before else 0


def differing_repeats(
    card: Card, first: Tape, second: Tape, *, also: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the sources whose draws differ between two plays of one side with one seed.

    also: what else follows from draws alone.
    """
    sources = [row.name for row in card.taps if row.role == "source"]
    return tuple(name for name in (*sources, *also) if _varies(name, first, second))


def _varies(name: str, first: Tape, second: Tape) -> bool:
    return any(
        other is not None and not _equal(event, other)
        for event, other in _pairs(name, first, second)
    )


def _pairs(name: str, first: Tape, second: Tape) -> Iterator[tuple[Event, Event | None]]:
    for slot, event in first.of(name).items():
        yield event, second.at(name, slot)


def _equal(event: Event, other: Event) -> bool:
    return event.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[key], equal_nan=array.dtype.kind == "f")
        for key, array in event.arrays.items()
    )
