"""Small environments made to expose: they end in both ways, and their rewards have both signs.

One noisy linear walk, seen in several ways: the actions are pushes, three or many of them, or a
point of a box with asymmetric bounds, and the observation is one point or two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

ENV_ID = "probes/Exposing-v0"
# Gymnasium id -> arguments of `Exposing`.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    ENV_ID: {},
    "probes/ExposingBox-v0": {"has_box_actions": True},
    "probes/ExposingShaped-v0": {"shape": (2, 3)},
    "probes/ExposingMany-v0": {"n_actions": 10},
}
# Short enough that a few hundred env steps hold dozens of time limits.
MAX_EPISODE_STEPS = 11
N_ACTIONS = 3
LOW, HIGH = (-0.5, -3.0), (2.0, 1.0)  # of the box; no two bounds are alike
EDGE = 1.5  # beyond this first coordinate the episode terminates
OUTLIER_EVERY = 13  # env steps of the environment, over episodes
OUTLIER = 20.0

# Fixed small dynamics: a rotation that shrinks, and a push per action or per unit of one.
_TURN = np.array([[0.9, -0.3, 0.0], [0.3, 0.9, 0.1], [0.0, -0.2, 0.8]])
_PUSH = np.array([[0.6, 0.0, 0.1], [-0.4, 0.2, 0.0], [0.0, -0.5, 0.3]])
_PUSH_PER_UNIT = np.array([[0.5, -0.1, -0.2], [0.3, -0.2, -0.2]])
_WEIGHTS = np.array([1.0, -0.7, 0.4])
_COST_PER_UNIT = np.array([0.2, 0.3])  # of a point of the box


class Exposing(gymnasium.Env[NDArray[np.float32], Any]):
    """A noisy linear walk; no closed form. Observation: float32, (3,) or as `shape` says.

    Args:
        has_box_actions: 2-dimensional actions between LOW and HIGH instead of pushes; then the
            reward also depends on the action directly.
        n_actions: number of pushes; beyond three they have the same directions and are weaker.
        shape: (3,), or (n, 3) for n points that the same push moves.
    """

    def __init__(
        self,
        *,
        has_box_actions: bool = False,
        n_actions: int = N_ACTIONS,
        shape: tuple[int, ...] = (3,),
    ) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        self.action_space = gymnasium.spaces.Discrete(n_actions)
        if has_box_actions:
            low, high = np.array(LOW, np.float32), np.array(HIGH, np.float32)
            self.action_space = gymnasium.spaces.Box(low, high)
        self._has_box_actions = has_box_actions
        self._state = np.zeros(shape)
        self._n_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start near the origin."""
        super().reset(seed=seed, options=options)
        self._state = self.np_random.normal(scale=0.3, size=self._state.shape)
        return self._state.astype(np.float32), {}

    def step(
        self, action: NDArray[np.float32] | np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move; the reward is linear in the first point and the action, with outliers."""
        noise = self.np_random.normal(scale=0.1, size=self._state.shape)
        push, cost = self._effect(action)
        self._state = (_TURN @ self._state.T).T + push + noise
        self._n_steps += 1
        first = self._state.reshape(-1, 3)[0]
        outlier = OUTLIER if self._n_steps % OUTLIER_EVERY == 0 else 0.0
        reward = float(_WEIGHTS @ first) - cost - outlier
        return self._state.astype(np.float32), reward, bool(abs(first[0]) > EDGE), False, {}

    def _effect(self, action: NDArray[np.float32] | np.int64) -> tuple[NDArray[np.float64], float]:
        """Return the push, (3,), and the cost of an action."""
        if not self._has_box_actions:
            weaker, direction = divmod(int(action), N_ACTIONS)
            return _PUSH[direction] / (1.0 + 0.4 * weaker), 0.0
        point = np.asarray(action, np.float64)
        return point @ _PUSH_PER_UNIT, float(_COST_PER_UNIT @ point)
