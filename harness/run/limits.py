"""What a run may use: time without progress, wall clock, memory, output."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.errors import UsageError

# Seconds without an env step or update after which a run counts as hung. Far above the longest
# pause of an honest side (imports, filling a buffer, one epoch of updates: seconds).
STALL_S = 120.0
# Seconds of wall clock after which a run is ended: 1M env steps at 3 ms take 50 minutes.
WALL_S = 12 * 3600.0
# Share of the machine's memory that all runs together may hold; the rest is for everything else.
MEMORY_SHARE = 0.8
# But never less than this for one run: the imports alone (mostly shared) count 300 MiB. Bytes.
MIN_MEMORY_BYTES = 1 << 30
# Captured of stdout and of stderr, each: the first bytes and the last ones.
LOG_HEAD_BYTES = 1 << 20
LOG_TAIL_BYTES = 256 << 10

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Limits:
    """Limits of one run.

    Attributes:
        stall_s: no env step and no update for so long: hung.
        wall_s: longest duration.
        memory_bytes: resident memory of the run's processes; None: MEMORY_SHARE of RAM / jobs.
        term_grace_s: between SIGTERM and SIGKILL.
        done_grace_s: a finished run may take so long to exit.
        log_head_bytes, log_tail_bytes: kept of stdout and of stderr, each.
    """

    stall_s: float = STALL_S
    wall_s: float = WALL_S
    memory_bytes: int | None = None
    term_grace_s: float = 2.0
    done_grace_s: float = 2.0
    log_head_bytes: int = LOG_HEAD_BYTES
    log_tail_bytes: int = LOG_TAIL_BYTES

    def __post_init__(self) -> None:
        """Check the signs.

        Raises:
            UsageError: a limit is not positive; names it.
        """
        for name in ("stall_s", "wall_s", "memory_bytes", "log_head_bytes", "log_tail_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                message = f"expected a positive limit {name}, saw {value!r}: pass a larger one"
                raise UsageError(message)


def memory_per_run(jobs: int) -> int:
    """Return the default memory limit of one of `jobs` parallel runs, bytes."""
    total = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
        total = min(total, int(CGROUP_LIMIT.read_text()))
    return max(MIN_MEMORY_BYTES, int(total * MEMORY_SHARE / jobs))
