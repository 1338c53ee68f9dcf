"""The records of a pre-flight: how every run begins, seen before anything trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.records import Json, Outcome, Role


@dataclass(frozen=True)
class PreflightRun:
    """The beginning of one run, up to its first updates, and what was seen of it.

    Attributes:
        outcome: DONE, UNSUPPORTED, CRASHED, UNOBSERVED, HUNG or KILLED. message: one sentence for
            people; empty for DONE. facts: as in a trace, without those about whole runs.
    """

    role: Role
    env_id: str
    seed: int
    outcome: Outcome
    message: str = ""
    stderr_tail: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0


# A side's own doing that another attempt would repeat; a long pause or a lost process is not.
FAILED_OUTCOMES = frozenset({Outcome.CRASHED, Outcome.EXITED})


@dataclass(frozen=True)
class PreflightResult:
    """What both sides really use, seen before anything trains."""

    runs: tuple[PreflightRun, ...] = ()
    seconds: float = 0.0

    def facts_of(self, role: Role, env_id: str) -> dict[int, Mapping[str, Json]]:
        """Return seed -> facts of one side on one environment, of runs that were seen."""
        return {
            run.seed: run.facts
            for run in self.runs
            if (run.role, run.env_id) == (role, env_id) and run.outcome is Outcome.DONE
        }

    @property
    def failed(self) -> tuple[PreflightRun, ...]:
        """Runs that the side itself ended before its first updates."""
        return tuple(run for run in self.runs if run.outcome in FAILED_OUTCOMES)
