"""Small environments made to expose: they end in both ways, and their rewards have both signs.

One noisy linear walk, seen in several ways: the action is one of three pushes or of many, a point
of a box with asymmetric bounds, several choices, or several switches; the observation is one point
or two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

ENV_ID = "probes/Exposing-v0"
# Gymnasium id -> arguments of `Exposing`.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    ENV_ID: {},
    "probes/ExposingBox-v0": {"actions": "box"},
    "probes/ExposingShaped-v0": {"shape": (2, 3)},
    "probes/ExposingShapedBox-v0": {"actions": "box", "shape": (2, 3)},
    "probes/ExposingMany-v0": {"actions": "many"},
    "probes/ExposingMultiDiscrete-v0": {"actions": "multi-discrete"},
    "probes/ExposingMultiBinary-v0": {"actions": "multi-binary"},
    "probes/ExposingImage-v0": {"is_seen": True},
}
# Of an image: as small as SB3's convolutions take (three layers of strides 4, 2, 1).
IMAGE = (1, 36, 36)
_FREQUENCIES = np.array([(0.15, 0.0), (0.0, 0.25), (0.2, -0.1)])  # radians per row and column
_ROWS, _COLUMNS = np.indices(IMAGE[1:])
_WAVES = np.cos(_FREQUENCIES[:, 0, None, None] * _ROWS + _FREQUENCIES[:, 1, None, None] * _COLUMNS)
_AMPLITUDE, _GREY = 45.0, 128.0
# Short enough that a few hundred env steps hold dozens of time limits.
MAX_EPISODE_STEPS = 11
N_ACTIONS, N_MANY = 3, 10
LEVELS = 4  # of strength, the second choice of a multi-discrete action beside the push
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
_COST_PER_LEVEL = 0.15
_COST_PER_SWITCH = np.array([0.1, 0.25, 0.05])
_SPACES: Mapping[str, Callable[[], gymnasium.Space[Any]]] = {
    "push": lambda: gymnasium.spaces.Discrete(N_ACTIONS),
    "many": lambda: gymnasium.spaces.Discrete(N_MANY),
    "box": lambda: gymnasium.spaces.Box(np.array(LOW, np.float32), np.array(HIGH, np.float32)),
    "multi-discrete": lambda: gymnasium.spaces.MultiDiscrete([N_ACTIONS, LEVELS]),
    "multi-binary": lambda: gymnasium.spaces.MultiBinary(N_ACTIONS),
}


class Exposing(gymnasium.Env[NDArray[Any], Any]):
    """A noisy linear walk; no closed form. Observation: float32, (3,) or as `shape` says.

    Args:
        actions: "push" (one of N_ACTIONS), "many" (N_MANY pushes, weaker beyond the third), "box"
            (a point between LOW and HIGH), "multi-discrete" (a push, and its strength), or
            "multi-binary" (each push on or off). But for the first two the reward also depends on
            the action directly.
        shape: (3,), or (n, 3) for n points that the same push moves.
        is_seen: the point is observed as an image: IMAGE, uint8, each coordinate the height of a
            wave across it.
    """

    def __init__(
        self, *, actions: str = "push", shape: tuple[int, ...] = (3,), is_seen: bool = False
    ) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        if is_seen:
            self.observation_space = gymnasium.spaces.Box(0, 255, IMAGE, np.uint8)
        self._is_seen = is_seen
        self.action_space = _SPACES[actions]()
        self._actions = actions
        self._state = np.zeros(shape)
        self._n_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start near the origin."""
        super().reset(seed=seed, options=options)
        self._state = self.np_random.normal(scale=0.3, size=self._state.shape)
        return self._observation(), {}

    def step(
        self, action: NDArray[np.float32] | np.int64
    ) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Move; the reward is linear in the first point and the action, with outliers."""
        noise = self.np_random.normal(scale=0.1, size=self._state.shape)
        push, cost = self._effect(action)
        self._state = (_TURN @ self._state.T).T + push + noise
        self._n_steps += 1
        first = self._state.reshape(-1, 3)[0]
        outlier = OUTLIER if self._n_steps % OUTLIER_EVERY == 0 else 0.0
        reward = float(_WEIGHTS @ first) - cost - outlier
        return self._observation(), reward, bool(abs(first[0]) > EDGE), False, {}

    def _observation(self) -> NDArray[Any]:
        if not self._is_seen:
            return self._state.astype(np.float32)
        heights = np.tensordot(self._state, _WAVES, axes=1)
        return np.clip(_GREY + _AMPLITUDE * heights, 0, 255).astype(np.uint8)[None]

    def _effect(self, action: NDArray[np.float32] | np.int64) -> tuple[NDArray[np.float64], float]:
        """Return the push, (3,), and the cost of an action."""
        if self._actions == "box":
            point = np.asarray(action, np.float64)
            return point @ _PUSH_PER_UNIT, float(_COST_PER_UNIT @ point)
        if self._actions == "multi-binary":
            switches = np.asarray(action, np.float64)
            return switches @ _PUSH, float(_COST_PER_SWITCH @ switches)
        if self._actions == "multi-discrete":
            direction, level = (int(choice) for choice in np.asarray(action))
            return _PUSH[direction] * (0.4 + 0.4 * level), _COST_PER_LEVEL * level
        weaker, direction = divmod(int(action), N_ACTIONS)
        return _PUSH[direction] / (1.0 + 0.4 * weaker), 0.0
