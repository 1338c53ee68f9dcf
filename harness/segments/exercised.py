"""Which events a scenario exercised, counted on the reference's tape."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from harness.records import Json
from harness.segments.names import ENV_RESULT
from harness.segments.tape import Event, Tape

# A round ends when a minibatch diverges by more than this times target_kl (SB3, ppo.py).
KL_MULTIPLE = 1.5
# Scaled values -> the hyperparameter that they are clipped to.
SCALED = {"normalized_obs": "clip_obs", "normalized_reward": "clip_reward"}


def exercised(reference: Tape, hyperparameters: Mapping[str, Json]) -> dict[str, int]:
    """Return event -> count: what the scenario gave the branches of the code to do.

    Events that an algorithm does not have are left out; one that it has and that never happened
    counts 0.
    """
    results = reference.of(ENV_RESULT).values()
    found = {
        "env steps": reference.env_steps,
        "updates": sum(reference.count(f"{owner}_updates") for owner in reference.owners[:1]),
        "terminations": sum(bool(e.arrays["terminated"]) for e in results),
        "truncations": sum(
            bool(e.arrays["truncated"]) and not e.arrays["terminated"] for e in results
        ),
        "negative rewards": sum(float(e.arrays["reward"]) < 0 for e in results),
    }
    for owner in reference.others:
        events = list(reference.of(f"{owner}_params").values())
        found[f"changes of {owner}"] = _changes(events)
    capacity = hyperparameters.get("buffer_size")
    if capacity:
        found["times the buffer wrapped"] = reference.env_steps // int(capacity)
    limit = hyperparameters.get("target_kl")
    found |= _of_scaling(reference, hyperparameters)
    return (
        found | _of_clipping(reference) | _of_ratios(reference) | _of_divergence(reference, limit)
    )


def _of_scaling(reference: Tape, hyperparameters: Mapping[str, Json]) -> dict[str, int]:
    """Return how many scaled values lay at the limit that they are clipped to, and within it."""
    found = {}
    for name, limit in SCALED.items():
        values = [event.arrays[""].ravel() for event in reference.of(name).values()]
        if values and limit in hyperparameters:
            sizes = np.abs(np.concatenate(values)).astype(np.float32)
            is_at = sizes >= np.float32(hyperparameters[limit])
            found[f"{name} at {limit}"] = int(is_at.sum())
            found[f"{name} within {limit}"] = int((~is_at).sum())
    return found


def _of_clipping(reference: Tape) -> dict[str, int]:
    """Return how many gradients were, and were not, longer than the limit they are clipped to."""
    if not reference.clips:
        return {}
    return {
        "clipped gradients": sum(reference.clips),
        "gradients within the limit": len(reference.clips) - sum(reference.clips),
    }


def _of_ratios(reference: Tape) -> dict[str, int]:
    """Return how many probability ratios lay outside the range that they are clipped to."""
    ranges = list(reference.of("clip_range").values())
    if not ranges or not reference.count("ratio"):
        return {}
    n_outside = 0
    for event in reference.of("ratio").values():
        known = [e for e in ranges if e.env_step <= event.env_step]
        limit = float(known[-1].arrays[""]) if known else np.inf
        n_outside += int((np.abs(event.arrays[""] - 1.0) > limit).sum())
    return {"ratios outside the clip range": n_outside}


def _of_divergence(reference: Tape, limit: Json) -> dict[str, int]:
    """Return how many divergences ended a round, and how many came near the limit and did not."""
    if not limit or not reference.count("approx_kl"):
        return {}
    sizes = [float(event.arrays[""]) / limit for event in reference.of("approx_kl").values()]
    return {
        "rounds ended by target_kl": sum(size > KL_MULTIPLE for size in sizes),
        "divergences between target_kl and 1.5 times it": sum(
            1 < size <= KL_MULTIPLE for size in sizes
        ),
    }


def _changes(events: list[Event]) -> int:
    """Return how often the value differs from the event before."""
    return sum(
        any(not np.array_equal(now.arrays[k], before.arrays[k]) for k in now.arrays)
        for before, now in itertools.pairwise(events)
    )
