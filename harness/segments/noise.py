"""The noise floor of every quantity: the reference's float32 against its own float64."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.segments.tape import Array, Arrays, Event, Slot, Tape, fits

# The rounding unit of float32 (2^-23): no quantity is known better than this share of its scale.
FLOAT32_UNIT = 2.0**-23
# A parameter's step is the difference of two rounded weights, and Adam divides by a square root of
# what may be small: where the floor could not be measured, this share of the largest step.
UNMEASURED_STEP = 1.6e-5
# What an event may be off by is at least what this share of the events are off by: rounding varies.
TYPICAL = 0.9


@dataclass(frozen=True)
class Floor:
    """The noise floor of one quantity.

    Attributes:
        typical: absolute error that TYPICAL of the events stay below.
        events: slot -> largest absolute error of that event.
    """

    typical: float = 0.0
    events: Mapping[Slot, float] = field(default_factory=dict)

    def at(self, slot: Slot, *, scale: float, unit: float = FLOAT32_UNIT) -> float:
        """Return the floor of one event: its own error, the typical one, or a rounding unit."""
        return max(self.events.get(slot, 0.0), self.typical, unit * scale)


def floors_of(recorded: Tape, widened: Tape, names: Iterable[str]) -> dict[str, Floor]:
    """Return quantity -> noise floor.

    Args:
        recorded: the reference in float32. widened: the reference in float64, replayed against it:
            at every tap it had the same inputs, so the difference is one segment's rounding.

    Quantities without a common event are left out.
    """
    floors = {}
    for name in names:
        errors = {
            slot: max(_errors(wide.arrays, event.arrays), default=0.0)
            for slot, event in recorded.of(name).items()
            if (wide := widened.at(name, slot)) is not None
        }
        if errors:
            typical = float(np.quantile(list(errors.values()), TYPICAL, method="higher"))
            floors[name] = Floor(typical, errors)
    return floors


def floors_of_sizes(recorded: Tape) -> dict[str, Floor]:
    """Return quantity -> floor where no float64 run is at hand: rounding units of its median size.

    Steps have theirs measured by weights (UNMEASURED_STEP).
    """
    floors = {}
    for name, events in recorded.events.items():
        sizes = [max(map(largest, e.arrays.values()), default=0.0) for e in events.values()]
        unit = UNMEASURED_STEP if name.endswith("step") else FLOAT32_UNIT
        floors[name] = Floor(unit * float(np.median(sizes))) if sizes else Floor()
    return floors


def _errors(wide: Arrays, narrow: Arrays) -> Iterator[float]:
    for name, array in narrow.items():
        if name in wide and array.dtype.kind == "f" and fits(wide[name], array):
            a, b = (one.astype(np.float64).ravel() for one in (wide[name], array))
            is_finite = np.isfinite(a) & np.isfinite(b)
            yield float(np.abs(a - b)[is_finite].max(initial=0.0))


def scale_of(name: str, event: Event, field: str) -> float:
    """Return what an error in a field is measured by: the largest finite entry.

    Of the whole event for gradients and steps, which are one vector in pieces; a piece without
    gradient has no scale of its own.
    """
    is_vector = name.endswith(("grad", "step"))
    arrays = event.arrays.values() if is_vector else (event.arrays[field],)
    return max((largest(array) for array in arrays), default=0.0)


def largest(array: Array) -> float:
    """Return the largest finite absolute value; 0 when there is none."""
    values = np.abs(array.astype(np.float64))
    return float(values[np.isfinite(values)].max(initial=0.0))
