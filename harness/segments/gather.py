"""Minibatches of a side that taps no rows: is every row of them a row that was stored?

Mine draws its own rows, so its minibatch cannot equal the reference's. But what it stored were the
reference's values (handed on), so each of its rows must be one of those, with all its fields.
Otherwise fields of different rows were paired.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.segments.tape import Array, Event, Tape

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Gathered:
    """One minibatch: how many of its rows are no stored row."""

    n_rows: int
    n_strange: int
    env_step: int
    update: int


def strangers(
    mine: Tape, reference: Tape, name: str, stored: str, *, left_out: Collection[str] = ()
) -> list[Gathered] | None:
    """Return one entry per minibatch of mine; None when no field of it can be found stored.

    Args:
        left_out: fields that are made of several stored rows.
    """
    found = []
    for event in mine.of(name).values():
        fields = [field for field in event.arrays if field not in left_out]
        table = _table(reference, stored, fields, env_step=event.env_step)
        if not table:
            return None
        n_rows = len(next(iter(event.arrays.values())))
        own = _joined({field: event.arrays[field] for field in table}, n_rows)
        known = {row.tobytes() for row in _joined(table, _length(table))}
        n_strange = sum(row.tobytes() not in known for row in own)
        found.append(Gathered(n_rows, n_strange, event.env_step, event.update))
    return found


def _table(
    reference: Tape, stored: str, fields: list[str], *, env_step: int
) -> Mapping[str, Array]:
    """Return field -> (n_stored, ...) values as stored when a minibatch was drawn."""
    rollout = _rollout(reference, env_step)
    first = rollout.env_step if rollout else None
    events = [e for e in reference.of(stored).values() if e.env_step <= env_step]
    if rollout is not None and first is not None:
        n_steps = next(iter(rollout.arrays.values())).shape[0]
        events = [e for e in events if e.env_step <= first][-n_steps:]
    columns = {}
    for field in fields:
        values = _column(reference, field, events, stored=stored, rollout=rollout)
        if values is not None:
            columns[field] = values
    return columns


def _rollout(reference: Tape, env_step: int) -> Event | None:
    """Return the last event of a quantity of whole rollouts before a minibatch, if there is one."""
    before = [e for e in reference.of("advantages").values() if e.env_step <= env_step]
    return before[-1] if before else None


def _column(
    reference: Tape, field: str, events: list[Event], *, stored: str, rollout: Event | None
) -> Array | None:
    for name in (field, field.removeprefix("old_"), field.removesuffix("s")):
        short = name.removeprefix("old_").removesuffix("s")
        if events and name in events[0].arrays:
            return np.concatenate([_per_env(e.arrays[name], events[0]) for e in events])
        if rollout is not None and name == field and reference.count(name):
            whole = [e for e in reference.of(name).values() if e.env_step == rollout.env_step]
            return next(iter(whole[-1].arrays.values())).reshape(-1) if whole else None
        if rollout is not None and reference.count(short) and short != stored:
            every = [e for e in reference.of(short).values() if e.env_step < rollout.env_step]
            return np.concatenate(
                [next(iter(e.arrays.values())).reshape(-1) for e in every[-len(events) :]]
            )
    return None


def _per_env(values: Array, event: Event) -> Array:
    """Return (n_envs, ...) values; those of a single environment may lack the first axis."""
    n_envs = max(1, np.size(event.arrays.get("reward", 0)))
    return values.reshape(n_envs, -1)


def _length(columns: Mapping[str, Array]) -> int:
    return min(len(column) for column in columns.values())


def _joined(columns: Mapping[str, Array], n_rows: int) -> Rows:
    """Return (n_rows, n_numbers) float32: every field of a row side by side."""
    parts = [columns[name].reshape(n_rows, -1).astype(np.float32) for name in sorted(columns)]
    # Adding zero turns -0.0 into 0.0, which are equal and differ in bytes.
    return np.ascontiguousarray(np.concatenate(parts, axis=1)) + np.float32(0.0)
