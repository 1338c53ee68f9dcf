"""How far a follower is from the record, event by event, kept as three columns per quantity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.segments.names import GREEDY
from harness.segments.noise import largest
from harness.segments.sketch import sketch
from harness.segments.tape import Array, Arrays, Event, Slot, fits

# Array of a follower's file that is no quantity.
CHOICES = "~choices"


class Distances:
    """Receives the events of a follower; keeps how far each is from the record.

    An error is the largest absolute difference, of large arrays that of their sketches; beside it
    stands the largest entry of the record, by which errors are measured (of vectors in pieces,
    gradients, steps and parameters, that of the whole). Whole numbers and flags are equal (0) or
    not (infinity), and so are events that only one side has. What two optimisers do to the halves
    of one module is one event.

    Args:
        whole: quantities that are recorded in full. is_over: whether the record has ended.
        action: tap of the actions that a module's values decide, where nothing is drawn.
    """

    def __init__(
        self, *, whole: frozenset[str], is_over: Callable[[], bool], action: str = ""
    ) -> None:
        self._whole = whole
        self._action = action
        self._is_over = is_over
        self._slots: dict[str, Slot] = {}
        self._greedy: Array | None = None
        self.choices: list[tuple[int, bool, bool]] = []
        self.columns: dict[str, list[tuple[int, int, float, float]]] = {}

    def keep(self, name: str, slot: Slot, event: Event, known: Event | None) -> None:
        """Add the error of one event to its quantity's column."""
        if known is None:
            if not self._is_over():
                self._add(name, slot, event, (np.inf, 0.0))
            return
        arrays = event.arrays
        if name == GREEDY:
            self._greedy = known.arrays[""].argmax(axis=-1)
            scale = largest(known.arrays[""])
            self._add(name, slot, event, (regret(arrays[""], known.arrays[""]), scale))
            return
        self._note_choice(name, event, known)
        if name not in self._whole:
            arrays = {field: sketch(array) for field, array in arrays.items()}
        scale = max((largest(array) for array in known.arrays.values()), default=0.0)
        self._add(name, slot, event, (_error(arrays, known.arrays), scale))

    def _note_choice(self, name: str, event: Event, known: Event) -> None:
        """Note whether either side's own action is the greedy one of the record."""
        if name != self._action or self._greedy is None:
            return
        own, drawn = event.arrays[""].ravel(), known.arrays[""].ravel()
        if own.dtype.kind in "iu" and own.size == drawn.size == self._greedy.size:
            hits = zip(own == self._greedy, drawn == self._greedy, strict=True)
            self.choices += [(event.env_step, bool(ours), bool(theirs)) for ours, theirs in hits]

    def median(self) -> float:
        """Return the median over quantities of their median distance; 0 when there are none."""
        each = [np.median([row[2] / (row[3] or 1.0) for row in r]) for r in self.columns.values()]
        return float(np.median(each)) if each else 0.0

    def save(self, path: Path) -> None:
        """Write every quantity as (n, 4): env step, update, error, largest entry.

        CHOICES, (n, 3): env step, whether mine's own and the record's action were the greedy one.
        """
        arrays = {name: np.array(rows, dtype=np.float64) for name, rows in self.columns.items()}
        if self.choices:
            arrays[CHOICES] = np.array(self.choices, dtype=np.float64)
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _add(self, name: str, slot: Slot, event: Event, measured: tuple[float, float]) -> None:
        rows = self.columns.setdefault(name, [])
        if rows and self._slots.get(name) == slot:
            *_, error, scale = rows[-1]
            measured = (max(error, measured[0]), max(scale, measured[1]))
            rows.pop()
        self._slots[name] = slot
        rows.append((event.env_step, event.update, *measured))


def regret(mine: Array, reference: Array) -> float:
    """Return by how much mine's greedy actions are worse in the reference's own values.

    mine, reference: (n_envs, n_actions), values of all actions. A tie costs nothing.
    """
    if mine.shape != reference.shape:
        return np.inf
    chosen = np.take_along_axis(reference, mine.argmax(axis=-1)[:, np.newaxis], axis=-1)[:, 0]
    return float((reference.max(axis=-1) - chosen).max())


def _error(mine: Arrays, reference: Arrays) -> float:
    shared = [name for name in reference if name in mine]
    return max((_of(mine[name], reference[name]) for name in shared), default=0.0)


def _of(mine: Array, reference: Array) -> float:
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
    return error if np.isfinite(error) else np.inf
