"""How far a follower is from the record, event by event, kept as three columns per quantity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.segments.noise import largest
from harness.segments.sketch import sketch
from harness.segments.tape import Array, Arrays, Event, Slot
from harness.segments.values import fits


class Distances:
    """Receives the events of a follower.

    A distance is the largest absolute difference in shares of the largest entry that the quantity
    has had so far on the record (of vectors in pieces, gradients, steps and parameters: of the
    whole); for large arrays the distance of their sketches. Whole numbers and flags are equal (0)
    or not (infinity), and so are events that only one side has.

    Args:
        whole: quantities that are recorded in full. is_over: whether the record has ended.
    """

    def __init__(self, *, whole: frozenset[str], is_over: Callable[[], bool]) -> None:
        self._whole = whole
        self._is_over = is_over
        self._scales: dict[str, float] = {}
        self.columns: dict[str, list[tuple[int, int, float]]] = {}

    def keep(self, name: str, slot: Slot, event: Event, known: Event | None) -> None:
        """Add the distance of one event to its quantity's column."""
        del slot
        if known is None:
            if not self._is_over():
                self._add(name, event, np.inf)
            return
        arrays = event.arrays
        if name not in self._whole:
            arrays = {field: sketch(array) for field, array in arrays.items()}
        scale = max((largest(array) for array in known.arrays.values()), default=0.0)
        self._scales[name] = scale = max(scale, self._scales.get(name, 0.0))
        self._add(name, event, _distance(arrays, known.arrays, scale))

    def save(self, path: Path) -> None:
        """Write every quantity as (n, 3) env step, update, distance."""
        arrays = {name: np.array(rows, dtype=np.float64) for name, rows in self.columns.items()}
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _add(self, name: str, event: Event, distance: float) -> None:
        self.columns.setdefault(name, []).append((event.env_step, event.update, distance))


def _distance(mine: Arrays, reference: Arrays, scale: float) -> float:
    shared = [name for name in reference if name in mine]
    return max((_of(mine[name], reference[name], scale) for name in shared), default=0.0)


def _of(mine: Array, reference: Array, scale: float) -> float:
    if mine.size != reference.size or not (fits(mine, reference) or mine.ndim == 1):
        return np.inf
    a, b = mine.reshape(-1).astype(np.float64), reference.reshape(-1).astype(np.float64)
    if reference.dtype.kind in "iub" and mine.dtype.kind in "iub":
        return 0.0 if np.array_equal(a, b) else np.inf
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        error = float(np.abs(a - b)[~same].max())
    if not np.isfinite(error):
        return np.inf
    return error / scale if scale > 0 else np.inf
