"""The local executor: planned runs in, run records out, whatever happens to the runs.

The store is an argument (`RunStore`), because stages do not import each other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Self

from harness.errors import CorruptResult, Interrupted, RunFailed
from harness.records import Outcome, ProgressSink, RunRecord, RunSpec
from harness.run.contracts import Releasable, RunStore
from harness.run.failure import Ending, explain, stderr_tail
from harness.run.limits import Limits, memory_per_run
from harness.run.preload import MODULES
from harness.run.supervisor import ActiveRun, Launcher, request_for

# Between two looks at progress, seconds; also the longest time that a signal goes unnoticed.
POLL_S = 0.25
# Between two attempts at a run that another invocation has claimed.
CLAIM_POLL_S = 0.5
# On an interrupt, runs get so long to end before they are killed; all within 5 s.
INTERRUPT_GRACE_S = 1.0
INTERRUPT_LIMIT_S = 4.0

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LocalExecutor:
    """Runs on this machine, one process each, up to `jobs` at once.

    Every submitted key gives exactly one record; a key that is still pending is not queued twice
    (comparing an implementation with itself asks for each run on both sides).
    """

    def __init__(
        self,
        store: RunStore,
        *,
        jobs: int,
        limits: Limits | None = None,
        progress: ProgressSink | None = None,
        preload: Sequence[str] = MODULES,
    ) -> None:
        self._store = store
        self._jobs = max(1, jobs)
        limits = limits or Limits()
        memory_bytes = limits.memory_bytes or memory_per_run(self._jobs)
        self._limits = dataclasses.replace(limits, memory_bytes=memory_bytes)
        self._progress = progress
        self._launcher = Launcher(preload)
        self._ready: deque[RunRecord] = deque()
        self._queue: dict[str, RunSpec] = {}
        self._retry_at_s: dict[str, float] = {}
        self._active: dict[str, ActiveRun] = {}
        self._claims: dict[str, Releasable] = {}
        self._is_prepared = False
        self._polled_s = 0.0
        self._stop_signal = 0
        self._is_waiting = False
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Take over SIGINT, SIGTERM and, but under nohup, SIGHUP until the with block ends."""
        if threading.current_thread() is threading.main_thread():
            is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            for signum in STOP_SIGNALS[: 2 if is_nohup else 3]:
                self._handlers[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs, keep what has finished, give claims and signals back."""
        self._is_waiting = True
        try:
            self._end_all()
        finally:
            for active in self._active.values():
                active.leash.close()
            self._launcher.close()
            for claim in self._claims.values():
                claim.release()
            self._claims.clear()
            for signum, handler in self._handlers.items():
                signal.signal(signum, handler)  # type: ignore[arg-type]
        if error is None:
            self._raise_if_stopped()

    def submit(self, run: RunSpec) -> None:
        """Queue a run; a stored one is ready at once, as a record with is_cached=True."""
        if run.key in self.pending():
            return
        cached = self._store.find(run)
        if cached is not None:
            self._ready.append(cached)
        else:
            self._queue[run.key] = run

    def pending(self) -> tuple[str, ...]:
        """Return the keys without a delivered record: ready, in flight, queued."""
        ready = (record.spec.key for record in self._ready)
        return (*ready, *self._active, *self._queue)

    def cancel(self, keys: Iterable[str]) -> None:
        """End runs in flight and drop queued ones; each still gives its record, ENDED."""
        for key in keys:
            if key in self._active:
                self._active[key].order_end()
            elif key in self._queue:
                run = self._queue.pop(key)
                message = "not started: the verdict no longer depended on it"
                self._ready.append(RunRecord(run, Outcome.ENDED, message))

    def next_finished(self) -> RunRecord:
        """Wait for the next run to end and return what became of it.

        Raises:
            Interrupted: Ctrl-C, SIGTERM or SIGHUP; everything has been ended, nothing is lost.
            StoreError: the store cannot be written. RunFailed: runs cannot be started at all.
            LookupError: nothing is pending.
        """
        with self._waiting():
            while not self._ready:
                self._raise_if_stopped()
                if not self._active and not self._queue:
                    message = "no run is pending: submit one before waiting for it"
                    raise LookupError(message)
                self._fill()
                self._wait()
            record = self._ready.popleft()
        if self._progress is not None:
            self._progress.finished(record)
        return record

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        """Note that signals are looked at by the loop, not raised in the middle of its work."""
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._stop_signal = signum
        if not self._is_waiting:
            self._is_waiting = True
            self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if not self._stop_signal:
            return
        name = signal.Signals(self._stop_signal).name
        self._stop_signal = 0
        n_lost = len(self._active)
        self._end_all()
        message = (
            f"stopped by {name}: finished runs are stored, {n_lost} in flight were ended; "
            "the same command goes on from here"
        )
        raise Interrupted(message)

    def _fill(self) -> None:
        """Start queued runs, in order, while there is room; skip those claimed elsewhere."""
        for key, run in list(self._queue.items()):
            if len(self._active) >= self._jobs:
                return
            if self._retry_at_s.get(key, 0.0) > time.monotonic():
                continue
            self._prepare()
            claim = self._store.try_claim(key)
            if claim is None:
                self._retry_at_s[key] = time.monotonic() + CLAIM_POLL_S
                continue
            del self._queue[key]
            self._claims[key] = claim
            self._start(run)

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._store.prepare()
            self._is_prepared = True

    def _start(self, run: RunSpec) -> None:
        """Start a claimed run, unless another invocation has stored it in the meantime."""
        cached = self._store.find(run)
        if cached is not None:
            self._deliver(cached)
            return
        work_dir = self._store.new_work_dir(run)
        request = request_for(work_dir, self._limits, files=self._store.run_files)
        leash = self._launcher.start_run(request)
        self._active[run.key] = ActiveRun(run, work_dir, leash, self._limits)
        if self._progress is not None:
            self._progress.started(run)

    def _wait(self) -> None:
        """Wait for a guardian's word or the next poll; collect the runs that have ended."""
        leashes = {active.leash: active for active in self._active.values()}
        for leash in select.select(list(leashes), [], [], POLL_S)[0]:
            if leashes[leash].hear():
                self._collect(leashes[leash])
        now_s = time.monotonic()
        if self._progress is None or now_s - self._polled_s < POLL_S:
            return
        self._polled_s = now_s
        for active in self._active.values():
            self._progress.advanced(active.run, *self._store.progress(active.work_dir))

    def _collect(self, active: ActiveRun) -> None:
        """Turn a run that has ended into its record: published, or its logs kept."""
        active.leash.close()
        del self._active[active.run.key]
        report = active.report()
        if report is None and self._launcher.has_ended():
            words = self._launcher.last_words()
            if words:
                self._store.discard(active.work_dir)
                message = (
                    f"expected runs to start, saw the launcher end: {words}; "
                    "check the installation with compare doctor"
                )
                raise RunFailed(message)
        is_success = report is not None and (report.status == 0 or report.reason == "finished")
        if is_success:
            try:
                self._deliver(self._store.publish(active.work_dir, active.run))
            except CorruptResult:
                pass
            else:
                return
        env_steps, updates = self._store.progress(active.work_dir)
        reached = f"at env step {env_steps}, update {updates}"
        ending = explain(report, active.work_dir, limits=active.limits, reached=reached)
        self._deliver(self._failed(active, ending))

    def _failed(self, active: ActiveRun, ending: Ending) -> RunRecord:
        env_steps, updates = self._store.progress(active.work_dir)
        tail = stderr_tail(active.work_dir)
        self._store.keep_failed(active.work_dir, active.run)
        return RunRecord(
            active.run,
            ending.outcome,
            ending.message,
            stderr_tail=tail,
            env_steps=env_steps,
            updates=updates,
            wall_time_s=round(time.monotonic() - active.started_s, 3),
        )

    def _deliver(self, record: RunRecord) -> None:
        self._ready.append(record)
        self._retry_at_s.pop(record.spec.key, None)
        claim = self._claims.pop(record.spec.key, None)
        if claim is not None:
            claim.release()

    def _end_all(self) -> None:
        """End every run in flight within INTERRUPT_LIMIT_S; what has finished is published."""
        self._queue.clear()
        for active in self._active.values():
            active.order_end()
        began_s = time.monotonic()
        is_killing = False
        while self._active and time.monotonic() - began_s < INTERRUPT_LIMIT_S:
            self._wait()
            if not is_killing and time.monotonic() - began_s > INTERRUPT_GRACE_S:
                is_killing = True
                for active in self._active.values():
                    active.order_end(at_once=True)
        for active in self._active.values():
            active.leash.close()
            self._store.discard(active.work_dir)
        self._active.clear()
