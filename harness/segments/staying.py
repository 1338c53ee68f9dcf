"""Hyperparameters that mine does not follow: the same is seen whatever is asked.

A scenario asks for values that are no library's default. A side that has a number written down
differs there although it may do what the comparison asks for. So where mine differs, it is played
again with each value that the comparison itself asks for: what mine does the same to the bit, and
the reference does not, mine ignores. Such a value counts as kept, and is taken on both sides, where
the reference does otherwise under values just beside it: only then does agreement show that mine
has this value and no other. A value that switches something off (docs/decisions/0013) cannot be
told from a branch that mine forgot: the scenario's is asked as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.records import Json
from harness.segments.compare import Limits, compare_tapes
from harness.segments.names import ROUNDS
from harness.segments.play import Played
from harness.segments.quantities import quantities_of
from harness.segments.scenario import N_ENVS, Scenario
from harness.segments.tape import Array, Event, Tape
from harness.spec.cards.card import card, idle

# Rounds of updates after which most values have shown an effect, if they have one.
FIRST_ROUNDS = 2
# How far beside a value the reference is asked again, as a share of it.
BESIDE = 0.1

# Rounding units beyond which a difference is none, whatever a floor was measured to be.
FAR = 1e4


@dataclass(frozen=True)
class Players:
    """How both sides are played; ended after so many env steps, or None.

    Attributes:
        mine: against a record. reference: as recorded; asked again, it gives the play it has.
    """

    mine: Callable[[Scenario, Tape, int | None], Played]
    reference: Callable[[Scenario, int | None], Played]


@dataclass(frozen=True)
class Stays:
    """What mine ignores: hyperparameter -> the comparison's value.

    Attributes:
        kept: mine is shown to have this value. others: nothing shows that it does.
    """

    kept: Mapping[str, Json]
    others: Mapping[str, Json]


NOTHING = Stays({}, {})


@dataclass(frozen=True)
class Run:
    """A scenario, its record and mine's replay, and what mine was seen to ignore."""

    scenario: Scenario
    recorded: Played
    mine: Played
    stays: Stays = NOTHING


def followed(run: Run, players: Players, *, asked: Mapping[str, Json]) -> Run:
    """Return the run with the values that mine is seen to keep taken on both sides.

    Args:
        asked: values that every environment of the comparison asks for, and "n_envs".
    """
    if not asked or not _is_far(run):
        return run
    stays = stays_of(run, players, asked=asked)
    if not stays.kept:
        return replace(run, stays=stays)
    scenario = run.scenario.fixing_all(stays.kept)
    recorded = players.reference(scenario, None)
    return Run(scenario, recorded, players.mine(scenario, recorded.tape, None), stays)


def _is_far(run: Run) -> bool:
    """Return whether mine fell over, or differs by more than any rounding.

    One that fell over before its first update does the same whatever is asked: it shows nothing.
    """
    scenario, mine, recorded = run.scenario, run.mine.tape, run.recorded.tape
    if run.mine.error:
        return run.mine.runtime.optimisers.updates > 0
    quantities = quantities_of(card(scenario.algo), recorded, mine)
    n_common = scenario.common_env_steps(mine.env_steps, recorded.env_steps)
    limits = Limits(skipped=frozenset(scenario.perturbed), env_steps=n_common)
    return any(
        row.missing or row.extra or row.size > FAR
        for row in compare_tapes(mine, recorded, quantities, limits)
    )


def stays_of(run: Run, players: Players, *, asked: Mapping[str, Json]) -> Stays:
    """Return the hyperparameters that mine is seen to ignore; `asked` as of `followed`."""
    scenario = run.scenario
    ends = (_early(run.recorded.tape), None)
    ignored = {
        name: value
        for name, value in _ignored(run, players, asked).items()
        if _does_otherwise(players, scenario.fixing(name, value), scenario, ends)
    }
    kept = {n: v for n, v in ignored.items() if not _is_off(scenario.algo, n, v)}
    shown: dict[str, Json] = {}
    if kept:
        fitted = scenario.fixing_all(kept)
        shown = {
            name: value
            for name, value in kept.items()
            if any(
                _does_otherwise(players, fitted.fixing(name, near), fitted, ends)
                for near in beside(value)
            )
        }
    return Stays(shown, {n: v for n, v in ignored.items() if n not in shown})


def _ignored(run: Run, players: Players, asked: Mapping[str, Json]) -> dict[str, Json]:
    """Return hyperparameter -> the comparison's value, where mine does the same under both."""
    scenario, recorded = run.scenario, run.recorded.tape
    own = {**scenario.hyperparameters, N_ENVS: scenario.n_envs}
    found = {
        name: asked[name]
        for name, value in own.items()
        if name in asked and name not in scenario.fixed and asked[name] != value
    }
    if not found:
        return found
    early = _early(recorded)
    for last, known in ((early, players.mine(scenario, recorded, early)), (None, run.mine)):
        for name, value in list(found.items()):
            if not is_same(known, players.mine(scenario.fixing(name, value), recorded, last)):
                del found[name]
    return found


def _early(recorded: Tape) -> int | None:
    rounds = sorted(event.env_step for event in recorded.of(ROUNDS).values())
    return rounds[min(FIRST_ROUNDS, len(rounds)) - 1] if rounds else None


def _is_off(algo: str, name: str, value: Json) -> bool:
    """Return whether a value is what a side without this branch does: none, no, 0, or once."""
    if name == N_ENVS:
        return bool(value != 1)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_nothing = value is None or value is False or (is_number and value in (0, 1))
    return is_nothing or bool(idle(algo, {name: value}))


def beside(value: Json) -> Iterator[Json]:
    """Yield values just beside one: a smaller and a larger one, for every number in it.

    >>> list(beside(64)), list(beside([20, 8])), list(beside("lin_0.5"))
    ([58, 70], [[18, 8], [22, 8], [20, 7], [20, 9]], ['lin_0.45', 'lin_0.55'])
    """
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        by = max(1, round(BESIDE * abs(value)))
        yield from (value - by, value + by)
    elif isinstance(value, float):
        yield from (value * (1 - BESIDE), value * (1 + BESIDE))
    elif isinstance(value, str):
        word, _, number = value.rpartition("_")
        if number.replace(".", "", 1).isdigit():
            yield from (f"{word}_{near:g}" for near in beside(float(number)))
    elif isinstance(value, (dict, list, tuple)):
        yield from _one_beside(value)


def _one_beside(values: Json) -> Iterator[Json]:
    """Yield a list or a table with one of its values replaced by one beside it."""
    if isinstance(values, dict):
        yield from ({**values, key: near} for key, one in values.items() for near in beside(one))
        return
    for i, one in enumerate(values):
        yield from ([*values[:i], near, *values[i + 1 :]] for near in beside(one))


def is_same(one: Played, other: Played) -> bool:
    """Return whether two plays are the same event by event, to the bit, and end in the same way."""
    if one.unsupported or other.unsupported:
        return False
    ours, theirs = one.tape.events, other.tape.events
    return (
        one.error == other.error
        and one.tape.env_steps == other.tape.env_steps
        and ours.keys() == theirs.keys()
        and all(
            events.keys() == theirs[name].keys()
            and all(_equal(event, theirs[name][slot]) for slot, event in events.items())
            for name, events in ours.items()
        )
    )


def _does_otherwise(
    players: Players, scenario: Scenario, known: Scenario, ends: Iterable[int | None]
) -> bool:
    """Return whether the reference plays two scenarios differently up to one of these env steps.

    A play that fails (a value not allowed) shows nothing.
    """
    for last in ends:
        played = players.reference(scenario, last)
        if played.error or played.unsupported:
            return False
        if not is_same(played, players.reference(known, last)):
            return True
    return False


def _equal(one: Event, other: Event) -> bool:
    return one.arrays.keys() == other.arrays.keys() and all(
        _is_equal(array, other.arrays[field]) for field, array in one.arrays.items()
    )


def _is_equal(one: Array, other: Array) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
