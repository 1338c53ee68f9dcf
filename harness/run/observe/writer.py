"""Where observations go, and how far the run has come: shared by every watcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

# Every 20th update (1, 21, 41 ...) and every 20th env step are measured: watching may cost 5 % of
# the training (make bench-overhead; every 10th cost 5.9 %), and curves have 50 checkpoints.
MEASURE_EVERY = 20


class Writer(Protocol):
    """Receives the observations in order; `harness.store.trace.TraceWriter` is one."""

    def progress(self, env_steps: int, updates: int) -> None:
        """Say how far the run has come; called at every env step and update."""

    def episode(  # noqa: PLR0913 - one row of the table of episodes
        self,
        *,
        end_env_step: int,
        episode_return: float,
        length: int,
        terminated: bool,
        truncated: bool,
        env_index: int,
    ) -> None:
        """Store one finished training episode."""

    def metrics(self, env_step: int, values: Mapping[str, float]) -> None:
        """Store metric values measured when `env_step` env steps had been made."""


@dataclass(slots=True)
class Clock:
    """Env steps summed over the training environments, and updates summed over optimisers."""

    env_steps: int = 0
    updates: int = 0


@dataclass(slots=True)
class Fault:
    """The first error of the harness's own watching, which never reaches the watched code."""

    message: str = ""

    def note(self, where: str, error: Exception) -> None:
        """Keep the first error: later ones are usually its consequences."""
        if not self.message:
            self.message = f"{where}: {type(error).__name__}: {error}"
