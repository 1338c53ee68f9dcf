"""The probes: the smallest environments that can each show one kind of bug.

The idea is Andy Jones, "Debugging RL, Without the Agonizing Pain" (2021). Most of them follow a
script: what is observed and paid does not depend on what is done, so the value of every state is
known for any policy. Values are for the discount gamma; V* is of the state, Q* of state and action.
The same numbers, for the judge: `harness.probes.closed_forms`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from harness.probes import closed_forms as forms
from harness.probes.closed_forms import Script

Observation = NDArray[Any]
Action = Any  # int of a Discrete(2), or float32 of a Box
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


class Scripted(gymnasium.Env[Observation, Action]):
    """Follows one of its scripts, drawn uniformly at each reset, whatever is done.

    Args:
        has_box_actions: a Box action in [-1, 1] instead of two discrete ones.

    Attributes:
        scripts: what an episode shows and pays, step by step.
        is_endless: the episode stays at its last step until a time limit, instead of terminating.
        dtype: of observations, float32 or uint8. shape: of observations; a script names the first
            elements of the flattened observation, which are repeated to fill it.
    """

    scripts: ClassVar[tuple[Script, ...]]
    is_endless: ClassVar[bool] = False
    dtype: ClassVar[type[np.generic]] = np.float32
    shape: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, *, has_box_actions: bool = False) -> None:
        seen = [
            value for script in self.scripts for point in script.observations for value in point
        ]
        low, high = (0, 255) if self.dtype is np.uint8 else (min(seen) - 1.0, max(seen) + 1.0)
        self.observation_space = spaces.Box(low, high, self.shape, self.dtype)
        self.action_space: spaces.Space[Any] = (
            spaces.Box(-1.0, 1.0, (1,), np.float32) if has_box_actions else spaces.Discrete(2)
        )
        self._script, self._n_steps = self.scripts[0], 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the script of the episode."""
        super().reset(seed=seed, options=options)
        self._script, self._n_steps = self._draw(seed), 0
        return self._seen(0), {}

    def step(self, action: Action) -> Step:
        """Pay what the script pays, and terminate at its end."""
        del action
        rewards = self._script.rewards
        reward = rewards[min(self._n_steps, len(rewards) - 1)]
        self._n_steps += 1
        is_over = not self.is_endless and self._n_steps == len(rewards)
        return self._seen(self._n_steps), reward, is_over, False, {}

    def _draw(self, seed: int | None) -> Script:
        del seed
        drawn = self.np_random.integers(len(self.scripts)) if len(self.scripts) > 1 else 0
        return self.scripts[int(drawn)]

    def _seen(self, n_steps: int) -> Observation:
        """Return a fresh array of what is observed after n_steps of the episode."""
        points = self._script.observations
        return np.resize(np.asarray(points[min(n_steps, len(points) - 1)]), self.shape).astype(
            self.dtype
        )


class ConstantReward(Scripted):
    """PR1: one step, constant observation 0, reward 1 whatever is done.

    Closed form: V* = 1 and Q*(0, a) = 1 for every action.
    Isolates: the reward reaches the target; normalising a constant feature.
    """

    scripts = forms.CONSTANT_REWARD


class ObservedReward(Scripted):
    """PR2: one step, the observation is -1 or +1 with chance 1/2 each, and so is the reward.

    Closed form: V*(s) = s and Q*(s, a) = s for every action.
    Isolates: the path from observation to value.
    """

    scripts = forms.OBSERVED_REWARD


class TwoSteps(Scripted):
    """PR3: two steps, observation 0 and then 1, reward 0 and then 1, whatever is done.

    Closed form: V*(1) = Q*(1, a) = 1 and V*(0) = Q*(0, a) = gamma.
    Isolates: discount, bootstrap, next observation.
    """

    scripts = forms.TWO_STEPS


class EndlessReward(Scripted):
    """PR6: constant observation 0, reward 1, never terminates; a time limit cuts it off.

    Closed form: V* = Q* = 1 / (1 - gamma), if a time limit is no end of the task.
    Isolates: the handling of truncation.
    """

    scripts = forms.ENDLESS_REWARD
    is_endless = True


class PoorEnd(Scripted):
    """PR7: three steps that pay 1, 1 and -1; the final observation is the first one again.

    Closed form: V*(2) = -1, V*(1) = 1 - gamma, V*(0) = 1 + gamma - gamma^2.
    Isolates: the mask of terminations, flags shifted by one, an accumulator that leaks.
    """

    scripts = forms.POOR_END


class Counter(Scripted):
    """PR9: observation (kind of episode, step), three steps, and a reward of their own each.

    Closed form: V*(e, k) = sum_j gamma^j r(e, k + j), with the rewards of `forms.COUNTER`.
    Isolates: rows linked to the wrong neighbour, n-step windows across episodes.
    """

    scripts = forms.COUNTER
    shape = (2,)


class SharedArray(Scripted):
    """PR10: PR3, but reset and step return one and the same array, and overwrite it.

    Closed form: V*(1) = 1, V*(0) = gamma.
    Isolates: observations that are kept without a copy.
    """

    scripts = forms.TWO_STEPS

    def __init__(self, *, has_box_actions: bool = False) -> None:
        super().__init__(has_box_actions=has_box_actions)
        self._shared = np.zeros(self.shape, self.dtype)

    def _seen(self, n_steps: int) -> Observation:
        self._shared[:] = super()._seen(n_steps)
        return self._shared


class LargeReward(Scripted):
    """PR11: PR2 with a reward of 100 s: large, and negative for one of the observations.

    Closed form: V*(s) = Q*(s, a) = 100 s.
    Isolates: clipped rewards and errors, outputs that a network cannot reach.
    """

    scripts = forms.LARGE_REWARD


class SubEnvironment(Scripted):
    """PR12: one step; observation and reward are the index of the sub-environment.

    The index is the seed of the first reset modulo 4, and 0 without a seed: of four parallel
    environments, which are seeded with consecutive numbers, each has its own.

    Closed form: V*(s) = Q*(s, a) = s.
    Isolates: the order in which parallel environments are flattened, their seeds.
    """

    scripts = forms.SUB_ENVIRONMENT
    _index = 0

    def _draw(self, seed: int | None) -> Script:
        if seed is not None:
            self._index = seed % len(self.scripts)
        return self.scripts[self._index]


class Bytes(Scripted):
    """PR13: one step; a small image of bytes, dark or bright, pays -1 or +1.

    Divided by 255 twice, the two images are next to the same.

    Closed form: V* = Q* = -1 for the dark image, +1 for the bright one.
    Isolates: scaling of byte observations, once and not twice.
    """

    scripts = forms.BYTES
    dtype = np.uint8
    shape = (1, 1, 1)


class StripedImage(Scripted):
    """PR13 for convolutions: one step; an image of stripes pays -1, moved by one column +1.

    The images are equally bright, so what averages over pixels cannot tell them apart.

    Closed form: V* = Q* = -1 where the first column is dark, +1 where it is bright.
    Isolates: the way of an image through convolutions.
    """

    scripts = forms.STRIPES
    dtype = np.uint8
    shape = (1, 36, 36)  # as small as the convolutions of Mnih et al. 2015 take


class ActionMatters(gymnasium.Env[Observation, Action]):
    """Shows one observation, takes one action, pays `reward` and terminates."""

    contexts: ClassVar[tuple[float, ...]] = (0.0,)

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space: spaces.Space[Any] = spaces.Discrete(2)
        self._context = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the observation of the episode."""
        super().reset(seed=seed, options=options)
        drawn = self.np_random.integers(len(self.contexts)) if len(self.contexts) > 1 else 0
        self._context = self.contexts[int(drawn)]
        return np.array([self._context], np.float32), {}

    def step(self, action: Action) -> Step:
        """Pay the reward of (observation, action) and terminate."""
        reward = self.reward(self._context, np.asarray(action, np.float64).ravel())
        return np.array([self._context], np.float32), reward, True, False, {}

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return what the action pays; action: its elements, flat."""
        raise NotImplementedError


class RightAction(ActionMatters):
    """PR4: one step, constant observation 0, reward +1 for action 1 and -1 for action 0.

    Closed form: Q*(0, 0) = -1, Q*(0, 1) = 1, V* = 1.
    Isolates: the arg-max, or the direction of the policy gradient.
    """

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return the reward."""
        del context
        return forms.right_action(0.0, *action)


class RightPoint(ActionMatters):
    """PR4 with a continuous action a in [-1, 1]: reward 1 - (a - 1/2)^2.

    Closed form: Q*(0, a) = 1 - (a - 1/2)^2, V* = 1 at a* = 1/2.
    Isolates: the direction and scale of the policy gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return the reward."""
        del context
        return forms.right_point(0.0, *action)


class ObservationTimesAction(ActionMatters):
    """PR5: one step, observation -1 or +1 with chance 1/2 each, reward s * (2 a - 1).

    Closed form: Q*(s, 0) = -s, Q*(s, 1) = s, V*(s) = 1.
    Isolates: the pairing of observations, actions and rewards in shuffles and indexing.
    """

    contexts = (-1.0, 1.0)

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return the reward."""
        return forms.paired_action(context, *action)


class ObservationTimesPoint(RightPoint):
    """PR5 with a continuous action a in [-1, 1]: reward 1 - (a - s/2)^2.

    Closed form: Q*(s, a) = 1 - (a - s/2)^2, V*(s) = 1 at a* = s/2.
    Isolates: the pairing of observations, actions and rewards in shuffles and indexing.
    """

    contexts = (-1.0, 1.0)

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return the reward."""
        return forms.paired_point(context, *action)


class AsymmetricBox(ActionMatters):
    """PR8: one step, a in [-0.5, 2] x [-3, 1], reward -|a - a*|^2 with a* = (1.5, -2).

    Closed form: Q*(0, a) = -|a - a*|^2, V* = 0.
    Isolates: scale and bias of actions, sums over dimensions, noise per dimension.
    """

    def __init__(self) -> None:
        super().__init__()
        low, high = (np.array(bound, np.float32) for bound in forms.ASYMMETRIC_BOUNDS)
        self.action_space = spaces.Box(low, high)

    def reward(self, context: float, action: NDArray[np.float64]) -> float:
        """Return the reward."""
        del context
        return forms.asymmetric_point(0.0, *action)
