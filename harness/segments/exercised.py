"""Which events a scenario exercised, counted on the reference's tape."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from harness.records import Json
from harness.segments.tape import Event, Tape


def exercised(reference: Tape, hyperparameters: Mapping[str, Json]) -> dict[str, int]:
    """Return event -> count: what the scenario gave the branches of the code to do."""
    steps = list(reference.events.get("transition", {}).values())
    n_terminated = sum(_flag(step) for step in steps)
    capacity = hyperparameters.get("buffer_size")
    syncs = _changes(list(reference.events.get("target_net_params", {}).values()))
    return {
        "env steps": len(steps),
        "updates": reference.count("params"),
        "terminations": n_terminated,
        "truncations": _truncations(steps),
        "times the buffer wrapped": len(steps) // int(capacity) if capacity else 0,
        "updates after a changed target network": syncs,
    }


def _flag(step: Event) -> int:
    flag = step.arrays.get("terminated")
    return int(bool(flag.any())) if flag is not None else 0


def _truncations(steps: list[Event]) -> int:
    """Return how often an episode ended unterminated: the next observation is not the last one."""
    count = 0
    for step, following in itertools.pairwise(steps):
        left, entered = step.arrays.get("next_obs"), following.arrays.get("obs")
        if left is None or entered is None or _flag(step):
            continue
        count += int(not np.array_equal(left.ravel(), entered.ravel()))
    return count


def _changes(events: list[Event]) -> int:
    """Return how often the value differs from the event before."""
    return sum(
        any(not np.array_equal(now.arrays[k], before.arrays[k]) for k in now.arrays)
        for before, now in itertools.pairwise(events)
    )
