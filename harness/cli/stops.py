"""Ctrl-C, SIGTERM and a closed terminal, at any moment of the program: one way to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stoppable(*, is_last: bool) -> Iterator[None]:
    """Inside the with block every stop signal raises KeyboardInterrupt, as Ctrl-C does.

    Under `nohup` the closed terminal stays ignored. While runs are trained the executor listens in
    its own way.

    Args:
        is_last: the process ends after this: the handlers stay, so that a further Ctrl-C while the
            interpreter shuts down does not change the exit code.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    for signum, handler in before.items():
        if signum != signal.SIGHUP or handler is not signal.SIG_IGN:
            signal.signal(signum, _stop)
    try:
        yield
    finally:
        if not is_last:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def ignore_stops() -> None:
    """Let the last words be said: a second Ctrl-C changes nothing any more.

    Python notes a KeyboardInterrupt that left code made by `exec`, as dataclasses do, and would end
    by SIGINT instead of the exit code, although it was caught; evaluating anything clears the note.
    """
    eval("0")
    if threading.current_thread() is threading.main_thread():
        for signum in STOP_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)


def _stop(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
