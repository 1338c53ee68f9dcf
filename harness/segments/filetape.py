"""A tape as a file: events in the order in which they happened, written and read as a stream.

A whole training run has too many events for memory. Each is a line of JSON (what, where, shapes)
followed by its numbers; nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.segments.tape import Array, Arrays, Event, Slot

# Events that were read ahead and not asked for are forgotten when env steps have moved so far: the
# follower does not tap them, or taps them in another order within a rollout.
FORGET_AFTER = 20_000


class TapeWriter:
    """Appends events to a file.

    Args:
        limit_bytes: beyond this nothing more is written, and `is_full` says so.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._left = limit_bytes
        self.is_full = False

    def write(self, name: str, slot: Slot, event: Event) -> None:
        """Append one event."""
        if self.is_full:
            return
        fields = [[f, a.dtype.str, list(a.shape)] for f, a in event.arrays.items()]
        head = json.dumps([name, list(slot), event.env_step, event.update, fields]).encode()
        parts = [head, b"\n", *(np.ascontiguousarray(a).tobytes() for a in event.arrays.values())]
        size = sum(map(len, parts))
        if size > self._left:
            self.is_full = True
            return
        self._left -= size
        self._file.writelines(parts)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class TapeReader:
    """Finds events in a file that is read once, from the beginning to the end.

    Events come in the order of the reference; those that the follower reaches later wait.
    """

    def __init__(self, path: Path) -> None:
        self._events = _events(path)
        self._waiting: dict[tuple[str, Slot], Event] = {}
        self._newest: dict[str, Slot] = {}
        self._forgotten_at = 0
        self.is_at_end = False

    def at(self, name: str, slot: Slot) -> Event | None:
        """Return the event of a quantity at a slot; None when there is none.

        Reading ahead stops at the first event of the same quantity that is later: slots of one
        quantity only grow.
        """
        while (name, slot) not in self._waiting and not self._is_past(name, slot):
            if not self._read_one():
                break
        return self._waiting.get((name, slot))

    def _is_past(self, name: str, slot: Slot) -> bool:
        return self._newest.get(name, (-1,)) > slot

    def _read_one(self) -> bool:
        found = next(self._events, None)
        if found is None:
            self.is_at_end = True
            return False
        name, slot, event = found
        self._waiting[name, slot] = event
        self._newest[name] = max(self._newest.get(name, (-1,)), slot)
        if event.env_step > self._forgotten_at + FORGET_AFTER:
            self._forget(event.env_step - FORGET_AFTER)
        return True

    def _forget(self, before: int) -> None:
        self._forgotten_at = before + FORGET_AFTER
        self._waiting = {k: e for k, e in self._waiting.items() if e.env_step >= before}


def _events(path: Path) -> Iterator[tuple[str, Slot, Event]]:
    with path.open("rb") as file:
        while head := file.readline():
            name, slot, env_step, update, fields = json.loads(head)
            arrays: Arrays = {field: _array(file, dtype, shape) for field, dtype, shape in fields}
            yield name, tuple(slot), Event(arrays, env_step, update)


def _array(file: IO[bytes], dtype: Any, shape: list[int]) -> Array:  # noqa: ANN401 - JSON
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(bytearray(file.read(count * kind.itemsize)), dtype=kind).reshape(shape)
