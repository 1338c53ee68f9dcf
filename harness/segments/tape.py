"""What one side of a scenario said, in memory: events by quantity and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]
Shape = tuple[int, ...]

FLAT = 2  # axes of rows that are stored flat

# Where an event stands, so that those of both sides can be matched although one makes more of them:
# (env steps made, n-th occurrence of this quantity at that count) for taps and optimiser steps,
# (n-th step or episode of that environment, number of the parallel environment) at the environment.
Slot = tuple[int, ...]


@dataclass
class Event:
    """One tapped value. env_step, update: how many had been made when it was tapped."""

    arrays: Arrays
    env_step: int
    update: int


@dataclass
class Tape:
    """Events of one side.

    Attributes:
        events: quantity -> slot -> event, in order of occurrence.
        sites: quantity -> "file:line" of its tap.
        problems: what could not be taken down, and why.
        owners: tapped modules and tensors that an optimiser trains, in order of their taps.
        bare: those of the owners that no tap names (see bare.py).
        trained: owner -> shapes of what is trained, without axes of size 1.
        others: tapped modules that none trains.
        shared: module tap -> earlier module tap that holds the same tensors.
        constants: prefix of an owner's quantities -> its optimiser's class and options.
        passes: (module tap, kind, field) -> env step -> what passed there (see networks.py).
        callers: quantity -> tapped modules that computed something since the event before it.
        clips: for every call that clips gradients, whether they were longer than the limit.
        unknown: tap names outside the card.
        descended: taps of single numbers through which a gradient other than 0 flowed back.
        env_steps: made in the end, summed over parallel environments.
        capacity: transitions that the replay buffer keeps; 0: all, or there is none.
        illegal: (env step, action) of actions outside the space of actions. n_actions: looked at.
    """

    events: dict[str, dict[Slot, Event]] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    trained: dict[str, list[Shape]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    passes: dict[tuple[str, str, str], dict[int, list[Array]]] = field(default_factory=dict)
    callers: dict[str, set[str]] = field(default_factory=dict)
    clips: list[bool] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    descended: set[str] = field(default_factory=set)
    env_steps: int = 0
    capacity: int = 0
    illegal: list[tuple[int, str]] = field(default_factory=list)
    n_actions: int = 0

    def count(self, name: str) -> int:
        """Return how many events a quantity has."""
        return len(self.events.get(name, ()))

    def at(self, name: str, slot: Slot) -> Event | None:
        """Return the event of a quantity at a slot; None when there is none."""
        return self.events.get(name, {}).get(slot)

    def of(self, name: str) -> Mapping[Slot, Event]:
        """Return the events of a quantity by slot; empty when it has none."""
        return self.events.get(name, {})


def put(tape: Tape, name: str, slot: Slot, event: Event) -> None:
    """Add an event; one that is there already is completed by the arrays of the new one."""
    known = tape.events.setdefault(name, {}).get(slot)
    if known is None:
        tape.events[name][slot] = event
    else:
        known.arrays.update(event.arrays)


def fits(mine: Array, reference: Array) -> bool:
    """Return whether two arrays have the same shape when axes of size 1 are left out.

    Rows may be stored flat: (B, 6) fits (B, 2, 3).
    """
    ours, theirs = squeezed(mine.shape), squeezed(reference.shape)
    is_flat = min(len(ours), len(theirs)) == FLAT and ours[0] == theirs[0]
    return ours == theirs or (is_flat and mine.size == reference.size)


def squeezed(shape: Shape) -> Shape:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)
