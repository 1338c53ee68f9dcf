"""A small environment made to expose: it ends in both ways, and its rewards have both signs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

ENV_ID = "probes/Exposing-v0"
# Short enough that a few hundred env steps hold dozens of time limits.
MAX_EPISODE_STEPS = 11
N_ACTIONS = 3
EDGE = 1.5  # beyond this first coordinate the episode terminates
OUTLIER_EVERY = 13  # env steps of the environment, over episodes
OUTLIER = 20.0

# Fixed small dynamics: a rotation that shrinks, and a push per action.
_TURN = np.array([[0.9, -0.3, 0.0], [0.3, 0.9, 0.1], [0.0, -0.2, 0.8]])
_PUSH = np.array([[0.6, 0.0, 0.1], [-0.4, 0.2, 0.0], [0.0, -0.5, 0.3]])
_WEIGHTS = np.array([1.0, -0.7, 0.4])


class Exposing(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A noisy linear walk; no closed form. Observation: (3,) float32."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(N_ACTIONS)
        self._state = np.zeros(3)
        self._n_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start near the origin."""
        super().reset(seed=seed, options=options)
        self._state = self.np_random.normal(scale=0.3, size=3)
        return self._state.astype(np.float32), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move; the reward is linear in the state, with an outlier now and then."""
        noise = self.np_random.normal(scale=0.1, size=3)
        self._state = _TURN @ self._state + _PUSH[int(action)] + noise
        self._n_steps += 1
        outlier = OUTLIER if self._n_steps % OUTLIER_EVERY == 0 else 0.0
        reward = float(_WEIGHTS @ self._state) - outlier
        terminated = bool(abs(self._state[0]) > EDGE)
        return self._state.astype(np.float32), reward, terminated, False, {}
