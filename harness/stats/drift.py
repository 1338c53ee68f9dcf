"""Drift: has a run left its reference faster than the reference leaves itself after a nudge?

Two runs with equal inputs that differ by rounding alone drift apart, slowly or, where a unit of a
network wakes up, in jumps. How fast is measured: the reference is run again, every weight moved by
one unit in the last place (or not at all) after every optimiser step, which is more rounding than
another right implementation has. The largest distance that such runs reached so far, with room, is
the band; what leaves it has another cause.

Question: does a quantity of mine differ from the reference's by more than rounding explains?
Assumption: mine's rounding per step is at most that of the nudges, and its drift grows in the same
way. A run inside the band shows agreement up to where the band itself stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Floats = NDArray[np.float64]

# A follower may be this many times as far as the farthest nudged run. Rounding differs in kind, not
# in size alone (docs/statistics.md; `python -m benchmarks.twin`: a fused Adam stays below the
# nudged runs of DQN on CartPole).
FACTOR = 10.0
# Jumps come at other times in every nudged run: what the band reaches by this multiple of the
# events so far, it may have reached already.
LOOK_AHEAD = 1.25
LOOK_AHEAD_EVENTS = 10
# Nearer than this nothing is told apart: 64 rounding units of float32.
NEAREST = 64 * 2.0**-23
# At this distance from the reference, inside a band that is as wide, agreement says nothing more.
UNINFORMATIVE = 0.1
# A band is kept as a rising staircase; steps lower than this ratio are left out.
STAIR = 1.05
# Level of the test of greedy actions; one per environment.
CHOICE_LEVEL = 1e-4


@dataclass(frozen=True)
class Band:
    """How far nudged runs of the reference went in one quantity: rising stairs.

    Attributes:
        events: (n,) increasing, number of the event. levels: (n,) largest distance up to it.
    """

    events: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()

    def at(self, events: NDArray[np.int64]) -> Floats:
        """Return the allowed distance at these event numbers; shape as given."""
        ahead = events * LOOK_AHEAD + LOOK_AHEAD_EVENTS
        reached = np.searchsorted(np.array(self.events), ahead, side="right")
        levels = np.concatenate([[0.0], np.array(self.levels)])[reached]
        return np.asarray(np.maximum(FACTOR * levels, NEAREST))


@dataclass(frozen=True)
class Departure:
    """Where a quantity left its band first. index: of the event in the quantity's columns."""

    quantity: str
    index: int
    env_step: int
    update: int
    distance: float
    band: float


def relative(measured: Floats) -> Floats:
    """Return env step, update and distance: the error in shares of the quantity's size.

    Its size is the largest entry that the record has had so far, or the median one of the run
    where that is larger: a quantity that begins at rounding errors has no size yet.

    Args:
        measured: (n, 4): env step, update, error, largest entry of the record.
    """
    if not len(measured):
        return np.empty((0, 3))
    errors, entries = measured[:, 2], measured[:, 3]
    sizes = np.maximum(np.maximum.accumulate(entries), np.median(entries))
    distances = np.divide(errors, sizes, out=np.full(len(errors), np.inf), where=sizes > 0)
    distances[errors == 0.0] = 0.0
    return np.column_stack([measured[:, :2], distances])


def band_of(runs: Sequence[Floats]) -> Band:
    """Return the band that nudged runs span for one quantity.

    Args:
        runs: (n, 3) each: env step, update, distance; infinite distances are left out.
    """
    n = max((len(run) for run in runs), default=0)
    highest = np.zeros(n)
    for run in runs:
        finite = np.where(np.isfinite(run[:, 2]), run[:, 2], 0.0)
        highest[: len(run)] = np.maximum(highest[: len(run)], finite)
    events, levels, level = [], [], 0.0
    for event, reached in enumerate(np.maximum.accumulate(highest)):
        if reached > level * STAIR:
            level = float(reached)
            events.append(event)
            levels.append(level)
    return Band(tuple(events), tuple(levels))


def departure_of(quantity: str, run: Floats, band: Band) -> Departure | None:
    """Return where a follower left the band of one quantity; None when it stayed inside.

    Args:
        run: (n, 3): env step, update, distance.
    """
    if not len(run):
        return None
    allowed = band.at(np.arange(len(run)))
    outside = np.flatnonzero(run[:, 2] > allowed)
    if not outside.size:
        return None
    i = int(outside[0])
    return Departure(
        quantity, i, int(run[i, 0]), int(run[i, 1]), float(run[i, 2]), float(allowed[i])
    )


def departed_count(quantity: str, mine: Floats, reference: Floats) -> Departure | None:
    """Return where the env steps of two sequences of events part first; None when they are equal.

    Args:
        mine, reference: (n,) env step of each event, in order.
    """
    n = min(len(mine), len(reference))
    unequal = np.flatnonzero(mine[:n] != reference[:n])
    if not unequal.size and len(mine) == len(reference):
        return None
    i = int(unequal[0]) if unequal.size else n
    at = [float(events[i]) for events in (mine, reference) if i < len(events)]
    return Departure(quantity, i, int(min(at)), i, np.inf, 0.0)


def departed_choices(quantity: str, choices: Floats) -> Departure | None:
    """Return where mine's own actions are seen to be greedy oftener, or more rarely; else None.

    Null hypothesis: at every env step both sides' actions, drawn by each in the same state, are the
    greedy one with the same probability. Assumption: they are drawn independently of each other.
    Then env steps at which only one side's action is greedy are as often mine's as the record's
    (exact sign test, two-sided, level CHOICE_LEVEL). A None does not mean that they are alike.

    Args:
        choices: (n, 3): env step, whether mine's own and the record's action were the greedy one.
    """
    apart = choices[choices[:, 1] != choices[:, 2]]
    ours = np.cumsum(apart[:, 1])
    n = np.arange(1, len(apart) + 1)
    p = np.minimum(1.0, 2 * bdtr(np.minimum(ours, n - ours), n, 0.5))
    if not len(p) or p[-1] > CHOICE_LEVEL:
        return None
    first = int(np.flatnonzero(p <= CHOICE_LEVEL)[0])
    size = abs(float(choices[:, 1].mean() - choices[:, 2].mean()))
    return Departure(quantity, first, int(apart[first, 0]), 0, size, 0.0)


def informative_until(runs: Sequence[Floats]) -> float:
    """Return the env step up to which staying inside the bands shows agreement.

    Args:
        runs: distances of everything that is trained; once all are far from the reference, though
            inside their bands, nothing more is shown.
    """
    ends = []
    for run in runs:
        far = np.flatnonzero(np.maximum.accumulate(run[:, 2]) > UNINFORMATIVE)
        ends.append(float(run[far[0], 0]) if far.size else np.inf)
    return max(ends, default=np.inf)
