"""Child processes that answer one question each, and that end when the question is withdrawn.

    python -m harness.children PARENT MODULE REQUEST ANSWER

A side may wait for ever, print without end, or leave workers behind: a child has a time limit, its
output is read and thrown away but for the last of its error stream, and it is ended with its group.
Children also die with their parent, however that one ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
# Kept of the error stream, bytes; and read from it at once.
TAIL_BYTES, CHUNK_BYTES = 4096, 1 << 16
# A pipe that a worker of the side keeps open is not waited for any longer, seconds.
DRAIN_S = 1.0
# A signal that comes while a thread is made reaches another thread, which does not wake the main
# one from a wait without end: it looks so often, seconds.
WAKE_S = 0.2

# Of every process that a side runs in. One thread each: two runs side by side on torch's default
# threads are 25x slower, from OpenMP spin-waiting, hence the passive policy, for user code that
# raises the number of threads. PYTHONHASHSEED: the order of sets is the same in every run. All must
# be set before any import. The last two are JAX's, read when a side first uses it: one thread, and
# compiled code that is the same whatever else runs.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONHASHSEED": "0",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass
class Children:
    """The children of one question; none begins after `end`."""

    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_ended: bool = False

    def ask(
        self,
        module: str,
        paths: Sequence[Path],
        *,
        environment: Mapping[str, str],
        time_limit_s: float,
    ) -> tuple[int | None, str]:
        """Run `module.main(paths)`; return its exit code and last words, None: it was too slow.

        Args:
            paths: of the request and of the answer; the request's folder is where the child works.
        """
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        process = self._begin(
            [sys.executable, "-m", "harness.children", str(os.getpid()), module, *map(str, paths)],
            folder=paths[0].parent,
            environment={**os.environ, **environment, "PYTHONPATH": path},
        )
        try:
            return _ended(process, time_limit_s)
        finally:
            _kill(process)
            with self._lock:
                self._running.discard(process)

    def _begin(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_ended:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def end(self) -> None:
        """End every child that runs, and let no other begin."""
        with self._lock:
            self._is_ended = True
            for process in self._running:
                _kill(process)

    def side_by_side(
        self, ask: Callable[[Item], Answer], items: Sequence[Item], *, jobs: int
    ) -> list[Answer]:
        """Return what is answered for each item, up to `jobs` asked at once.

        Whatever interrupts the waiting ends the children first.
        """
        with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
            try:
                futures = [pool.submit(ask, item) for item in items]
                return [_awaited(future) for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.end()
                raise


def _awaited(future: Future[Answer]) -> Answer:
    while not wait([future], WAKE_S).done:
        pass
    return future.result()


def _ended(process: subprocess.Popen[bytes], time_limit_s: float) -> tuple[int | None, str]:
    tail: deque[int] = deque(maxlen=TAIL_BYTES)
    reader = threading.Thread(target=_drain, args=(process, tail), daemon=True)
    reader.start()
    try:
        code: int | None = process.wait(time_limit_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _kill(process)
        reader.join(DRAIN_S)
    return code, bytes(tail).decode("utf-8", "replace")


def _drain(process: subprocess.Popen[bytes], tail: deque[int]) -> None:
    """Read all that the child says, keep the last of it."""
    stream = process.stderr
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError), stream:
        while chunk := os.read(stream.fileno(), CHUNK_BYTES):
            tail.extend(chunk[-TAIL_BYTES:])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and the workers that it left in its group; reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, even if it died just now."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def main(words: Sequence[str]) -> int:
    """Become the child: call the main function of the module that is named."""
    parent, module, *paths = words
    die_with_parent(int(parent))
    code: int = importlib.import_module(module).main(paths)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
