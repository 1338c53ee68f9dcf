"""Comparing what is stored with what the environment returned: exact, and needs no statistics."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.records import Json
from harness.run.observe.reduce import fields_of
from harness.run.observe.writer import MEASURE_EVERY

# The tap that carries one stored transition, and its fields that env.step returns.
TRANSITION = "transition"
FIELDS = ("next_obs", "reward", "terminated")


@dataclass(slots=True)
class _Count:
    """How many stored values of one field were compared, and how many were as returned."""

    seen: int = 0
    same: int = 0


@dataclass(slots=True)
class StoredWatch:
    """Compares at every end of an episode and at every 20th other env step.

    What is stored inside episodes shows whether values are stored as returned at all: where they
    are scaled, encoded or delayed, nothing is said. So a difference is one of episode ends only.

    Attributes:
        last: (next_obs, reward, terminated) of the env step just made; None once compared.
    """

    last: tuple[Any, Any, Any] | None = None
    is_end: bool = False
    n_inside: int = 0
    counts: dict[tuple[str, bool], _Count] = field(default_factory=dict)

    def returned(self, result: tuple[Any, Any, Any], *, is_end: bool) -> None:
        """Remember what a training environment's step returned."""
        self.is_end = is_end
        self.n_inside += 1
        self.last = result if is_end or self.n_inside % MEASURE_EVERY == 1 else None

    def saw(self, transition: Any) -> None:
        """Compare what is stored with what the last step returned, once per step."""
        if self.last is None:
            return
        stored = dict(fields_of(transition) or ())
        for name, expected in zip(FIELDS, self.last, strict=True):
            if name in stored:
                count = self.counts.setdefault((name, self.is_end), _Count())
                count.seen += 1
                count.same += _is_same(stored[name], expected)
        self.last = None

    def facts(self) -> dict[str, Json]:
        """Return per comparable field whether episode ends too are stored as returned."""
        return {
            f"stored_{name}": "as returned" if ends.same == ends.seen else "not as returned"
            for name in FIELDS
            if (inside := self.counts.get((name, False))) is not None
            and inside.same == inside.seen
            and (ends := self.counts.get((name, True))) is not None
        }


def _is_same(stored: Any, expected: Any) -> bool:
    """Return whether the numbers are the same in single precision; shapes may differ by ones."""
    if hasattr(stored, "detach"):
        stored = stored.detach().cpu().numpy()
    ours = np.asarray(stored, dtype=np.float32).ravel()
    theirs = np.asarray(expected, dtype=np.float32).ravel()
    return bool(np.array_equal(ours, theirs, equal_nan=True))
