"""What cannot happen by chance: findings about draws that need no test."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.draws_record import DrawRecord, Exact
from harness.stats.draws_rows import once_per_epoch, out_of_range
from harness.stats.draws_weights import weight_exacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MIN_REPEATS = 10  # repeats of the draw before, in at least half of the events, are no accident


def exact_findings(record: DrawRecord) -> tuple[Exact, ...]:
    """Return what mine draws that the reference never does and that chance does not explain."""
    if not record.known:
        return ()
    broken = tuple(_not_finite(record))
    if broken or record.kind == "categorical":
        return broken
    if record.kind == "weights":
        return weight_exacts(record)
    if record.kind in ("permutation", "once"):
        return once_per_epoch(record)
    ranges = out_of_range(record) if record.kind == "indices" else ()
    return (*ranges, *_repeated(record))


def is_same_stream(record: DrawRecord) -> bool:
    """Return whether mine drew exactly the record, where the reference itself does not.

    Then mine used the same generator with the same seed: no independent draw, and no difference.
    """
    pairs = list(record.events())
    is_mine = all(np.array_equal(mine, known) for mine, _, known in pairs)
    return is_mine and not all(np.array_equal(again, known) for _, again, known in pairs)


def _not_finite(record: DrawRecord) -> Iterator[Exact]:
    mine, again, known = (
        sum(int(np.count_nonzero(~np.isfinite(draw))) for draw in draws)
        for draws in (record.mine, record.again, record.known)
    )
    if mine and not again and not known:
        reason = f"{mine} drawn values are NaN or infinite"
        yield Exact("finite values", float(mine), 0.0, reason)


def _repeated(record: DrawRecord) -> Iterator[Exact]:
    """Yield the finding that mine repeats the draw before, as the reference never does."""
    mine, again, known = (_repeats(side) for side in (record.mine, record.again, record.known))
    if mine >= max(MIN_REPEATS, len(record.known) / 2) and not again and not known:
        reason = f"{mine} of {len(record.known)} draws are exactly the draw before"
        yield Exact("a new draw each time", float(mine), 0.0, reason)


def _repeats(draws: Sequence[NDArray[np.generic]]) -> int:
    return sum(np.array_equal(a, b) for a, b in pairwise(draws))
