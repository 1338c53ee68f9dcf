"""What the engine asks of the operating system: parents, descendants, memory, signals.

Death signals and sub-reapers exist on Linux only; elsewhere these calls do nothing and the leash
(a socket that closes when the supervisor dies) alone ends what is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable

import psutil

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Between two looks at whether killed processes are gone.
REAP_INTERVAL_S = 0.01
# A process that survives SIGKILL for so long is stuck in the kernel; nobody can end it.
KILL_PATIENCE_S = 5.0


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, even if it died just now."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def live_on() -> None:
    """Let this process outlive its parent again, to end its own children in order."""
    _prctl(PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant, also double-forked ones."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[int] | None:
    """Return the pids of a process's children, or None where the kernel does not list them."""
    try:
        found = []
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names are enough
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as listing:  # noqa: PTH123
                found += [int(child) for child in listing.read().split()]
    except FileNotFoundError:
        return None if os.path.exists(f"/proc/{pid}") else []  # noqa: PTH110
    except OSError:
        return []
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids of all living descendants of a process, parents before children."""
    found: list[int] = []
    todo = [pid]
    while todo:
        children = children_of(todo.pop())
        if children is None:
            return _descendants_by_scan(pid)
        found += children
        todo += children
    return found


def _descendants_by_scan(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of the processes together; those that are gone count 0."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def send(signum: int, pids: Iterable[int]) -> None:
    """Send a signal to each process that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)


def reap_all() -> dict[int, int]:
    """Return pid -> wait status of every child of this process that has ended, without waiting."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def kill_descendants() -> int:
    """Kill and reap all descendants of this process; return how many were alive."""
    killed: set[int] = set()
    deadline = time.monotonic() + KILL_PATIENCE_S
    while time.monotonic() < deadline:
        reap_all()
        alive = descendants(os.getpid())
        if not alive:
            break
        killed.update(alive)
        send(signal.SIGKILL, alive)
        time.sleep(REAP_INTERVAL_S)
    return len(killed)
