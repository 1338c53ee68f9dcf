"""What one side of a scenario said, in memory: events by quantity and place."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.segments.values import Arrays

# Where an event stands, so that those of both sides can be matched although one makes more updates:
# on the env clock (n-th occurrence,); inside an update (env step, number of the update at this env
# step, n-th occurrence within it). All counted from 0, except env steps.
Slot = tuple[int, ...]


@dataclass(frozen=True)
class Event:
    """One tapped value. env_step, update: how many had been made when it was tapped."""

    arrays: Arrays
    env_step: int
    update: int


@dataclass
class Tape:
    """Events of one side.

    Attributes:
        events: quantity -> slot -> event, in order. sites: quantity -> "file:line" of its tap.
        problems: what could not be taken down, and why.
        optimised: tapped modules that an optimiser changes.
    """

    events: dict[str, dict[Slot, Event]] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    optimised: set[str] = field(default_factory=set)

    def count(self, name: str) -> int:
        """Return how many events a quantity has."""
        return len(self.events.get(name, ()))

    def at(self, name: str, slot: Slot) -> Event | None:
        """Return the event of a quantity at a slot; None when there is none."""
        return self.events.get(name, {}).get(slot)
