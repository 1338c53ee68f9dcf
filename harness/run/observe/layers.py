"""Steps and resets of an environment from which a side has taken layers off.

`gymnasium.make` puts a time limit and checks around an environment, and a side may step what is
inside them (`env.env`, `env.unwrapped`). It then trains on another environment, which must be seen.
So every layer reports a call that no outer layer is making already.
"""

# ruff: noqa: ANN401 - the edge to gymnasium, whose values are of any type

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from harness.run.observe.environments import BoundaryWatch, EnvRecord, description_of

if TYPE_CHECKING:
    from harness.run.observe.patches import Patches


def step_observed(
    watch: BoundaryWatch, record: EnvRecord, step: Callable[[Any], Any], action: Any
) -> Any:
    """Step an environment, then count the step; the watch may replace both ways."""
    action = watch.acting(record, action)
    record.is_inside = True
    try:
        result = step(action)
    finally:
        record.is_inside = False
    watch.stepped(record, action, result[1], result[2], result[3])
    return watch.returned(record, result)


def reset_observed(
    watch: BoundaryWatch, record: EnvRecord, reset: Callable[..., Any], **given: Any
) -> Any:
    """Reset an environment, then note the seed."""
    record.is_inside = True
    try:
        result = reset(**given)
    finally:
        record.is_inside = False
    watch.was_reset(record, given.get("seed"))
    return watch.began(record, result)


class LayerWatch:
    """Replaces `step` and `reset` of the classes that observed environments are made of."""

    def __init__(self, patches: Patches, watch: BoundaryWatch) -> None:
        self._patches = patches
        self._watch = watch
        self._classes: set[type] = set()
        self._described: set[int] = set()
        self._records: dict[int, tuple[weakref.ref[Any], EnvRecord]] = {}

    def admit(self, layers: Iterable[Any], record: EnvRecord) -> None:
        """Report what is done to these layers as done to the environment of a record."""
        for layer in layers:
            self._records[id(layer)] = (weakref.ref(layer), record)
            cls = type(layer)
            if cls not in self._classes:
                self._classes.add(cls)
                self._patches.replace(cls, "step", self._stepping)
                self._patches.replace(cls, "reset", self._resetting)

    def _record_of(self, env: Any) -> EnvRecord | None:
        """Return the record of a layer that is called from outside, else None.

        The record then describes what is left: the layers outside it are of no effect.
        """
        found = self._records.get(id(env))
        if found is None or id(found[0]()) != id(env) or found[1].is_inside:
            return None  # ids are used again when an environment is gone
        record = found[1]
        if id(env) not in self._described:
            self._described.add(id(env))
            record.description = description_of(env)
        return record

    def _stepping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(env: Any, action: Any) -> Any:
            record = self._record_of(env)
            if record is None:
                return original(env, action)
            return step_observed(self._watch, record, lambda a: original(env, a), action)

        return stepped

    def _resetting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def reset(env: Any, **given: Any) -> Any:
            record = self._record_of(env)
            if record is None:
                return original(env, **given)
            return reset_observed(self._watch, record, lambda **g: original(env, **g), **given)

        return reset
