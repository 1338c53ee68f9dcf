"""How a run ended, in words: from the guardian's report and the files it left to an outcome."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.records import Json, Outcome
from harness.run.child import (
    ERROR_FILE,
    EXIT_EXCEPTION,
    KIND_MEMORY,
    KIND_UNOBSERVED,
    KIND_UNSUPPORTED,
)
from harness.run.guardian import Report
from harness.run.limits import Limits

MAX_ERROR_BYTES = 1 << 20
STDERR_LINES = 20
STDERR_BYTES = 16 << 10
LINE_CHARACTERS = 300
# The end of every stack dump: the harness's own frames below the side, a list of loaded modules.
DUMP_NOISE = re.compile(
    r'\s*File "([^"]*harness/run/(launcher|guardian|child)\.py|<string>)", line \d+ in '
    r"|Extension modules: "
)

# Terminal sequences (CSI, OSC, two-character escapes), then every other control character and the
# marks that reverse the direction of writing. Source: ECMA-48; Unicode TR 9 and TR 36.
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]|"
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True)
class Ending:
    """An outcome with one sentence: cause, where, what to do."""

    outcome: Outcome
    message: str


def explain(report: Report | None, work_dir: Path, *, limits: Limits, reached: str) -> Ending:
    """Return the outcome of a run that left no valid trace.

    Args:
        report: the guardian's last word; None when the guardian itself was killed.
        reached: how far the run came, e.g. "at env step 120, update 30".
    """
    if report is None:
        message = f"its guardian process was killed {reached}: call compare again to repeat it"
        return Ending(Outcome.KILLED, message)
    if report.reason in ("stall", "wall", "memory", "ended"):
        return _ended_by_us(report, limits, reached)
    if os.WIFSIGNALED(report.status):
        return _signalled(report, reached)
    return _exited(os.WEXITSTATUS(report.status), read_error(work_dir), reached)


def _ended_by_us(report: Report, limits: Limits, reached: str) -> Ending:
    peak, limit = _mib(report.peak_bytes), _mib(limits.memory_bytes or 0)
    return {
        "stall": Ending(
            Outcome.HUNG,
            f"hung {reached}: no env step and no update for {limits.stall_s:g} s; the end of its "
            "stderr shows where each thread stood",
        ),
        "wall": Ending(
            Outcome.TIMED_OUT,
            f"took longer than {limits.wall_s:g} s, ended {reached}: use a smaller budget or make "
            "the side faster; its stderr shows where it stood",
        ),
        "memory": Ending(
            Outcome.OUT_OF_MEMORY,
            f"held {peak} MiB of memory, more than its limit of {limit} MiB, {reached}: use fewer "
            "--jobs or a smaller buffer_size",
        ),
        "ended": Ending(Outcome.ENDED, f"ended {reached}: the verdict no longer depended on it"),
    }[report.reason]


def _signalled(report: Report, reached: str) -> Ending:
    signum = os.WTERMSIG(report.status)
    name = signal.Signals(signum).name if signum in set(signal.Signals) else f"signal {signum}"
    causes = {
        signal.SIGKILL: "somebody, or the kernel when memory ran out, killed it; "
        f"it held {_mib(report.peak_bytes)} MiB; use fewer --jobs or call compare again",
        signal.SIGSEGV: "native code failed; the end of its stderr shows the Python stack",
    }
    cause = causes.get(signal.Signals(signum) if name.startswith("SIG") else signal.SIGTERM, "")
    what = cause or "nothing in the harness sent it; call compare again"
    return Ending(Outcome.KILLED, f"killed by {name} {reached}: {what}")


def _exited(code: int, error: Mapping[str, Json], reached: str) -> Ending:
    if code == EXIT_EXCEPTION and error:
        return _raised(error, reached)
    if code == 0:
        message = (
            f"exit code 0 {reached}, but the training call never returned: the side called "
            "sys.exit(0) or os._exit(0); let it return instead"
        )
        return Ending(Outcome.INCOMPLETE, message)
    message = f"exit code {code} {reached} without an exception: look for sys.exit or os._exit"
    return Ending(Outcome.EXITED, message)


def _raised(error: Mapping[str, Json], reached: str) -> Ending:
    kind, text = error["kind"], clean_line(error["message"])
    if kind == KIND_UNSUPPORTED:
        message = f"{text}: give it another value with --set, or teach the side to take it"
        return Ending(Outcome.UNSUPPORTED, message)
    if kind == KIND_UNOBSERVED:
        return Ending(Outcome.UNOBSERVED, text)
    place = f" at {clean_line(error['traceback'][-1])}" if error["traceback"] else ""
    what = f"{error['type']}: {text}{place}" if text else f"{error['type']}{place}"
    if kind == KIND_MEMORY:
        message = f"out of memory {reached}: {what}; use fewer --jobs or a smaller buffer_size"
        return Ending(Outcome.OUT_OF_MEMORY, message)
    return Ending(Outcome.CRASHED, f"crashed {reached}: {what}; correct it and call compare again")


def read_error(work_dir: Path) -> Mapping[str, Json]:
    """Return what the run wrote about its failure, or {} when there is nothing of that shape.

    The file comes from a process in which user code ran: every field is checked.
    """
    path = work_dir / ERROR_FILE
    try:
        if path.is_symlink() or path.stat().st_size > MAX_ERROR_BYTES:
            return {}
        error = json.loads(path.read_text(errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    is_whole = isinstance(error, dict) and all(
        isinstance(error.get(name), str) for name in ("kind", "type", "message")
    )
    if not is_whole or not isinstance(error.get("traceback"), list):
        return {}
    frames = [frame for frame in error["traceback"] if isinstance(frame, str)]
    return {**error, "type": clean_line(error["type"]), "traceback": frames}


def stderr_tail(work_dir: Path) -> tuple[str, ...]:
    """Return the last lines of the run's stderr, safe to show; () when there are none."""
    try:
        with (work_dir / "stderr.log").open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - STDERR_BYTES))
            text = log.read(STDERR_BYTES).decode(errors="replace")
    except OSError:
        return ()
    shown = (line for line in re.split(r"[\r\n]+", text) if not DUMP_NOISE.match(line))
    lines = [clean_line(line) for line in shown if line.strip()]
    return tuple(lines[-STDERR_LINES:])


def clean_line(text: str) -> str:
    r"""Return the text on one line, without control characters, the home folder shortened.

    >>> clean_line("\x1b[31mred\x1b[0m\n\tend")
    'red end'
    """
    one_line = " ".join(ESCAPES.sub("", text.replace("\r", "\n")).split())
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    if len(home) > 1 and home != "~":
        one_line = one_line.replace(home, "~")
    return one_line if len(one_line) <= LINE_CHARACTERS else one_line[: LINE_CHARACTERS - 1] + "…"


def _mib(n_bytes: int) -> int:
    return n_bytes >> 20
