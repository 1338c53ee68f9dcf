"""What can go wrong, seen from the user: every message says expected, seen, where, what to do.

CompareError
|-- UsageError          the request cannot be carried out as written (exit 2)
|   |-- UnknownName     an algorithm, environment, option ... that does not exist
|   `-- MissingExtra    an optional dependency is not installed
|-- StoreError          results on disk cannot be read or written (exit 4)
|   |-- CorruptResult   a checksum, schema or shape does not hold
|   `-- FutureSchema    written by a newer version
|-- RunFailed           a run of one side ended without usable observations (exit 4)
|-- TooFewSeeds         a statistic was asked for with fewer seeds than it needs (exit 3)
`-- Interrupted         Ctrl-C or SIGTERM (exit 130)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_PARITY = 0
EXIT_DIVERGED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_INVALID = 4
EXIT_INTERRUPTED = 130


class CompareError(Exception):
    """Base of everything that is reported to the user without a traceback."""

    exit_code = EXIT_INVALID


class UsageError(CompareError):
    """The request cannot be carried out as written."""

    exit_code = EXIT_USAGE


class UnknownName(UsageError):
    """A name outside a closed set; the message lists the nearest valid ones."""

    def __init__(self, kind: str, name: str, valid: Iterable[str], *, where: str = "") -> None:
        self.kind = kind
        self.name = name
        self.valid = tuple(valid)
        place = f" in {where}" if where else ""
        super().__init__(f"unknown {kind} {name!r}{place}; {nearest_sentence(name, self.valid)}")


class MissingExtra(UsageError):
    """An optional dependency is needed; the message holds the pip line."""


class StoreError(CompareError):
    """Results on disk cannot be read or written."""


class CorruptResult(StoreError):
    """A stored file does not hold what its checksum, schema or shape promises."""


class FutureSchema(StoreError):
    """A stored file was written by a newer version of this project."""


class RunFailed(CompareError):
    """A run ended without usable observations."""


class TooFewSeeds(CompareError):
    """A statistic was asked for with fewer seeds than it needs."""

    exit_code = EXIT_INCONCLUSIVE


class Interrupted(CompareError):
    """The user, or the system, asked to stop."""

    exit_code = EXIT_INTERRUPTED


def nearest(name: str, valid: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Return up to `n` valid names closest to `name`, best first; may be empty.

    >>> nearest("dpn", ["dqn", "ppo", "sac"])
    ('dqn',)
    """
    lowered = {candidate.lower(): candidate for candidate in valid}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=n, cutoff=0.5)
    return tuple(lowered[candidate] for candidate in found)


def nearest_sentence(name: str, valid: Iterable[str]) -> str:
    """Return "did you mean ...?" when something is near, else the complete list of valid names.

    >>> nearest_sentence("zzz", ["dqn", "ppo"])
    'valid: dqn, ppo'
    """
    choices = tuple(valid)
    near = nearest(name, choices)
    if near:
        return f"did you mean {' or '.join(repr(candidate) for candidate in near)}?"
    return f"valid: {', '.join(choices)}"
