"""The probes as data: gymnasium id, entry point, time limit, and closed-form values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gymnasium

from harness.probes import exposing


@dataclass(frozen=True)
class Probe:
    """One probe environment.

    Attributes:
        number: PR number in the project's list of probes. max_episode_steps: env steps; one more
            than any episode takes, so that every episode terminates.
        states: the observations that occur where an action is taken.
        optimal_value: (state, gamma) -> V*. action_value: (state, action, gamma) -> Q*; a
            continuous action is a number too.
        isolates: what a wrong answer points at.
    """

    env_id: str
    number: int
    entry_point: str
    max_episode_steps: int
    states: tuple[float, ...]
    optimal_value: Callable[[float, float], float]
    action_value: Callable[[float, float, float], float]
    isolates: str
    action_type: str = "discrete"


def _sign(action: float) -> float:
    return 2 * action - 1


def _bump(action: float) -> float:
    return 1 - (action - 0.5) ** 2


_CLASSES = "harness.probes.environments"

PROBES: tuple[Probe, ...] = (
    Probe(
        env_id="probes/Reward-v0",
        number=1,
        entry_point=f"{_CLASSES}:ConstantReward",
        max_episode_steps=2,
        states=(0.0,),
        optimal_value=lambda _s, _gamma: 1.0,
        action_value=lambda _s, _a, _gamma: 1.0,
        isolates="the reward reaches the target",
    ),
    Probe(
        env_id="probes/Observation-v0",
        number=2,
        entry_point=f"{_CLASSES}:ObservedReward",
        max_episode_steps=2,
        states=(-1.0, 1.0),
        optimal_value=lambda s, _gamma: s,
        action_value=lambda s, _a, _gamma: s,
        isolates="the path from observation to value",
    ),
    Probe(
        env_id="probes/Discount-v0",
        number=3,
        entry_point=f"{_CLASSES}:TwoSteps",
        max_episode_steps=3,
        states=(0.0, 1.0),
        optimal_value=lambda s, gamma: 1.0 if s else gamma,
        action_value=lambda s, _a, gamma: 1.0 if s else gamma,
        isolates="discount, bootstrap, next observation",
    ),
    Probe(
        env_id="probes/Action-v0",
        number=4,
        entry_point=f"{_CLASSES}:ActionMatters",
        max_episode_steps=2,
        states=(0.0,),
        optimal_value=lambda _s, _gamma: 1.0,
        action_value=lambda _s, a, _gamma: _sign(a),
        isolates="arg-max, policy gradient",
    ),
    Probe(
        env_id="probes/ContinuousAction-v0",
        number=4,
        entry_point=f"{_CLASSES}:ContinuousActionMatters",
        max_episode_steps=2,
        states=(0.0,),
        optimal_value=lambda _s, _gamma: 1.0,
        action_value=lambda _s, a, _gamma: _bump(a),
        isolates="policy gradient",
        action_type="continuous",
    ),
    Probe(
        env_id="probes/Pairing-v0",
        number=5,
        entry_point=f"{_CLASSES}:ObservationTimesAction",
        max_episode_steps=2,
        states=(-1.0, 1.0),
        optimal_value=lambda _s, _gamma: 1.0,
        action_value=lambda s, a, _gamma: s * _sign(a),
        isolates="pairing of observations, actions and rewards",
    ),
)


def register() -> None:
    """Make the probes' ids known to gymnasium; calling it again changes nothing."""
    for probe in PROBES:
        if probe.env_id not in gymnasium.registry:
            gymnasium.register(
                id=probe.env_id,
                entry_point=probe.entry_point,
                max_episode_steps=probe.max_episode_steps,
            )
    for env_id, arguments in exposing.VARIANTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                id=env_id,
                entry_point="harness.probes.exposing:Exposing",
                max_episode_steps=exposing.MAX_EPISODE_STEPS,
                kwargs=dict(arguments),
            )
