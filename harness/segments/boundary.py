"""The environment as a source: both sides act in the same recorded environment.

Recording notes what every environment of the reference was given and gave. Replaying compares the
action that mine sends, then steps with the reference's, and returns what the reference received:
whatever mine does to the environment's random stream, the code above it has right inputs.
"""

# ruff: noqa: ANN401 - the edge to gymnasium and watched code, whose values are of any type

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from harness.run.observe.environments import AUXILIARY, UNDECIDED, EnvRecord
from harness.run.observe.sites import Sites
from harness.segments.names import ENV_ACTION, ENV_RESULT, ENV_START, RESETS
from harness.segments.tape import Arrays, Tape
from harness.segments.values import arrays_of, hand_on
from harness.side import Call

NO_SEED = -1
# A bound may be missed by so much of the distance to it: rounding of a rescaled action.
BOUND_SLACK = 1e-5
MAX_SHOWN = 80  # characters of an action
# What one step returns, by position; infos are not compared.
RESULT_FIELDS = ("obs", "reward", "terminated", "truncated")

Take = Callable[[str, tuple[int, ...], Arrays], Arrays | None]


class Boundary:
    """Behind the wrappers around the training environments of one side of a scenario.

    Args:
        call: what the side was called with. tape: where problems are noted.
        take: takes an event down under a quantity and slot; returns the reference's arrays at the
            same place when replaying. sites: remembers where things are born.
        reward_scale: factor on the environment's rewards (a perturbation).

    Attributes:
        env_steps: made so far, summed over parallel environments. n_envs: asked for.
        birthplaces: lines on which environments were made.
    """

    def __init__(
        self,
        call: Call,
        *,
        take: Take,
        tape: Tape,
        sites: Sites,
        reward_scale: float = 1.0,
    ) -> None:
        self.env_id = call.env_id.rpartition(":")[2]
        self._last_made: EnvRecord | None = None
        self.birthplaces: list[str] = []
        self.silent_resets = 0
        self.env_steps = 0
        self.n_envs = call.n_envs
        self._take = take
        self._sites = sites
        self._tape = tape
        self._reward_scale = reward_scale
        self._n_admitted = 0
        self._steps: dict[int, int] = {}
        self._episodes: dict[int, int] = {}
        self._seeds: dict[int, int] = {}

    @property
    def last_made(self) -> EnvRecord | None:
        """Return the record of the environment that was made last."""
        return self._last_made

    @last_made.setter
    def last_made(self, record: EnvRecord | None) -> None:
        self._last_made = record
        if record is not None and (here := self._sites.here()):
            self.birthplaces.append(here)

    def acting(self, record: EnvRecord, action: Any) -> Any:
        """Compare the action, return the reference's; a reset before it counts from here."""
        if not self._is_training(record):
            return action
        i = record.index
        if i in self._seeds:
            episode = self._episodes.get(i, 0)
            self._take(RESETS, (episode, i), {"seed": np.array(self._seeds.pop(i))})
        self._look_at(action, record.action_space)
        known = self._try(ENV_ACTION, (self._steps.get(i, 0), i), action)
        return action if known is None else hand_on(action, known)

    def stepped(
        self, record: EnvRecord, action: Any, reward: Any, terminated: Any, truncated: Any
    ) -> None:
        """Count one env step."""
        del action, reward, terminated, truncated
        if record.index >= 0:
            self.env_steps += 1

    def returned(self, record: EnvRecord, result: Any) -> Any:
        """Compare what the environment returned; return what the reference received."""
        if record.index < 0:
            return result
        i, n = record.index, self._steps.get(record.index, 0)
        self._steps[i] = n + 1
        obs, reward, terminated, truncated, info = result
        own = (obs, float(reward) * self._reward_scale, bool(terminated), bool(truncated))
        known = self._try(ENV_RESULT, (n, i), dict(zip(RESULT_FIELDS, own, strict=True)))
        if known is not None:
            own = tuple(hand_on(dict(zip(RESULT_FIELDS, own, strict=True)), known).values())
        if own[2] or own[3]:
            self._episodes[i] = self._episodes.get(i, 0) + 1
        return (*own, info)

    def was_reset(self, record: EnvRecord, seed: Any) -> None:
        """Note the seed of a reset; of several before a step, the last one given counts."""
        if record.index == UNDECIDED:
            self._is_training(record)
        if record.index >= 0:
            self._sites.note(RESETS)
            kept = self._seeds.get(record.index, NO_SEED)
            self._seeds[record.index] = kept if seed is None else int(seed)

    def began(self, record: EnvRecord, result: Any) -> Any:
        """Return the first observation that the reference received in this episode."""
        if record.index < 0:
            return result
        slot = (self._episodes.get(record.index, 0), record.index)
        known = self._try(ENV_START, slot, {"obs": result[0]})
        if known is None:
            return result
        return (hand_on({"obs": result[0]}, known)["obs"], *result[1:])

    def _look_at(self, action: Any, space: Any) -> None:
        """Note an action that the environment does not offer."""
        self._tape.n_actions += 1
        if space is not None and not is_legal(action, space):
            self._tape.illegal.append((self.env_steps, repr(action)[:MAX_SHOWN]))

    def _is_training(self, record: EnvRecord) -> bool:
        """Admit environments of the wanted id in the order of their first reset or step."""
        if record.index == UNDECIDED:
            is_wanted = record.env_id == self.env_id and not record.is_muted
            is_wanted = is_wanted and self._n_admitted < self.n_envs
            record.index = self._n_admitted if is_wanted else AUXILIARY
            self._n_admitted += is_wanted
        return record.index >= 0

    def _try(self, name: str, slot: tuple[int, ...], value: Any) -> Arrays | None:
        try:
            return self._take(name, slot, arrays_of(value))
        except TypeError as error:
            self._tape.problems.append(f"{name}: {error}")
            return None


def is_legal(action: Any, space: Any) -> bool:
    """Return whether an action is one of the space's; number types and axes of size 1 are free."""
    values = np.asarray(action)
    if isinstance(space, spaces.Discrete):
        is_whole = values.size == 1 and float(values.reshape(())) == int(values.reshape(()))
        return is_whole and 0 <= int(values.reshape(())) - int(space.start) < int(space.n)
    if isinstance(space, spaces.Box):
        if values.size != np.prod(space.shape, dtype=int):
            return False
        values = values.reshape(space.shape)
        low, high = (
            bound - sign * BOUND_SLACK * (1 + np.abs(bound))
            for bound, sign in ((space.low, 1), (space.high, -1))
        )
        return bool(((low <= values) & (values <= high)).all())
    return bool(space.contains(action))
