"""The guardian: one small process per run that starts it, drains it, limits it and ends it.

It is the parent of the run's process and, as a sub-reaper, of every process that the run leaves
behind; when it returns none of them lives. The supervisor holds the other end of the leash: a byte
END or KILL asks for the end of the run, and when the leash closes the supervisor is gone, so
everything is killed. The guardian's last word on the leash is one JSON object (`Report`).
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from harness.run.caplog import CappedLog
from harness.run.limits import Limits
from harness.run.process import (
    adopt_orphans,
    descendants,
    die_with_parent,
    kill_descendants,
    reap_all,
    resident_bytes,
    send,
)

END = b"e"
KILL = b"k"

# Between two looks at progress and memory, seconds (4 Hz).
TICK_S = 0.25
# A hung run gets so long to write its stack traces to stderr before it is ended.
DUMP_S = 0.3

Reason = Literal["", "stall", "wall", "memory", "ended", "finished"]


@dataclass(frozen=True)
class Report:
    """How a run ended.

    Attributes:
        status: wait status of the run's process (see `os.waitpid`).
        reason: why the guardian ended it; "" when it ended by itself, "finished" when it was done
            but did not exit.
        n_left: processes that the run left behind and that were killed.
        peak_bytes: largest resident memory seen, all processes of the run together.
    """

    status: int
    reason: Reason
    n_left: int
    peak_bytes: int
    duration_s: float


def guard(request: dict[str, Any], leash: socket.socket, *, launcher_pid: int) -> None:
    """Run one run to its end and report on the leash.

    Args:
        request: "work_dir"; "limits", the fields of `Limits`; "progress_file", a file in the work
            folder whose bytes change with every env step or update; "done_file", which exists
            once the run is done; "spec_file".
    """
    os.setsid()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    die_with_parent(launcher_pid)
    adopt_orphans()
    report = _Guardian(request, leash).guard()
    leash.sendall(json.dumps(asdict(report)).encode())


class _Guardian:
    """State of guarding one run; `guard` is called once."""

    def __init__(self, request: dict[str, Any], leash: socket.socket) -> None:
        self.work_dir = Path(request["work_dir"])
        self.limits = Limits(**request["limits"])
        self.progress_file = self.work_dir / request["progress_file"]
        self.done_file = self.work_dir / request["done_file"]
        self.leash = leash
        self.woken = _wake_on_child_end()
        self.started_s = self.moved_s = self.looked_s = time.monotonic()
        self.progress = b""
        self.done_s: float | None = None
        self.peak_bytes = 0
        self.reason: Reason = ""
        self.term_at_s: float | None = None
        self.kill_at_s: float | None = None
        self.status: int | None = None
        self.pid, self.logs = self._start((self.work_dir / request["spec_file"]).read_text())

    def guard(self) -> Report:
        """Watch the run until its process has ended, then end what it left behind."""
        while self.status is None:
            self._pump()
            now_s = time.monotonic()
            if now_s - self.looked_s >= TICK_S and not self.reason:
                self.looked_s = now_s
                self._look(now_s)
            self._advance_ending(now_s)
        duration_s = time.monotonic() - self.started_s
        n_left = kill_descendants()
        for log in self.logs:
            log.finish()
        return Report(self.status, self.reason, n_left, self.peak_bytes, duration_s)

    def _start(self, run_json: str) -> tuple[int, tuple[CappedLog, CappedLog]]:
        (self.work_dir / "cwd").mkdir()
        pipes = os.pipe(), os.pipe()
        guardian_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self.leash.close()
            os.close(self.woken)
            _become_run(run_json, self.work_dir, pipes=pipes, guardian_pid=guardian_pid)
        logs = []
        for (source, sink), name in zip(pipes, ("stdout.log", "stderr.log"), strict=True):
            os.close(sink)
            head, tail = self.limits.log_head_bytes, self.limits.log_tail_bytes
            path = self.work_dir / name
            logs.append(CappedLog(source, path, head_bytes=head, tail_bytes=tail))
        return pid, (logs[0], logs[1])

    def _pump(self) -> None:
        """Wait for output, orders, the end of a child or the next tick; serve what came."""
        sources: list[int] = [self.leash.fileno(), self.woken]
        sources += [log.source for log in self.logs if log.is_open]
        ready = select.select(sources, [], [], self._patience_s())[0]
        for log in self.logs:
            if log.source in ready:
                log.drain()
        if self.woken in ready:
            os.read(self.woken, 4096)
        if self.leash.fileno() in ready:
            self._obey(self.leash.recv(64))
        self.status = reap_all().get(self.pid)

    def _patience_s(self) -> float:
        """Return the time until something has to be done without being asked."""
        deadlines = [self.looked_s + TICK_S]
        deadlines += [at for at in (self.term_at_s, self.kill_at_s) if at is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if not self.reason else 0.02

    def _obey(self, orders: bytes) -> None:
        if not orders:  # the supervisor is gone, and nobody will read what we find
            kill_descendants()
            os._exit(0)
        if not self.reason:
            self._end("finished" if self.done_file.exists() else "ended", dump=False)
        if KILL in orders:
            self.kill_at_s = time.monotonic()

    def _look(self, now_s: float) -> None:
        """Check the limits; the first one that is exceeded is the reason of the end."""
        content = self.progress_file.read_bytes() if self.progress_file.exists() else b""
        if content != self.progress:
            self.progress, self.moved_s = content, now_s
        if self.done_s is None and self.done_file.exists():
            self.done_s = now_s
        resident = resident_bytes([self.pid, *descendants(self.pid)])
        self.peak_bytes = max(self.peak_bytes, resident)
        if self.limits.memory_bytes is not None and resident > self.limits.memory_bytes:
            self.reason, self.kill_at_s = "memory", now_s
        elif self.done_s is not None:
            if now_s - self.done_s >= self.limits.done_grace_s:
                self._end("finished", dump=False)
        elif now_s - self.moved_s > self.limits.stall_s:
            self._end("stall", dump=True)
        elif now_s - self.started_s > self.limits.wall_s:
            self._end("wall", dump=True)

    def _end(self, reason: Reason, *, dump: bool) -> None:
        """Begin to end the run: stack traces if asked, SIGTERM, a grace, SIGKILL."""
        self.reason = reason
        self.term_at_s = time.monotonic() + (DUMP_S if dump else 0.0)
        self.kill_at_s = self.term_at_s + self.limits.term_grace_s
        if dump:
            send(signal.SIGUSR1, [self.pid])

    def _advance_ending(self, now_s: float) -> None:
        own = os.getpid()
        if self.term_at_s is not None and now_s >= self.term_at_s:
            self.term_at_s = None
            send(signal.SIGTERM, descendants(own))
        if self.kill_at_s is not None and now_s >= self.kill_at_s:
            send(signal.SIGKILL, descendants(own))


def _wake_on_child_end() -> int:
    """Return a descriptor that becomes readable whenever a child of this process ends."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
    signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    return source


def _become_run(
    run_json: str, work_dir: Path, *, pipes: tuple[tuple[int, int], ...], guardian_pid: int
) -> NoReturn:
    """Turn this fresh fork into the run's process: own session, own folder, captured output."""
    os.close(signal.set_wakeup_fd(-1))
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    die_with_parent(guardian_pid)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (pipes[0][1], 1), (pipes[1][1], 2)):
        os.dup2(descriptor, target)
    for descriptor in (null, *pipes[0], *pipes[1]):
        os.close(descriptor)
    os.chdir(work_dir / "cwd")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    from harness.run.child import leave, main

    leave(main(run_json, str(work_dir)))
