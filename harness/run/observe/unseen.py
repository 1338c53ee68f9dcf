"""Saying why a run could not be observed: expected, seen, why, what to do."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from harness.records import RunSpec
from harness.run.observe.wrappers import ObservedEnv, ObservedVectorEnv

# A side may stop a little early or late (an off-by-one is a fact to be compared, not a blindness),
# but with less than half of the steps seen the training happened elsewhere.
MIN_SEEN_SHARE = 0.5

MAKE_IT_SEEN = (
    "make every training environment in the side's own process with gymnasium.make, "
    "gymnasium.make_vec or call.make_env()"
)


@dataclass(frozen=True)
class Seen:
    """What was observed of the environments, and what this process started."""

    env_steps: int
    silent_resets: int
    auxiliary_ids: Sequence[str]
    processes: Sequence[str]


def unobserved_sentence(run: RunSpec, seen: Seen) -> str | None:
    """Return why too little of the training was seen, or None when enough was."""
    spent = seen.env_steps + seen.silent_resets
    if seen.env_steps and spent >= MIN_SEEN_SHARE * run.total_timesteps:
        return None
    causes = list(_causes(run, seen)) or [
        "the side stopped early, or trained through a library that does not use gymnasium.make"
    ]
    return (
        f"expected {run.total_timesteps} env steps of {run.env_id}, saw {seen.env_steps} "
        f"({run.side.name}, seed {run.seed}): {'; '.join(causes)}; {MAKE_IT_SEEN}"
    )


def _causes(run: RunSpec, seen: Seen) -> Iterator[str]:
    if seen.auxiliary_ids:
        ids = sorted(set(seen.auxiliary_ids))
        what = "environments of this id beyond n_envs" if ids == [run.env_id] else "others"
        count = f"n_envs = {run.n_envs}"
        yield f"it stepped {len(seen.auxiliary_ids)} {what} ({', '.join(ids)}; {count})"
    if seen.processes:
        names = ", ".join(sorted(set(seen.processes))[:3])
        yield (
            f"it started {len(seen.processes)} process(es) ({names}), where environments cannot be "
            "seen (SubprocVecEnv: use DummyVecEnv)"
        )
    direct = _direct_instances()
    if direct:
        yield f"it uses environments that were constructed directly ({', '.join(direct)})"
    if "gym" in sys.modules and not direct:
        yield "it imported the old library 'gym' (use gymnasium)"


def _direct_instances() -> list[str]:
    """Return the classes of living environments that no observer wraps, best effort."""
    living = [o for o in gc.get_objects() if _is_env(o)]
    watched = {id(o.unwrapped) for o in living if isinstance(o, (ObservedEnv, ObservedVectorEnv))}
    bare = (o for o in living if o.unwrapped is o and id(o) not in watched)
    known = (AsyncVectorEnv, SyncVectorEnv)
    return sorted({type(o).__name__ for o in bare if not isinstance(o, known)})[:3]


def _is_env(candidate: Any) -> bool:
    kind = type(candidate)  # isinstance would ask proxies for their __class__
    return issubclass(kind, (gymnasium.Env, gymnasium.vector.VectorEnv))
