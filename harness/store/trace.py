"""Writing the trace of one run while it trains, and reading the finished one back.

A live trace is `trace.jsonl` (see `harness.store.lines`) beside `progress.bin`, two counters in a
memory map. `finish` turns it into `trace.npz` and then, last of all, writes `done.json`. Readers
believe `done.json` only.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import weakref
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import write_all, write_atomic
from harness.records import TRACE_SCHEMA, Episodes, Json, Series, Trace
from harness.store.archive import check_schema, pack, unpack
from harness.store.files import (
    MAX_JSON_BYTES,
    corrupt,
    digest_of,
    read_bounded,
    sealed,
    unsealed,
)
from harness.store.lines import encode_line

SPEC_FILE = "spec.json"
TRACE_FILE = "trace.npz"
LIVE_FILE = "trace.jsonl"
PROGRESS_FILE = "progress.bin"
DONE_FILE = "done.json"

# env_steps, updates: two little-endian int64.
PROGRESS = struct.Struct("<qq")


@dataclass(frozen=True)
class Done:
    """What done.json promises about the files beside it.

    Attributes:
        sha256: file name -> SHA-256 of its bytes.
        first_non_finite: where a loss, gradient or parameter first became NaN or infinite.
        status: "done" or "non-finite".
        wall_time_s: from the creation of the writer; the only field in which equal runs differ.
    """

    sha256: Mapping[str, str]
    env_steps: int
    updates: int
    first_non_finite: str | None
    status: str
    wall_time_s: float


@dataclass
class _Rows:
    """The episodes and metrics so far, in compact arrays."""

    episodes: dict[str, array[Any]] = field(
        default_factory=lambda: {
            "end_env_step": array("q"),
            "returns": array("d"),
            "lengths": array("q"),
            "terminated": array("b"),
            "truncated": array("b"),
            "env_index": array("q"),
        }
    )
    metrics: dict[str, tuple[array[int], array[float]]] = field(default_factory=dict)


class TraceWriter:
    """Writes what is observed of one run into its work folder.

    Only the process that made the writer writes: in a process forked from it (by user code, or by
    worker environments) every method does nothing.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the live files in `folder`, which holds spec.json already.

        Args:
            clock: seconds, monotonic.
        """
        self._folder = folder
        self._pid = os.getpid()
        self._clock = clock
        self._started_s = self._clock()
        self._rows = _Rows()
        (folder / PROGRESS_FILE).write_bytes(PROGRESS.pack(0, 0))
        descriptor = os.open(folder / PROGRESS_FILE, os.O_RDWR)
        self._counters: mmap.mmap | bytearray = mmap.mmap(descriptor, PROGRESS.size)
        os.close(descriptor)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC
        self._live = os.open(folder / LIVE_FILE, flags, 0o644)
        self._pack = PROGRESS.pack_into
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _disown(reference))

    @property
    def counts(self) -> tuple[int, int]:
        """(env_steps, updates) as last said by `progress`."""
        env_steps, updates = PROGRESS.unpack_from(self._counters)
        return int(env_steps), int(updates)

    def progress(self, env_steps: int, updates: int) -> None:
        """Say how far the run has come; cheap enough for every env step (about 0.2 us)."""
        self._pack(self._counters, 0, env_steps, updates)

    def episode(  # noqa: PLR0913 - the columns of Episodes, all by keyword
        self,
        *,
        end_env_step: int,
        episode_return: float,
        length: int,
        terminated: bool,
        truncated: bool,
        env_index: int = 0,
    ) -> None:
        """Add one finished training episode; see `harness.records.Episodes` for the units."""
        if os.getpid() != self._pid:
            return
        row = (end_env_step, float(episode_return), length, terminated, truncated, env_index)
        for column, value in zip(self._rows.episodes.values(), row, strict=True):
            column.append(value)
        write_all(self._live, encode_line({"episode": row}))

    def metrics(self, env_step: int, values: Mapping[str, float]) -> None:
        """Add one value for each named metric at an env step; NaN and infinities are values."""
        if os.getpid() != self._pid:
            return
        columns = self._rows.metrics
        for name, value in values.items():
            if name not in columns:
                columns[name] = (array("q"), array("d"))
            env_steps, series = columns[name]
            series.append(value)
            env_steps.append(env_step)
        write_all(self._live, encode_line({"env_step": env_step, "metrics": dict(values)}))

    def finish(
        self,
        *,
        facts: Mapping[str, Json],
        provenance: Mapping[str, Json],
        env_steps: int,
        updates: int,
        first_non_finite: str | None,
    ) -> None:
        """Write trace.npz and then done.json; the live trace is closed and removed.

        Raises:
            StoreError: the disk refuses; the run is then not done.
        """
        if os.getpid() != self._pid:
            return
        self.progress(env_steps, updates)
        content = pack(self._trace(facts, provenance))
        write_atomic(self._folder / TRACE_FILE, content)
        spec = read_bounded(self._folder / SPEC_FILE, MAX_JSON_BYTES)
        document = {
            "schema_version": TRACE_SCHEMA,
            "sha256": {TRACE_FILE: digest_of(content), SPEC_FILE: digest_of(spec)},
            "env_steps": env_steps,
            "updates": updates,
            "first_non_finite": first_non_finite,
            "status": "done" if first_non_finite is None else "non-finite",
            "wall_time_s": round(self._clock() - self._started_s, 3),
        }
        self.close()
        (self._folder / LIVE_FILE).unlink()
        write_atomic(self._folder / DONE_FILE, sealed(document))

    def close(self) -> None:
        """Close the live trace; idempotent."""
        if self._live >= 0:
            os.close(self._live)
            self._live = -1

    def _trace(self, facts: Mapping[str, Json], provenance: Mapping[str, Json]) -> Trace:
        columns = self._rows.episodes
        episodes = Episodes(
            end_env_step=np.array(columns["end_env_step"], dtype=np.int64),
            returns=np.array(columns["returns"], dtype=np.float64),
            lengths=np.array(columns["lengths"], dtype=np.int64),
            terminated=np.array(columns["terminated"], dtype=np.bool_),
            truncated=np.array(columns["truncated"], dtype=np.bool_),
            env_index=np.array(columns["env_index"], dtype=np.int64),
        )
        metrics = {
            name: Series(np.array(env_steps, dtype=np.int64), np.array(values, dtype=np.float64))
            for name, (env_steps, values) in self._rows.metrics.items()
        }
        return Trace(episodes, metrics, facts, provenance)

    def _disown(self) -> None:
        """Make every method a no-op: this process was forked from the one that observes."""
        self._pid = -1
        self._counters = bytearray(PROGRESS.size)


def _disown(reference: weakref.ref[TraceWriter]) -> None:
    writer = reference()
    if writer is not None:
        writer._disown()


def read_progress(folder: Path) -> tuple[int, int]:
    """Return (env_steps, updates) of a run in its work folder; (0, 0) before its first report."""
    try:
        content = (folder / PROGRESS_FILE).read_bytes()
    except OSError:
        return 0, 0
    if len(content) != PROGRESS.size:
        return 0, 0
    env_steps, updates = PROGRESS.unpack(content)
    return int(env_steps), int(updates)


def read_done(folder: Path) -> Done:
    """Return the verified done.json of a run folder.

    Raises:
        CorruptResult: missing, damaged, or of another shape.
        FutureSchema: written by a newer version.
    """
    path = folder / DONE_FILE
    document = unsealed(read_bounded(path, MAX_JSON_BYTES), path)
    check_schema(document.pop("schema_version", None), TRACE_SCHEMA, path=path)
    try:
        return Done(**document)
    except TypeError:
        raise corrupt(path, "lacks a field or has one too many") from None


def verified_bytes(folder: Path, done: Done, *, name: str) -> bytes:
    """Return the bytes of a file after checking them against done.json.

    Raises:
        CorruptResult: missing, or the checksum does not hold.
    """
    content = read_bounded(folder / name)
    if digest_of(content) != done.sha256.get(name):
        raise corrupt(folder / name, "does not match the checksum in done.json")
    return content


def read_trace(folder: Path) -> Trace:
    """Return the finished trace of a run folder, verified.

    Raises:
        CorruptResult: a checksum, schema or shape does not hold; names the file.
        FutureSchema: written by a newer version.
    """
    done = read_done(folder)
    return unpack(verified_bytes(folder, done, name=TRACE_FILE), folder / TRACE_FILE)
