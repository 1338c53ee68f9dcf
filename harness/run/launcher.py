"""The launcher: a process with the heavy imports done that forks one guardian per run.

A forkserver of our own rather than multiprocessing's: requests are JSON, nothing is pickled in
either direction, the user's `__main__` is not imported again in each run, and user code that uses
multiprocessing's forkserver gets its own, inside the run that it belongs to.

One request is a 4-byte length, a JSON object {"work_dir": ..., "limits": {...}} and, attached, the
run's end of a socket: its leash (see `harness.run.guardian`).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import traceback
from collections.abc import Sequence
from typing import NoReturn

from harness.run.guardian import guard
from harness.run.preload import preload
from harness.run.process import (
    adopt_orphans,
    children_of,
    die_with_parent,
    live_on,
    reap_all,
    send,
)

LENGTH = struct.Struct("!I")
# Between two looks for guardians that have ended.
REAP_INTERVAL_S = 0.5


def serve(descriptor: int, modules: Sequence[str]) -> None:
    """Import `modules`, then serve requests from the socket `descriptor` until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = socket.socket(fileno=descriptor)
    adopt_orphans()
    # Until the socket is listened to, its closing goes unnoticed: imports take seconds.
    die_with_parent(os.getppid())
    preload(modules)
    live_on()
    gc.collect()
    gc.freeze()
    guardians: set[int] = set()
    while True:
        is_ready = select.select([requests], [], [], REAP_INTERVAL_S)[0]
        _sweep(guardians)
        if not is_ready:
            continue
        header, leashes, _, _ = socket.recv_fds(requests, LENGTH.size, 1)
        if not header:
            return
        request = json.loads(_receive(requests, LENGTH.unpack(header)[0]))
        guardians.add(_fork_guardian(request, leashes[0], requests=requests))
        os.close(leashes[0])


def _receive(requests: socket.socket, n_bytes: int) -> bytes:
    content = b""
    while len(content) < n_bytes:
        content += requests.recv(n_bytes - len(content))
    return content


def _sweep(guardians: set[int]) -> None:
    """Reap guardians, and end what a guardian that was killed has left behind."""
    guardians.difference_update(reap_all())
    send(signal.SIGKILL, set(children_of(os.getpid()) or ()) - guardians)


def _fork_guardian(request: dict[str, object], leash: int, *, requests: socket.socket) -> int:
    launcher_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        requests.close()
        _run_guardian(request, leash, launcher_pid)
    return pid


def _run_guardian(request: dict[str, object], leash: int, launcher_pid: int) -> NoReturn:
    """Guard one run and exit; nothing of the launcher's stack runs on in this process."""
    try:
        guard(request, socket.socket(fileno=leash), launcher_pid=launcher_pid)
    except BaseException:  # noqa: BLE001 - the boundary of a process
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
