"""One watched training run: everything that is observed of it, joined."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from harness import tap
from harness.records import Json, RunSpec
from harness.run.observe.environments import EnvWatch
from harness.run.observe.optimisers import OptimiserWatch
from harness.run.observe.patches import Patches, ProcessWatch, watch_environments, watch_torch
from harness.run.observe.sites import Sites
from harness.run.observe.taps import TapWatch
from harness.run.observe.train_states import TrainStateWatch
from harness.run.observe.unseen import Seen, unobserved_sentence
from harness.run.observe.writer import Clock, Fault, Writer

# The observations in force; a forked child must not write into its parent's trace.
_IN_FORCE: WeakSet[Observation] = WeakSet()


class Observation:
    """Context manager that watches the training inside it, from within its process.

    Load the side inside the context (`load_side`), so that names which it imports from gymnasium
    and torch are the watched ones; a side loaded just before is served too (names that modules have
    already imported are replaced). Watching reads, it never draws a random number, and never raises
    into the watched code: its own errors end in `unobserved_reason`.

    Attributes:
        first_non_finite: which metric became NaN or infinite, at which update and env step.
    """

    def __init__(self, run: RunSpec, writer: Writer) -> None:
        self._run = run
        self._fault = Fault()
        self._clock = Clock()
        self._taps = TapWatch(
            run.taps,
            self._clock,
            self._fault,
            total_timesteps=run.total_timesteps,
            sites=Sites(run.side.file),
        )
        self._envs = EnvWatch(run, writer, clock=self._clock, taps=self._taps, fault=self._fault)
        self._optimisers = OptimiserWatch(
            writer,
            self._clock,
            taps=self._taps,
            fault=self._fault,
            total_timesteps=run.total_timesteps,
        )
        self._train_states = TrainStateWatch(
            writer, self._clock, fault=self._fault, total_timesteps=run.total_timesteps
        )
        self._processes = ProcessWatch()
        self._patches = Patches()
        self._hooks: list[Any] = []
        self._reason: str | None = None

    def __enter__(self) -> Self:
        watch_environments(self._patches, self._envs)
        self._hooks = watch_torch(self._patches, self._optimisers)
        self._train_states.install()
        self._processes.install(self._patches)
        tap.set_handler(self._taps.handle)
        _IN_FORCE.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._detach()
        self._envs.finish()
        self._optimisers.finish()
        self._train_states.finish()
        self._reason = self._explain()

    @property
    def first_non_finite(self) -> str | None:
        """Which of loss, gradient and parameters was first non-finite, when; None if none was."""
        return self._optimisers.first_non_finite or self._train_states.first_non_finite

    @property
    def env_steps(self) -> int:
        """Env steps made, summed over training environments."""
        return self._clock.env_steps

    @property
    def updates(self) -> int:
        """Updates made, summed over optimisers."""
        return self._clock.updates

    @property
    def fault(self) -> str:
        """The first error of the watching itself, or ""."""
        return self._fault.message

    def handle(self, name: str, value: Any) -> Any:
        """Observe one tapped value and return it, as `tap` does inside the context."""
        return self._taps.handle(name, value)

    def facts(self) -> dict[str, Json]:
        """Return the exact observations by name; complete after the context has ended."""
        trained = self._optimisers.facts()
        if of_jax := self._train_states.facts():
            # Then there are no optimisers of torch's: what is unknown of these is left out.
            trained = {"torch_threads": trained["torch_threads"], **of_jax}
        return {**self._envs.facts(), **trained, **self._taps.facts()}

    def update_counts(self) -> list[int]:
        """Return the updates so far of each JAX optimiser, in order."""
        return self._train_states.counts

    def unobserved_reason(self) -> str | None:
        """Return, after the context has ended, why the run was not observed; None if it was."""
        return self._reason

    def _explain(self) -> str | None:
        if self._fault.message:
            return (
                f"expected to observe the whole run, but observing failed ({self._run.side.name}, "
                f"{self._run.env_id}, seed {self._run.seed}): {self._fault.message}; "
                "the training itself went on: correct the value, or report this as a defect"
            )
        seen = Seen(
            env_steps=self._clock.env_steps,
            silent_resets=self._envs.silent_resets,
            auxiliary_ids=self._envs.auxiliary_ids,
            processes=self._processes.started,
        )
        return unobserved_sentence(self._run, seen)

    def _detach(self) -> None:
        """Stop watching: restore everything that was replaced."""
        tap.set_handler(None)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._train_states.remove()
        self._patches.restore()
        self._envs.is_live = False
        _IN_FORCE.discard(self)


def _detach_in_forked_child() -> None:
    for observation in list(_IN_FORCE):
        observation._detach()


os.register_at_fork(after_in_child=_detach_in_forked_child)
