"""What the rest of the code knows of executors, and what an executor needs of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from harness.records import RunRecord, RunSpec


class Releasable(Protocol):
    """A right that is given back."""

    def release(self) -> None:
        """Give it back; idempotent."""


class RunStore(Protocol):
    """What an executor needs of a store; `harness.store.store.Store` is one."""

    @property
    def run_files(self) -> Mapping[str, str]:
        """Names in a work folder, under "spec_file", "progress_file" and "done_file"."""

    def prepare(self) -> None:
        """Check that runs can be stored; remove what dead invocations left."""

    def find(self, run: RunSpec) -> RunRecord | None:
        """Return the stored usable run, verified."""

    def try_claim(self, key: str) -> Releasable | None:
        """Return the exclusive right to train a run, None while another invocation has it."""

    def new_work_dir(self, run: RunSpec) -> Path:
        """Return a new folder for training the run."""

    def progress(self, work_dir: Path) -> tuple[int, int]:
        """Return (env_steps, updates) reached by a run in its work folder."""

    def publish(self, work_dir: Path, run: RunSpec) -> RunRecord:
        """Verify a finished run and make it visible; CorruptResult when it is not whole."""

    def keep_failed(self, work_dir: Path, run: RunSpec) -> str:
        """Keep the logs of a failed run; return their place."""

    def discard(self, work_dir: Path) -> None:
        """Remove a work folder."""


class Executor(Protocol):
    """Trains runs somewhere; `LocalExecutor` does it here. Used as a context manager."""

    def __enter__(self) -> Self:
        """Get ready; trains nothing yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs."""

    def submit(self, run: RunSpec) -> None:
        """Queue a run; runs start in the order of submission."""

    def next_finished(self) -> RunRecord:
        """Wait for the next run to end, however it ends."""

    def cancel(self, keys: Iterable[str]) -> None:
        """End runs in flight (their outcome is ENDED) and drop queued ones (also ENDED)."""

    def pending(self) -> tuple[str, ...]:
        """Return the keys of the runs that have no record yet."""
