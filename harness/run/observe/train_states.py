"""Watching JAX: updates, learning rates and parameters, through flax's train states.

What is compiled shows nothing of itself, but each of its updates ends in a new
`flax.training.train_state.TrainState` whose `step` has counted on. The gradients and the loss stay
unseen. Neither JAX nor flax is imported here: a side that uses them does so itself.
"""

# ruff: noqa: ANN401 - the edge to JAX and flax, whose values are of any type

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.records import Json
from harness.run.observe.arrivals import Arrivals, Then
from harness.run.observe.patches import Patches
from harness.run.observe.transformations import (
    IN_STATE,
    LEARNING_RATE,
    OptaxOptimiser,
    optimiser_of,
    watch_makers,
)
from harness.run.observe.writer import MEASURE_EVERY, Clock, Fault, Writer

TRAIN_STATES, OPTAX = "flax.training.train_state", "optax"


@dataclass(slots=True)
class _Trained:
    """One optimiser: the states that follow each other, told apart by their transformation.

    Attributes:
        state: the newest one. step: its counter. trained: places of leaves that have changed.
        n_asked_for, last_env_step, last_learning_rate: of updates within the env steps asked for.
    """

    state: Any
    suffix: str = ""
    step: int = 0
    n_asked_for: int = 0
    first_env_step: int = 0
    last_env_step: int = 0
    longest_wait: int = 0
    first_learning_rate: float | None = None
    last_learning_rate: float | None = None
    trained: set[int] = field(default_factory=set)


class TrainStateWatch:
    """Sees every train state of the process that holds numbers, not placeholders."""

    def __init__(self, writer: Writer, clock: Clock, *, fault: Fault, total_timesteps: int) -> None:
        self._writer = writer
        self._clock = clock
        self._fault = fault
        self._total_timesteps = total_timesteps
        self._patches = Patches()
        then = {TRAIN_STATES: self._safely(self._watch)}
        if OPTAX not in sys.modules:
            then[OPTAX] = self._safely(watch_makers)
        self._arrivals = Arrivals(then)
        self._every: list[_Trained] = []
        self.first_non_finite: str | None = None

    def install(self) -> None:
        """Watch flax and optax from now on, or as soon as they are imported."""
        self._arrivals.wait()

    def remove(self) -> None:
        """Put back what was replaced."""
        self._arrivals.stop()
        self._patches.restore()

    @property
    def counts(self) -> list[int]:
        """Updates of each optimiser that has trained something, in order of first update."""
        return [one.step for one in self._trained]

    def facts(self) -> dict[str, Json]:
        """Return the exact observations, under the names of those about torch; {} without any.

        What cannot be known of every optimiser is left out: not observed.
        """
        every = [one for one in self._trained if one.n_asked_for]
        if not every:
            return {}
        leaves = [[_leaves(one.state)[k] for k in sorted(one.trained)] for one in every]
        facts: dict[str, Json] = {
            "n_updates": [one.n_asked_for for one in every],
            "first_update_env_step": [one.first_env_step for one in every],
            "last_update_env_step": [one.last_env_step for one in every],
            "longest_wait": [one.longest_wait for one in every],
            "trained_parameter_count": [sum(leaf.size for leaf in found) for found in leaves],
            "trained_parameter_shapes": [sorted(map(_torch_shape, found)) for found in leaves],
            "dtype": ", ".join(sorted({str(leaf.dtype) for found in leaves for leaf in found})),
            "final_weights_sha256": self._weights_sha256(),
            "first_non_finite": self.first_non_finite,
        }
        known = [optimiser_of(one.state.tx) for one in every]
        return facts | _of_optimisers(every, known)

    def finish(self) -> None:
        """Check the final weights: a NaN counts."""
        for one in self._trained:
            if not all(np.isfinite(leaf).all() for leaf in _leaves(one.state)):
                self._note_non_finite(one, math.nan)

    @property
    def _trained(self) -> list[_Trained]:
        """Optimisers that have changed a parameter: sbx has one for a constant temperature too."""
        return [one for one in self._every if one.trained]

    def _watch(self, module: ModuleType) -> None:
        """Watch the class and its subclasses, those too that are yet to be defined."""
        base = vars(module)["TrainState"]
        for kind in _with_subclasses(base):
            self._patches.replace(kind, "__init__", self._seeing)

        def subclassing(original: Any) -> Any:
            def defined(kind: Any, **options: Any) -> None:
                original(kind, **options)
                self._patches.replace(kind, "__init__", self._seeing)

            return defined

        self._patches.replace_class_method(base, "__init_subclass__", subclassing)

    def _safely(self, call: Then) -> Then:
        def called(module: ModuleType) -> None:
            try:
                call(module)
            except Exception as error:  # noqa: BLE001 - watching must never break the watched code
                self._fault.note(f"import of {module.__name__}", error)

        return called

    def _seeing(self, original: Any) -> Any:
        def initialised(state: Any, *args: Any, **kwargs: Any) -> None:
            original(state, *args, **kwargs)
            try:
                self._saw(state)
            except Exception as error:  # noqa: BLE001 - watching must never break the watched code
                self._fault.note("train state", error)

        return initialised

    def _saw(self, state: Any) -> None:
        """Tell an update by its count.

        A state whose count is a plain 0 was made by hand: an optimiser's first. (Compiled functions
        return arrays, also of states that they did not update.)
        """
        if not _is_concrete(state.step):
            return
        step = int(state.step)
        lineage = [one for one in self._every if one.state.tx is state.tx]
        behind = next((one for one in lineage if one.step < step), None)
        if behind is not None:
            self._updated(behind, state, step)
        elif isinstance(state.step, int) and not any(
            one.state.opt_state is state.opt_state for one in lineage
        ):
            self._every.append(_Trained(state))
        elif len(lineage) == 1 and step == lineage[0].step:
            lineage[0].state = state

    def _updated(self, one: _Trained, state: Any, step: int) -> None:
        before, n_before = one.state, one.step
        one.state, one.step = state, step
        is_measured = n_before == 0 or (n_before - 1) // MEASURE_EVERY < (step - 1) // MEASURE_EVERY
        norms = _compared(one, before, state) if is_measured else {}
        if not one.trained:
            return
        self._note_time(one, before, step - n_before)
        self._clock.updates += step - n_before
        if is_measured:
            self._measure(one, norms if step == n_before + 1 else {})
        self._writer.progress(self._clock.env_steps, self._clock.updates)

    def _note_time(self, one: _Trained, before: Any, n_updates: int) -> None:
        env_step = self._clock.env_steps
        if env_step > self._total_timesteps:
            return
        rate = _learning_rate(before, optimiser_of(before.tx))
        if not one.n_asked_for:
            one.first_env_step, one.first_learning_rate = env_step, rate
            one.suffix = f".{rank}" if (rank := len(self._trained) - 1) else ""
        one.n_asked_for += n_updates
        one.longest_wait = max(one.longest_wait, env_step - one.last_env_step)
        one.last_env_step, one.last_learning_rate = env_step, rate

    def _measure(self, one: _Trained, norms: Mapping[str, float]) -> None:
        leaves = _leaves(one.state)
        values = {"param_norm": _norm([leaves[k] for k in sorted(one.trained)]), **norms}
        if one.last_learning_rate is not None:
            values[LEARNING_RATE] = one.last_learning_rate
        if self._clock.env_steps:
            values["updates_per_env_step"] = one.step / self._clock.env_steps
        if not math.isfinite(values["param_norm"]):
            self._note_non_finite(one, values["param_norm"])
        named = {f"{name}{one.suffix}": value for name, value in values.items()}
        self._writer.metrics(self._clock.env_steps, named)

    def _note_non_finite(self, one: _Trained, value: float) -> None:
        if self.first_non_finite is None:
            self.first_non_finite = (
                f"param_norm{one.suffix} was {value!r} at update {one.step}, "
                f"env step {self._clock.env_steps}"
            )

    def _weights_sha256(self) -> str:
        digest = hashlib.sha256()
        for one in self._trained:
            for leaf in _leaves(one.state):
                digest.update(np.ascontiguousarray(leaf).tobytes())
        return digest.hexdigest()


def _with_subclasses(kind: Any) -> list[Any]:
    return [kind, *(below for child in kind.__subclasses__() for below in _with_subclasses(child))]


def _is_concrete(step: Any) -> bool:
    """Return whether it is an array with a value: compiled functions are traced with others."""
    jax = sys.modules["jax"]
    return isinstance(step, int | jax.Array) and not isinstance(step, jax.core.Tracer)


def _leaves(state: Any) -> list[NDArray[Any]]:
    return [np.asarray(leaf) for leaf in sys.modules["jax"].tree_util.tree_leaves(state.params)]


def _compared(one: _Trained, before: Any, after: Any) -> dict[str, float]:
    """Note which leaves have changed; return the norm of the change."""
    every = sys.modules["jax"].tree_util.tree_leaves(before.params)
    new = _leaves(after)
    if any(getattr(leaf, "is_deleted", bool)() for leaf in every):
        one.trained.update(range(len(new)))  # given to the compiled function, which reused them
        return {}
    old = [np.asarray(leaf) for leaf in every]
    one.trained.update(
        k for k, (a, b) in enumerate(zip(old, new, strict=True)) if not np.array_equal(a, b)
    )
    return {"update_norm": _norm([b - a for a, b in zip(old, new, strict=True)])}


def _norm(leaves: list[NDArray[Any]]) -> float:
    return math.hypot(*(float(np.linalg.norm(leaf)) for leaf in leaves)) if leaves else 0.0


def _torch_shape(leaf: NDArray[Any]) -> list[int]:
    """Return the shape as torch has it: outputs first, then inputs, then places of a kernel.

    A flax kernel is (places..., inputs, outputs).
    """
    *places, inputs, outputs = leaf.shape if leaf.ndim > 1 else (None, None)
    return [outputs, inputs, *places] if leaf.ndim > 1 else [*leaf.shape]


def _learning_rate(state: Any, optimiser: OptaxOptimiser | None) -> float | None:
    """Return the learning rate that the next update of the state will take, or None: unseen."""
    for part in _parts(state.opt_state):
        hyperparams = getattr(part, IN_STATE, None)
        if isinstance(hyperparams, Mapping) and LEARNING_RATE in hyperparams:
            return _shortest(hyperparams[LEARNING_RATE])
    return optimiser.learning_rate if optimiser is not None else None


def _parts(opt_state: Any) -> list[Any]:
    is_chain = isinstance(opt_state, tuple) and not hasattr(opt_state, "_fields")
    return [part for one in opt_state for part in _parts(one)] if is_chain else [opt_state]


def _shortest(value: Any) -> float:
    """Return a number as it was most likely written: a float32 is the nearest to many of them."""
    return float(value) if isinstance(value, float) else float(str(np.float32(value)))


def _of_optimisers(every: list[_Trained], known: list[OptaxOptimiser | None]) -> dict[str, Json]:
    rates = {
        "learning_rate_first": [one.first_learning_rate for one in every],
        "learning_rate_last": [one.last_learning_rate for one in every],
    }
    facts: dict[str, Json] = {name: found for name, found in rates.items() if None not in found}
    seen = [one for one in known if one is not None]
    if len(seen) == len(known):
        facts["optimiser_class"] = [one.class_name for one in seen]
        facts["optimiser_constants"] = [dict(one.constants) for one in seen]
        facts["grad_clip"] = [one.grad_clip for one in seen]
    return facts
