"""The folder of results: finished runs by key, work in progress, claims, failed runs, comparisons.

    root/runs/<key[:2]>/<key>/      spec.json, trace.npz, stdout.log, stderr.log, done.json
    root/work/<key>-<unique>/       a run that is being trained
    root/failed/<key>/              logs of the last failed attempt at a run
    root/claims/<key>.lock          held (flock) by the invocation that trains the run
    root/comparisons/<name>/        see harness.store.comparison

Names on disk come from hashes and strict slugs only. Everything read is verified; what does not
verify is never used.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from harness.codec import from_json, to_json
from harness.errors import CorruptResult, StoreError
from harness.files import make_folder, sync_folder, write_atomic
from harness.records import Outcome, RunRecord, RunSpec, Trace
from harness.store.archive import unpack
from harness.store.comparison import read_comparison, write_comparison
from harness.store.files import (
    check_slug,
    corrupt,
    remove_tree,
)
from harness.store.trace import (
    DONE_FILE,
    PROGRESS_FILE,
    SPEC_FILE,
    TRACE_FILE,
    Done,
    read_done,
    read_progress,
    verified_bytes,
)

# Free space without which no run is started: a few runs' traces and logs. Bytes.
MIN_FREE_BYTES = 256 << 20

LOG_FILES = ("stdout.log", "stderr.log", "error.json")
# What a published run may hold; everything else in a work folder is the user's own and is dropped.
PUBLISHED_FILES = frozenset({SPEC_FILE, TRACE_FILE, DONE_FILE, "stdout.log", "stderr.log"})


class Claim:
    """An exclusive right to train one run, free again when released or when its process dies."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Give the right back; idempotent."""
        self._lock.release(force=True)


class Store:
    """Results on disk below one root folder; safe to use from several invocations at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser().absolute()

    def prepare(self, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        """Check that runs can be stored here, and remove what dead invocations left.

        Raises:
            StoreError: the root cannot be written, or too little space is free; says both figures.
        """
        probe = self.root / "work" / f".probe-{uuid.uuid4().hex}"
        try:
            for name in ("runs", "work", "failed", "claims"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"x")
            probe.unlink()
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            message = (
                f"expected a folder for results that can be written, saw {self.root}: "
                f"{error.strerror or error}; fix its permissions or pass another with --results"
            )
            raise StoreError(message) from error
        if free < min_free_bytes:
            message = (
                f"expected at least {min_free_bytes >> 20} MiB free for results, saw "
                f"{free >> 20} MiB at {self.root}; free space or pass another folder with --results"
            )
            raise StoreError(message)
        self._clean()

    @property
    def run_files(self) -> Mapping[str, str]:
        """Names inside a work folder of what a supervisor watches and a run reads."""
        return {"spec_file": SPEC_FILE, "progress_file": PROGRESS_FILE, "done_file": DONE_FILE}

    def run_dir(self, key: str) -> Path:
        """Return the folder of a finished run; it exists only when the run does."""
        check_slug(key, "run key")
        return self.root / "runs" / key[:2] / key

    def find(self, run: RunSpec) -> RunRecord | None:
        """Return the stored usable run, verified, or None when it has to be trained.

        A damaged run counts as absent (`why_not` says so) and is replaced when trained again.

        Raises:
            FutureSchema: the stored run was written by a newer version.
        """
        try:
            done = self._verified(self.run_dir(run.key), run)
        except CorruptResult:
            return None
        return _record(run, done, is_cached=True)

    def why_not(self, run: RunSpec) -> str:
        """Return why `find` has nothing for this run, in one sentence; empty when it has."""
        folder = self.run_dir(run.key)
        if not folder.is_dir():
            return "not trained yet"
        try:
            self._verified(folder, run)
        except CorruptResult as error:
            return str(error)
        return ""

    def load(self, run: RunSpec) -> Trace:
        """Return the trace of a stored run, verified.

        Raises:
            CorruptResult: the run is absent or damaged, or its folder holds another run.
            FutureSchema: written by a newer version.
        """
        folder = self.run_dir(run.key)
        done = read_done(folder)
        _check_same_run(folder, done, run)
        return unpack(verified_bytes(folder, done, name=TRACE_FILE), folder / TRACE_FILE)

    def try_claim(self, key: str) -> Claim | None:
        """Return the exclusive right to train a run, or None while another invocation has it."""
        check_slug(key, "run key")
        folder = make_folder(self.root / "claims")
        lock = FileLock(folder / f"{key}.lock", thread_local=False, is_singleton=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return Claim(lock)

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Hold the right to train a run inside a with block; yields whether it was free."""
        claim = self.try_claim(key)
        try:
            yield claim is not None
        finally:
            if claim is not None:
                claim.release()

    def new_work_dir(self, run: RunSpec) -> Path:
        """Return a new folder for training the run, with spec.json in it.

        Raises:
            StoreError: the disk refuses.
        """
        check_slug(run.key, "run key")
        folder = self.root / "work" / f"{run.key}-{uuid.uuid4().hex[:12]}"
        make_folder(folder, is_new=True)
        write_atomic(folder / SPEC_FILE, to_json(run).encode())
        return folder

    def progress(self, work_dir: Path) -> tuple[int, int]:
        """Return (env_steps, updates) that the run in a work folder has reached."""
        return read_progress(work_dir)

    def publish(self, work_dir: Path, run: RunSpec) -> RunRecord:
        """Make a finished run visible by one rename; when another was first, theirs counts.

        Raises:
            CorruptResult: the work folder holds no whole run. StoreError: the disk refuses.
        """
        done = self._verified(work_dir, run)
        _drop_foreign(work_dir)
        folder = self.run_dir(run.key)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(work_dir)
            self._move_in(work_dir, folder, run=run)
            sync_folder(folder.parent)
        except OSError as error:
            message = f"could not publish run {run.key[:12]}: {error.strerror or error}"
            raise StoreError(message) from error
        if work_dir.exists():  # another invocation was first
            done = self._verified(folder, run)
            remove_tree(work_dir)
        return _record(run, done)

    def keep_failed(self, work_dir: Path, run: RunSpec) -> str:
        """Keep the logs of a failed run and drop the rest; return their place below the root."""
        check_slug(run.key, "run key")
        folder = self.root / "failed" / run.key
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for name in LOG_FILES:
                (folder / name).unlink(missing_ok=True)
                if (work_dir / name).is_file() and not (work_dir / name).is_symlink():
                    os.replace(work_dir / name, folder / name)  # noqa: PTH105 - overwrites
        remove_tree(work_dir)
        return f"failed/{run.key}"

    def discard(self, work_dir: Path) -> None:
        """Remove a work folder."""
        remove_tree(work_dir)

    def comparison_dir(self, name: str) -> Path:
        """Return the folder of a comparison, created when missing.

        Raises:
            StoreError: the name is no slug, or the disk refuses.
        """
        return make_folder(self.root / "comparisons" / check_slug(name, "comparison name"))

    write_comparison = staticmethod(write_comparison)
    read_comparison = staticmethod(read_comparison)

    def _verified(self, folder: Path, run: RunSpec) -> Done:
        done = read_done(folder)
        _check_same_run(folder, done, run)
        verified_bytes(folder, done, name=TRACE_FILE)
        return done

    def _move_in(self, work_dir: Path, folder: Path, *, run: RunSpec) -> None:
        try:
            os.rename(work_dir, folder)  # noqa: PTH104 - refuses to replace a folder with content
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if self.find(run) is not None:
            return
        rotten = self.root / "work" / f"{run.key}-{uuid.uuid4().hex[:12]}"
        os.rename(folder, rotten)  # noqa: PTH104
        os.rename(work_dir, folder)  # noqa: PTH104
        remove_tree(rotten)

    def _clean(self) -> None:
        """Remove work folders whose run nobody claims: their invocation died."""
        for folder in sorted((self.root / "work").iterdir()):
            key = folder.name.rpartition("-")[0]
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            with self.claim(key) as is_free:
                if is_free:
                    remove_tree(folder)


def _record(run: RunSpec, done: Done, *, is_cached: bool = False) -> RunRecord:
    outcome, message = Outcome.DONE, ""
    if done.first_non_finite is not None:
        outcome = Outcome.NON_FINITE
        message = (
            f"trained to the end, but {done.first_non_finite}; "
            "look at the learning rate and the loss there"
        )
    return RunRecord(
        run,
        outcome,
        message,
        env_steps=done.env_steps,
        updates=done.updates,
        wall_time_s=done.wall_time_s,
        is_cached=is_cached,
    )


def _check_same_run(folder: Path, done: Done, run: RunSpec) -> None:
    """Check that the stored spec is the asked one; display names and file places may differ."""
    content = verified_bytes(folder, done, name=SPEC_FILE)
    stored = from_json(RunSpec, content.decode(errors="replace"))
    if to_json(_identity(stored)) != to_json(_identity(run)):
        raise corrupt(folder / SPEC_FILE, "belongs to another run than its folder's name says")


def _identity(run: RunSpec) -> RunSpec:
    side = dataclasses.replace(run.side, name="", file=None, tap_map=None)
    return dataclasses.replace(run, side=side)


def _drop_foreign(work_dir: Path) -> None:
    """Remove what is not part of a stored run: the run's own working directory, live files."""
    for path in work_dir.iterdir():
        if path.name in PUBLISHED_FILES:
            continue
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink()
