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
from harness.run.observe.layers import reset_observed, step_observed

# Attributes of the wrapper itself; every other one is the wrapped environment's.
_OWN = frozenset({"inner", "record", "_watch", "step", "reset"})


class ObservedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Passes everything through and reports steps and resets.

    It is no layer of its own: `spec` and `env` are the wrapped environment's, and so is its class
    to `isinstance`, so that a side takes off, or finds, what it would without it.

    Attributes:
        is_harness: tells this wrapper from a side's.
        inner: the environment inside. record: what has been observed of it.
    """

    is_harness = True
    inner: gymnasium.Env[Any, Any]
    record: EnvRecord

    def __init__(self, env: gymnasium.Env[Any, Any], watch: BoundaryWatch) -> None:
        record = watch.last_made = record_of(env, wanted=watch.env_id)
        for name, value in (("inner", env), ("record", record), ("_watch", watch)):
            object.__setattr__(self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Return the class of the environment inside."""
        return type(self.inner)

    def step(self, action: Any) -> Any:
        """Step the environment and report it."""
        return step_observed(self._watch, self.record, self.inner.step, action)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the environment and report it."""
        return reset_observed(
            self._watch, self.record, self.inner.reset, seed=seed, options=options
        )

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN or name.startswith("__"):
            return object.__getattribute__(self, name)
        inner = object.__getattribute__(self, "inner")
        if name == "env":  # an environment without wrappers has none, but loops over layers ask
            return getattr(inner, "env", inner)
        return getattr(inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def __str__(self) -> str:
        """Return what the environment inside says, with this wrapper's name."""
        return f"<ObservedEnv{self.inner}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> ObservedEnv:
        """Return an observed copy with a record of its own: a copy steps on its own account."""
        return ObservedEnv(deepcopy(self.inner, memo), self._watch)

    def __reduce__(self) -> Any:
        """Pickle as the inner environment: what another process does is not seen from here."""
        return _as_is, (self.inner,)


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
