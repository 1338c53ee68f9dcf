"""The probes as data: what they show and pay, and the values that follow from it.

Only numbers: the judge reads them without gymnasium. `harness.probes.environments` plays them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

State = tuple[float, ...]
ActionValue = Callable[..., float]  # (context, *elements of the action) -> reward of the one step


@dataclass(frozen=True)
class Script:
    """One kind of episode: observations[k] is seen, then rewards[k] is paid.

    The last observation follows the last step; without one, the one before is shown again.
    """

    observations: tuple[State, ...]
    rewards: tuple[float, ...]


CONSTANT_REWARD = (Script(((0.0,),), (1.0,)),)
OBSERVED_REWARD = tuple(Script(((s,),), (s,)) for s in (-1.0, 1.0))
TWO_STEPS = (Script(((0.0,), (1.0,)), (0.0, 1.0)),)
ENDLESS_REWARD = CONSTANT_REWARD
POOR_END = (Script(((0.0,), (1.0,), (2.0,), (0.0,)), (1.0, 1.0, -1.0)),)
# No two sums of neighbours are alike, in whichever order rows are linked.
COUNTER = tuple(
    Script(tuple((float(e), float(k)) for k in range(4)), rewards)
    for e, rewards in enumerate([(0.0, 1.0, -2.0), (3.0, -1.5, 2.5)])
)
LARGE_REWARD = tuple(Script(((s,),), (100 * s,)) for s in (-1.0, 1.0))
SUB_ENVIRONMENT = tuple(Script(((float(i),),), (float(i),)) for i in range(4))
BYTES = tuple(Script(((b,),), (r,)) for b, r in ((64.0, -1.0), (192.0, 1.0)))
# Neighbouring columns of an image: on the whole the two are equally bright.
STRIPES = tuple(
    Script((columns,), (r,)) for columns, r in (((0.0, 255.0), -1.0), ((255.0, 0.0), 1.0))
)

ASYMMETRIC_BOUNDS = ((-0.5, -3.0), (2.0, 1.0))
BEST_POINT = (1.5, -2.0)


def right_action(_s: float, a: float) -> float:
    """PR4: the right one of two actions.

    >>> right_action(0.0, 1), right_action(0.0, 0)
    (1, -1)
    """
    return 2 * a - 1


def right_point(_s: float, a: float) -> float:
    """PR4: how near a is to 1/2."""
    return 1 - (a - 0.5) ** 2


def paired_action(s: float, a: float) -> float:
    """PR5: which of two actions is right is seen in s."""
    return s * (2 * a - 1)


def paired_point(s: float, a: float) -> float:
    """PR5: where the best point is, is seen in s."""
    return 1 - (a - s / 2) ** 2


def asymmetric_point(_s: float, *a: float) -> float:
    """PR8: minus the squared distance to BEST_POINT."""
    return -sum((x - best) ** 2 for x, best in zip(a, BEST_POINT, strict=True))


@dataclass(frozen=True)
class Answer:
    """What a right implementation arrives at on a probe; None where it depends on the policy.

    Attributes:
        component: what a wrong answer points at first. isolates: the same in words.
        state_values, action_values: smallest and largest value of the states (or the pairs of
            state and action) that training meets, for the discount asked for.
        best_return, random_return: mean undiscounted return of an episode, of the best policy and
            of uniformly random actions; equal where actions do not matter.
    """

    component: str
    isolates: str
    state_values: tuple[float, float] | None
    action_values: tuple[float | None, float | None]
    best_return: float
    random_return: float

    @property
    def size(self) -> float:
        """The largest of the values and of what actions are worth."""
        known = [abs(value) for value in self.action_values if value is not None]
        return max(*known, self.best_return - self.random_return)


@dataclass(frozen=True)
class Probe:
    """One probe environment.

    Attributes:
        number: PR number in the project's list of probes. name: of the gymnasium id.
        max_episode_steps: env steps; one more than an episode takes, but for endless ones.
        plays: name of the class in `harness.probes.environments`.
        scripts: of a probe where actions do not matter. pays, contexts: of one where they do.
        random_return: of uniformly random actions, where they matter.
        n_envs: how many parallel environments it takes to meet all states.
        is_in_tier: whether the tier "probe" has it; else it is asked for by its id.
    """

    number: int
    name: str
    plays: str
    component: str
    isolates: str
    max_episode_steps: int
    action_type: str = "discrete"
    scripts: tuple[Script, ...] = ()
    is_endless: bool = False
    pays: ActionValue | None = None
    contexts: tuple[float, ...] = (0.0,)
    random_return: float = 0.0
    n_envs: int = 1
    is_in_tier: bool = True

    @property
    def env_id(self) -> str:
        """The gymnasium id."""
        return f"probes/{self.name}-v0"

    @property
    def states(self) -> tuple[State, ...]:
        """Every observation that an action is taken at."""
        if self.pays is not None:
            return tuple((context,) for context in self.contexts)
        return tuple(
            point for script in self.scripts for point in script.observations[: len(script.rewards)]
        )

    def optimal_value(self, state: State, gamma: float) -> float:
        """Return V*(state)."""
        if self.pays is not None:
            return max(self.action_value(state, a, gamma) for a in self._best_actions(*state))
        found = (
            _discounted(script, k, gamma, is_endless=self.is_endless)
            for script in self.scripts
            for k in range(len(script.rewards))
            if script.observations[k] == state
        )
        return next(found)

    def action_value(self, state: State, action: tuple[float, ...], gamma: float) -> float:
        """Return Q*(state, action)."""
        return self.optimal_value(state, gamma) if self.pays is None else self.pays(*state, *action)

    def _best_actions(self, context: float) -> tuple[tuple[float, ...], ...]:
        """Return actions of which one is best."""
        if self.action_type == "discrete":
            return ((0.0,), (1.0,))
        return ((0.5,), (context / 2,)) if self.pays is not asymmetric_point else (BEST_POINT,)

    def answer(self, gamma: float, *, n_envs: int) -> Answer | None:
        """Return what a right implementation arrives at; None if not all states are met."""
        if n_envs < self.n_envs:
            return None
        values = [self.optimal_value(state, gamma) for state in self.states]
        ends = min(values), max(values)
        if self.pays is None:
            returns = [sum(script.rewards) for script in self.scripts]
            earned = sum(returns) / len(returns)
            earned *= self.max_episode_steps if self.is_endless else 1
            return Answer(self.component, self.isolates, ends, ends, earned, earned)
        best = sum(values) / len(values)
        return Answer(
            self.component, self.isolates, None, self._met(gamma), best, self.random_return
        )

    def _met(self, gamma: float) -> tuple[float | None, float]:
        """Return the smallest and largest Q* that training meets, where actions matter.

        Of continuous actions the smallest depends on which ones were tried.
        """
        if self.action_type == "continuous":
            return None, max(self.optimal_value(state, gamma) for state in self.states)
        pairs = itertools.product(self.states, ((0.0,), (1.0,)))
        values = [self.action_value(state, action, gamma) for state, action in pairs]
        return min(values), max(values)


def _discounted(script: Script, k: int, gamma: float, *, is_endless: bool) -> float:
    """Return sum_j gamma^j r_{k + j}; the last reward goes on forever where the script does."""
    rest = script.rewards[k:]
    value = sum(gamma**j * reward for j, reward in enumerate(rest))
    return value + gamma ** len(rest) * rest[-1] / (1 - gamma) if is_endless else value
