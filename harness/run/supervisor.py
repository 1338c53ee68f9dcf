"""The supervisor's side of the launcher: start it, hand it runs, hold their leashes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from harness.children import ENVIRONMENT
from harness.errors import RunFailed
from harness.records import RunSpec
from harness.run.failure import clean_line
from harness.run.guardian import END, KILL, Report
from harness.run.launcher import LENGTH
from harness.run.limits import Limits

# Run inside the launcher's interpreter: the supervisor's import path, then serve. With -P, so that
# a json.py in the user's folder does not stand in for Python's own before that.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.run.launcher import serve; serve(int(sys.argv[2]), sys.argv[3:])"
)

MAX_REPORT_BYTES = 1 << 16
# A process closes its sockets so long, at most, before it can be seen to have ended.
DEATH_S = 0.3


class Launcher:
    """The launcher process; started at the first run, again if it died."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._log: IO[bytes] | None = None

    def start_run(self, request: Mapping[str, object]) -> socket.socket:
        """Have a guardian started for a run; return the supervisor's end of its leash.

        Raises:
            RunFailed: the launcher does not start; holds its last words.
        """
        self.start()
        ours, theirs = socket.socketpair()
        content = json.dumps(request).encode()
        try:
            if self._requests is None:
                raise BrokenPipeError
            socket.send_fds(self._requests, [LENGTH.pack(len(content))], [theirs.fileno()])
            self._requests.sendall(content)
        except OSError as error:
            ours.close()
            raise RunFailed(self._last_words()) from error
        finally:
            theirs.close()
        return ours

    def start(self) -> None:
        """Start the launcher unless it runs; it imports while the supervisor goes on."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        path = json.dumps([entry or os.getcwd() for entry in sys.path])  # noqa: PTH109
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, path, str(theirs.fileno()), *self._preload],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={**os.environ, **ENVIRONMENT},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._requests = ours

    def close(self, patience_s: float = 0.5) -> None:
        """End the launcher; guardians whose leashes are closed end by themselves."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._process is not None:
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def last_words(self) -> str:
        """Return the last line of the launcher's stderr, or ""."""
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return clean_line(lines[-1]) if lines else ""

    def has_ended(self) -> bool:
        """Return whether the launcher process has ended, or does so within DEATH_S."""
        if self._process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DEATH_S)
        return self._process.poll() is not None

    def _last_words(self) -> str:
        words = self.last_words() or "it said nothing"
        return (
            f"expected a launcher process for runs, saw it end: {words}; check the installation "
            "with compare doctor"
        )


@dataclass
class ActiveRun:
    """A run in flight, seen from the supervisor."""

    run: RunSpec
    work_dir: Path
    leash: socket.socket
    limits: Limits
    started_s: float = field(default_factory=time.monotonic)
    heard: bytes = b""

    def order_end(self, *, at_once: bool = False) -> None:
        """Ask the guardian to end the run; with `at_once` there is no grace."""
        with contextlib.suppress(OSError):
            self.leash.send(KILL if at_once else END)

    def hear(self) -> bool:
        """Read what the guardian says; return whether it has said its last word."""
        try:
            chunk = self.leash.recv(4096)
        except ConnectionError:
            return True
        self.heard += chunk[: MAX_REPORT_BYTES - len(self.heard)]
        return not chunk

    def report(self) -> Report | None:
        """Return the guardian's report, or None when it died without one."""
        try:
            return Report(**json.loads(self.heard))
        except (ValueError, TypeError):
            return None


def request_for(work_dir: Path, limits: Limits, *, files: Mapping[str, str]) -> dict[str, object]:
    """Return the launcher's request for a run; `files` names spec, progress and done file."""
    return {"work_dir": str(work_dir), "limits": asdict(limits), **files}
