"""The wrappers that stand outermost around environments made in this process."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import iterate

from harness.run.observe.environments import BoundaryWatch, EnvRecord, record_of, records_of_vector

# Attributes of the wrapper itself; every other one is the wrapped environment's.
_OWN = frozenset({"env", "_watch", "_record", "_cached_spec"})
_UNSET_BY_INIT = frozenset({"_action_space", "_observation_space", "_metadata"})


class ObservedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Passes everything through and reports steps and resets; `spec` stays the inner one's."""

    def __init__(self, env: gymnasium.Env[Any, Any], watch: BoundaryWatch) -> None:
        self._watch = watch
        super().__init__(env)
        self._record = watch.last_made = record_of(env, wanted=watch.env_id)

    @property
    def record(self) -> EnvRecord:
        """What has been observed of this environment."""
        return self._record

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Return the inner spec, so that `gymnasium.make(env.spec)` does not wrap twice."""
        return self.env.spec

    def step(self, action: Any) -> Any:
        """Step the environment, then count the step; the watch may replace both ways."""
        action = self._watch.acting(self._record, action)
        result = self.env.step(action)
        self._watch.stepped(self._record, action, result[1], result[2], result[3])
        return self._watch.returned(self._record, result)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the environment, then note the seed."""
        result = self.env.reset(seed=seed, options=options)
        self._watch.was_reset(self._record, seed)
        return self._watch.began(self._record, result)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:
            raise AttributeError(name)
        return getattr(self.env, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or (name in _UNSET_BY_INIT and value is None):
            object.__setattr__(self, name, value)
        else:
            setattr(self.env, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> ObservedEnv:
        """Return an observed copy with a record of its own: a copy steps on its own account."""
        return ObservedEnv(deepcopy(self.env, memo), self._watch)

    def __reduce__(self) -> Any:
        """Pickle as the inner environment: what another process does is not seen from here."""
        return _as_is, (self.env,)


def _as_is(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    return env


class VectorRecord:
    """One vector environment whose parallel environments are only seen through it."""

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        watch: BoundaryWatch,
        *,
        model: EnvRecord | None = None,
    ) -> None:
        self.records = records_of_vector(envs, model, wanted=watch.env_id)
        self._watch = watch
        self._spends_steps_on_resets = (
            envs.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP
        )
        self._resets_next = [False] * envs.num_envs
        self._action_space = envs.action_space

    def was_reset(self, seed: Any, options: Any) -> None:
        """Note a reset of all parallel environments, or of those in options["reset_mask"]."""
        n = len(self.records)
        mask = (options or {}).get("reset_mask")
        chosen = np.ones(n, dtype=bool) if mask is None else mask
        for i, seed_i in enumerate(seeds_of(seed, n)):
            if chosen[i]:
                self._watch.was_reset(self.records[i], seed_i)
                self._resets_next[i] = False

    def stepped(self, actions: Any, result: tuple[Any, ...]) -> None:
        """Count one step of each parallel environment that stepped rather than reset silently."""
        _, rewards, terminations, truncations, _ = result
        each = actions if isinstance(actions, (np.ndarray, list)) else self._iterate(actions)
        for i, action in enumerate(each):
            record = self.records[i]
            if self._resets_next[i]:
                self._resets_next[i] = False
                self._watch.silent_resets += 1
                self._watch.was_reset(record, None)
                continue
            terminated, truncated = terminations[i], truncations[i]
            self._watch.stepped(record, action, rewards[i], terminated, truncated)
            if self._spends_steps_on_resets and (terminated or truncated):
                self._resets_next[i] = True

    def _iterate(self, actions: Any) -> Any:
        return iterate(self._action_space, actions)


def seeds_of(seed: Any, n: int) -> Sequence[int | None]:
    """Return the seed of each of `n` parallel environments: `seed` + i, as gymnasium does."""
    if seed is None:
        return [None] * n
    return list(seed) if isinstance(seed, (list, tuple)) else [int(seed) + i for i in range(n)]


class ObservedVectorEnv(VectorWrapper):
    """Around a native vector environment (`vector_entry_point`), which has no inner ones."""

    def __init__(self, env: VectorEnv[Any, Any, Any], watch: BoundaryWatch) -> None:
        super().__init__(env)
        self._harness_record = VectorRecord(env, watch)

    def step(self, actions: Any) -> Any:
        """Step all, then count."""
        result = self.env.step(actions)
        self._harness_record.stepped(actions, result)
        return result

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Reset all, then note the seeds."""
        noted = dict(options) if options else None
        result = self.env.reset(seed=seed, options=options)
        self._harness_record.was_reset(seed, noted)
        return result
