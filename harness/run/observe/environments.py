"""Counting env steps and episodes, whatever way the environments are driven."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import ref as weakref

import gymnasium
import numpy as np
from gymnasium import spaces

from harness.records import Json, RunSpec
from harness.run.observe.taps import TapWatch
from harness.run.observe.writer import MEASURE_EVERY, Clock, Fault, Writer

# Sampled env steps in one point of the env clock's metrics (mean over the samples; for action.std
# the spread of their actions): one point every 100 env steps.
SAMPLES_PER_POINT = 5

NUMERIC_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)

# Arguments of environments that change what is shown, never what happens.
NOT_DYNAMICS = frozenset({"render_mode", "screen_size"})

UNDECIDED, AUXILIARY = -1, -2


@dataclass(slots=True)
class EnvRecord:
    """One observed environment, or one of the parallel environments of a vector environment.

    Attributes:
        index: number among the training environments, or UNDECIDED before its first step, or
            AUXILIARY (evaluation, wrong id, more than n_envs). is_muted: part of another one.
        first_reset_seed: last seed given before the first step.
        is_freshly_seeded: a seed was given since the last step; another one counts no more.
        is_inside: one of its layers is stepping or resetting at this moment.
        outer: wrappers that the side put around it, in the order in which they were made.
        action_space: what the environment offers; None when it is not known.
    """

    env_id: str
    description: dict[str, Json]
    has_numeric_actions: bool
    autoreset_mode: str = "none"
    index: int = UNDECIDED
    is_muted: bool = False
    length: int = 0
    episode_return: float = 0.0
    n_resets: int = 0
    n_seeded_resets: int = 0
    first_reset_seed: int | None = None
    is_freshly_seeded: bool = False
    is_inside: bool = False
    outer: list[weakref[Any]] = field(default_factory=list)
    action_space: spaces.Space[Any] | None = None


class BoundaryWatch(Protocol):
    """What stands behind the wrappers: it is told of steps and resets, and may replace values.

    Attributes:
        env_id: id that is trained on. last_made: record of the environment made last.
        silent_resets: env steps that a vector environment spent on resets.
    """

    env_id: str
    last_made: EnvRecord | None
    silent_resets: int

    def acting(self, record: EnvRecord, action: Any) -> Any:
        """Return the action that the environment receives."""

    def stepped(
        self, record: EnvRecord, action: Any, reward: Any, terminated: Any, truncated: Any
    ) -> None:
        """Count one env step."""

    def returned(self, record: EnvRecord, result: Any) -> Any:
        """Return what the side receives of a step."""

    def was_reset(self, record: EnvRecord, seed: Any) -> None:
        """Note a reset."""

    def began(self, record: EnvRecord, result: Any) -> Any:
        """Return what the side receives of a reset."""


@dataclass(slots=True)
class _Group:
    """The env steps since the last point of the env clock's metrics."""

    actions: list[float] = field(default_factory=list)
    n_samples: int = 0
    reward_sum: float = 0.0
    n_steps: int = 0


class EnvWatch:
    """Tells training environments from auxiliary ones and measures the former."""

    def __init__(
        self, run: RunSpec, writer: Writer, *, clock: Clock, taps: TapWatch, fault: Fault
    ) -> None:
        self.env_id = run.env_id.rpartition(":")[2]
        self._n_envs = run.n_envs
        self._writer = writer
        self._clock = clock
        self._taps = taps
        self._fault = fault
        self._group = _Group()
        self._next_sample = 1
        self._training: list[EnvRecord] = []
        self.auxiliary_ids: list[str] = []
        self.silent_resets = 0
        self._n_episodes = 0
        self._n_unfinished = 0
        self._reward_abs_max = 0.0
        self.last_made: EnvRecord | None = None
        self.is_live = True

    def stepped(
        self, record: EnvRecord, action: Any, reward: Any, terminated: Any, truncated: Any
    ) -> None:
        """Count one env step; called after the environment's own step returned."""
        if not self.is_live:
            return
        try:
            if record.index < 0 and not self._admit(record):
                return
            clock = self._clock
            env_step = clock.env_steps = clock.env_steps + 1
            reward = float(reward)
            record.length += 1
            record.is_freshly_seeded = False
            record.episode_return += reward
            group = self._group
            group.reward_sum += reward
            group.n_steps += 1
            if abs(reward) > self._reward_abs_max:
                self._reward_abs_max = abs(reward)
            if env_step >= self._next_sample:
                self._sample(record, action)
            if terminated or truncated:
                self._end_episode(record, bool(terminated), bool(truncated))
            self._writer.progress(env_step, clock.updates)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note("environment step", error)

    def acting(self, record: EnvRecord, action: Any) -> Any:  # noqa: ARG002
        """Return the action as it is: watching changes nothing."""
        return action

    def began(self, record: EnvRecord, result: Any) -> Any:  # noqa: ARG002
        """Return the result of a reset as it is."""
        return result

    def returned(self, record: EnvRecord, result: Any) -> Any:
        """Remember what one step of the single training environment returned; return it."""
        if record.index >= 0 and self._n_envs == 1:
            next_obs, reward, terminated, truncated, _ = result
            is_end = bool(terminated or truncated)
            self._taps.stored.returned((next_obs, reward, terminated), is_end=is_end)
        return result

    def was_reset(self, record: EnvRecord, seed: Any) -> None:
        """Note a reset and its seed; an episode that it cuts short is counted, not stored."""
        if not self.is_live:
            return
        self._note_seed(record, seed)
        record.n_resets += 1
        if record.length and record.index >= 0:
            self._n_unfinished += 1
        record.length, record.episode_return = 0, 0.0

    def _note_seed(self, record: EnvRecord, seed: Any) -> None:
        """Count at most one seed between two steps: resets that no step follows train nothing."""
        if seed is None:
            return
        if record.index == UNDECIDED:
            record.first_reset_seed = int(seed)
        record.n_seeded_resets += not record.is_freshly_seeded
        record.is_freshly_seeded = True

    def finish(self) -> None:
        """Write what has been sampled since the last point."""
        if self._group.n_samples:
            self._write_group()

    def facts(self) -> dict[str, Json]:
        """Return the exact observations of the environments."""
        training = self._training
        facts: dict[str, Json] = {
            "env_steps": self._clock.env_steps,
            "episodes": self._n_episodes,
            "unfinished_episodes": self._n_unfinished,
            "silent_resets": self.silent_resets,
            "n_training_envs": len(training),
            "auxiliary_envs": len(self.auxiliary_ids),
            "env_id": training[0].env_id if training else None,
            "autoreset_mode": training[0].autoreset_mode if training else None,
            "seeded_resets": [record.n_seeded_resets for record in training],
            "reset_seeds": [record.first_reset_seed for record in training],
            "reward_abs_max": self._reward_abs_max,
        }
        return {**(training[0].description if training else {}), **facts}

    def _admit(self, record: EnvRecord) -> bool:
        """Decide at the first step of an environment whether it is trained on."""
        if record.index == AUXILIARY or record.is_muted:
            return False
        if record.env_id != self.env_id or len(self._training) >= self._n_envs:
            record.index = AUXILIARY
            self.auxiliary_ids.append(record.env_id)
            return False
        record.index = len(self._training)
        record.description = {**record.description, **_around(record)}
        self._training.append(record)
        return True

    def _sample(self, record: EnvRecord, action: Any) -> None:
        env_step = self._clock.env_steps
        self._next_sample = (env_step - 1) // MEASURE_EVERY * MEASURE_EVERY + MEASURE_EVERY + 1
        group = self._group
        if record.has_numeric_actions:
            group.actions.extend(np.asarray(action, dtype=np.float64).ravel().tolist())
        group.n_samples += 1
        if group.n_samples == SAMPLES_PER_POINT:
            self._write_group()

    def _write_group(self) -> None:
        group, self._group = self._group, _Group()
        values = {"reward.mean": group.reward_sum / group.n_steps, **self._taps.take_env_values()}
        if group.actions:
            n = len(group.actions)
            mean = sum(group.actions) / n
            variance = sum((action - mean) ** 2 for action in group.actions) / n
            values |= {"action.mean": mean, "action.std": math.sqrt(variance)}
        self._writer.metrics(self._clock.env_steps, values)

    def _end_episode(self, record: EnvRecord, terminated: bool, truncated: bool) -> None:
        self._n_episodes += 1
        self._writer.episode(
            end_env_step=self._clock.env_steps,
            episode_return=record.episode_return,
            length=record.length,
            terminated=terminated,
            truncated=truncated,
            env_index=record.index,
        )
        record.length, record.episode_return = 0, 0.0


def record_of(env: gymnasium.Env[Any, Any], *, wanted: str) -> EnvRecord:
    """Return a fresh record that describes one environment, seen from outside its wrappers.

    Args:
        wanted: the id to assume for an instance that carries none, if its class is of this id.
    """
    bare = env.unwrapped  # a wrapper would cache its spec when asked: watching must not do that
    return EnvRecord(
        env_id=_id_of_class(type(bare), wanted) if bare.spec is None else bare.spec.id,
        description=description_of(env),
        has_numeric_actions=isinstance(env.action_space, NUMERIC_SPACES),
        action_space=env.action_space,
    )


def description_of(env: gymnasium.Env[Any, Any]) -> dict[str, Json]:
    """Return the facts of an environment: spaces, wrappers, time limit, arguments."""
    return {
        **_spaces_of(env.observation_space, env.action_space),
        "wrapper_stack": _stack(env),
        "time_limit": min(_limits(layers_of(env)), default=None),
        "env_kwargs": _kwargs_of(env.unwrapped),
    }


def records_of_vector(
    envs: gymnasium.vector.VectorEnv[Any, Any, Any], model: EnvRecord | None, *, wanted: str
) -> list[EnvRecord]:
    """Return fresh records, one per parallel environment of a vector environment.

    Args:
        model: a record of one environment like them, where one was seen.
    """
    mode = envs.metadata.get("autoreset_mode")
    return [
        EnvRecord(
            env_id=model.env_id if model else _id_of_vector(envs, wanted),
            description=model.description if model else _description_of_vector(envs),
            has_numeric_actions=isinstance(envs.single_action_space, NUMERIC_SPACES),
            autoreset_mode=str(getattr(mode, "value", mode)),
            action_space=envs.single_action_space,
        )
        for _ in range(envs.num_envs)
    ]


def _id_of_vector(envs: gymnasium.vector.VectorEnv[Any, Any, Any], wanted: str) -> str:
    """Return the id; for an AsyncVectorEnv over a class, an id registered for it."""
    if envs.spec is not None:
        return envs.spec.id
    first = next(iter(getattr(envs, "env_fns", ())), None)
    return _id_of_class(first, wanted) if isinstance(first, type) else ""


def _description_of_vector(envs: gymnasium.vector.VectorEnv[Any, Any, Any]) -> dict[str, Json]:
    spec = envs.spec
    limit = None if spec is None else spec.kwargs.get("max_episode_steps", spec.max_episode_steps)
    return {
        **_spaces_of(envs.single_observation_space, envs.single_action_space),
        "wrapper_stack": [type(envs).__name__],
        "time_limit": limit,
    }


def _spaces_of(observation: spaces.Space[Any], action: spaces.Space[Any]) -> dict[str, Json]:
    facts: dict[str, Json] = {"observation_space": repr(observation), "action_space": repr(action)}
    if isinstance(action, spaces.Discrete):
        facts["n_discrete_actions"] = int(action.n)
    return facts


def layers_of(env: Any) -> list[Any]:
    """Return an environment and everything inside it, outermost first."""
    layers = [env]
    while issubclass(type(layers[-1]), gymnasium.Wrapper):
        is_harness = getattr(type(layers[-1]), "is_harness", False)
        layers.append(layers[-1].inner if is_harness else layers[-1].env)
    return layers


def _stack(env: gymnasium.Env[Any, Any]) -> list[str]:
    return [type(layer).__name__ for layer in layers_of(env)]


def _limits(layers: Sequence[Any]) -> list[int]:
    """Return the limits of the TimeLimit wrappers among them, env steps."""
    return [
        int(layer._max_episode_steps)  # gymnasium has no public name for it
        for layer in layers
        if isinstance(layer, gymnasium.wrappers.TimeLimit)
    ]


def _around(record: EnvRecord) -> dict[str, Json]:
    """Return what the side's own wrappers add to the description; the last made is outermost."""
    outer = [wrapper for made in reversed(record.outer) if (wrapper := made()) is not None]
    limits = [*_limits(outer), record.description.get("time_limit")]
    return {
        "outer_wrappers": [type(wrapper).__name__ for wrapper in outer],
        "time_limit": min((limit for limit in limits if limit is not None), default=None),
    }


def _kwargs_of(bare: gymnasium.Env[Any, Any]) -> dict[str, Json]:
    """Return the values of the arguments that an environment was made with, defaults included."""
    try:
        parameters = [*inspect.signature(type(bare)).parameters.values()]
    except (TypeError, ValueError):  # no Python signature
        parameters = []
    named = {p.name: p.default for p in parameters if p.default is not p.empty}
    given = named | dict(bare.spec.kwargs if bare.spec is not None else {})
    return {name: _plain(value) for name, value in given.items() if name not in NOT_DYNAMICS}


def _plain(value: Any) -> Json:
    is_plain = value is None or isinstance(value, (bool, int, float, str))
    return value if is_plain else repr(value)


def _id_of_class(cls: type, wanted: str) -> str:
    """Return `wanted` if it is registered for `cls`, else the first such id, else the class."""
    place = f"{cls.__module__}:{cls.__qualname__}"
    ids = [s.id for s in gymnasium.registry.values() if s.entry_point in (place, cls)]
    return wanted if wanted in ids else next(iter(ids), place)


def layers_observed(env: Any, kind: type) -> Sequence[Any]:
    """Return the layers of `env` that are instances of `kind`, outermost first."""
    return [layer for layer in layers_of(env) if isinstance(layer, kind)]
