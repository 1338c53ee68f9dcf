"""The first five probes: the smallest environments that can each show one kind of bug.

The idea is Andy Jones, "Debugging RL, Without the Agonizing Pain" (2021). Observations are (1,)
float32. Values are for the discount gamma; V* is of the state, Q* of the state and the action.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Observation = NDArray[np.float32]
Action = Any  # int of a Discrete(2), or (1,) float32 of a Box
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


def _space(low: float, high: float) -> spaces.Space[Any]:
    return spaces.Box(low, high, (1,), np.float32)


def _observation(value: float) -> Observation:
    return np.array([value], dtype=np.float32)


class _OneStep(gymnasium.Env[Observation, Action]):
    """Shows one observation, takes one action, and terminates.

    Args:
        contexts: what the observation is drawn from, uniformly, at each reset.
    """

    contexts: tuple[float, ...] = (0.0,)
    is_continuous = False

    def __init__(self) -> None:
        self.observation_space = _space(-1.0, 1.0)
        self.action_space = _space(-1.0, 1.0) if self.is_continuous else spaces.Discrete(2)
        self._context = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the observation of the episode."""
        super().reset(seed=seed, options=options)
        drawn = self.np_random.integers(len(self.contexts)) if len(self.contexts) > 1 else 0
        self._context = self.contexts[int(drawn)]
        return _observation(self._context), {}

    def step(self, action: Action) -> Step:
        """Pay the reward of (observation, action) and terminate."""
        reward = self._reward(self._context, action)
        return _observation(self._context), reward, True, False, {}

    def _reward(self, context: float, action: Action) -> float:
        raise NotImplementedError


class ConstantReward(_OneStep):
    """PR1: one step, constant observation 0, reward 1 whatever is done.

    Closed form: V* = 1 and Q*(0, a) = 1 for every action.
    Isolates: the reward reaches the target; normalising a constant feature.
    """

    def _reward(self, context: float, action: Action) -> float:
        del context, action
        return 1.0


class ObservedReward(_OneStep):
    """PR2: one step, the observation is -1 or +1 with chance 1/2 each, and so is the reward.

    Closed form: V*(s) = s and Q*(s, a) = s for every action.
    Isolates: the path from observation to value.
    """

    contexts = (-1.0, 1.0)

    def _reward(self, context: float, action: Action) -> float:
        del action
        return context


class ActionMatters(_OneStep):
    """PR4: one step, constant observation 0, reward +1 for action 1 and -1 for action 0.

    Closed form: Q*(0, 0) = -1, Q*(0, 1) = 1, V* = 1.
    Isolates: the arg-max, or the direction of the policy gradient.
    """

    def _reward(self, context: float, action: Action) -> float:
        del context
        return 1.0 if int(action) == 1 else -1.0


class ContinuousActionMatters(_OneStep):
    """PR4 with a continuous action a in [-1, 1]: reward 1 - (a - 1/2)^2.

    Closed form: Q*(0, a) = 1 - (a - 1/2)^2, V* = 1 at a* = 1/2.
    Isolates: the direction and scale of the policy gradient.
    """

    is_continuous = True

    def _reward(self, context: float, action: Action) -> float:
        del context
        return 1.0 - (float(np.asarray(action).item()) - 0.5) ** 2


class ObservationTimesAction(_OneStep):
    """PR5: one step, observation -1 or +1 with chance 1/2 each, reward s * (2 a - 1).

    Closed form: Q*(s, 0) = -s, Q*(s, 1) = s, V*(s) = 1.
    Isolates: the pairing of observations, actions and rewards in shuffles and indexing.
    """

    contexts = (-1.0, 1.0)

    def _reward(self, context: float, action: Action) -> float:
        return context * (1.0 if int(action) == 1 else -1.0)


class TwoSteps(gymnasium.Env[Observation, Action]):
    """PR3: two steps, observation 0 and then 1, reward 0 and then 1, whatever is done.

    Closed form: V*(1) = Q*(1, a) = 1 and V*(0) = Q*(0, a) = gamma.
    Isolates: discount, bootstrap, next observation.
    """

    def __init__(self) -> None:
        self.observation_space = _space(0.0, 1.0)
        self.action_space = spaces.Discrete(2)
        self._n_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin at observation 0."""
        super().reset(seed=seed, options=options)
        self._n_steps = 0
        return _observation(0.0), {}

    def step(self, action: Action) -> Step:
        """Go on to observation 1; the second step pays 1 and terminates."""
        del action
        self._n_steps += 1
        is_last = self._n_steps == 2
        return _observation(1.0), float(is_last), is_last, False, {}
