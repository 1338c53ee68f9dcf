"""Every probe: thirteen, most of them with discrete and with box actions."""

from __future__ import annotations

from dataclasses import replace

from harness.probes import closed_forms as forms
from harness.probes.closed_forms import Probe

# Of the other action type, where actions matter: these have an environment of their own.
_BOX = "Box"

_SCRIPTED = (
    Probe(
        number=1,
        name="Reward",
        plays="ConstantReward",
        component="return-advantage-estimation",
        isolates="the reward reaches the target",
        max_episode_steps=2,
        scripts=forms.CONSTANT_REWARD,
    ),
    Probe(
        number=2,
        name="Observation",
        plays="ObservedReward",
        component="observation-preprocessing",
        isolates="the path from observation to value",
        max_episode_steps=2,
        scripts=forms.OBSERVED_REWARD,
    ),
    Probe(
        number=3,
        name="Discount",
        plays="TwoSteps",
        component="return-advantage-estimation",
        isolates="discount, bootstrap, next observation",
        max_episode_steps=3,
        scripts=forms.TWO_STEPS,
    ),
    Probe(
        number=6,
        name="Truncation",
        plays="EndlessReward",
        component="bootstrapping-termination",
        isolates="the handling of time limits",
        max_episode_steps=5,
        scripts=forms.ENDLESS_REWARD,
        is_endless=True,
    ),
    Probe(
        number=7,
        name="Termination",
        plays="PoorEnd",
        component="bootstrapping-termination",
        isolates="the mask of terminations, accumulators across episodes",
        max_episode_steps=4,
        scripts=forms.POOR_END,
    ),
    Probe(
        number=9,
        name="Counter",
        plays="Counter",
        component="replay-buffer",
        isolates="how rows of a memory are linked",
        max_episode_steps=4,
        scripts=forms.COUNTER,
    ),
    Probe(
        number=10,
        name="SharedArray",
        plays="SharedArray",
        component="env-interface",
        isolates="observations that are kept without a copy",
        max_episode_steps=3,
        scripts=forms.TWO_STEPS,
    ),
    Probe(
        number=11,
        name="LargeReward",
        plays="LargeReward",
        component="normalisation",
        isolates="clipped rewards, errors and outputs",
        max_episode_steps=2,
        scripts=forms.LARGE_REWARD,
    ),
    Probe(
        number=12,
        name="SubEnvironment",
        plays="SubEnvironment",
        component="sampling",
        isolates="the order of parallel environments",
        max_episode_steps=2,
        scripts=forms.SUB_ENVIRONMENT,
        n_envs=4,
    ),
    Probe(
        number=13,
        name="Bytes",
        plays="Bytes",
        component="observation-preprocessing",
        isolates="the scaling of byte observations",
        max_episode_steps=2,
        scripts=forms.BYTES,
    ),
)

# For convolutions, so of no tier: of most algorithms the table of hyperparameters has none.
_IMAGE = Probe(
    number=13,
    name="Image",
    plays="StripedImage",
    component="observation-preprocessing",
    isolates="the way of an image through convolutions",
    max_episode_steps=2,
    scripts=forms.STRIPES,
    is_in_tier=False,
)

# Returns of uniformly random actions: E[(a - c)^2] = (a's variance) + (its mean - c)^2.
_ACTIONS_MATTER = (
    Probe(
        number=4,
        name="Action",
        plays="RightAction",
        component="loss",
        isolates="arg-max, policy gradient",
        max_episode_steps=2,
        pays=forms.right_action,
    ),
    Probe(
        number=5,
        name="Pairing",
        plays="ObservationTimesAction",
        component="sampling",
        isolates="pairing of observations, actions and rewards",
        max_episode_steps=2,
        pays=forms.paired_action,
        contexts=(-1.0, 1.0),
    ),
    Probe(
        number=4,
        name="ContinuousAction",
        plays="RightPoint",
        component="loss",
        isolates="policy gradient",
        max_episode_steps=2,
        action_type="continuous",
        pays=forms.right_point,
        random_return=1 - (1 / 3 + 0.25),
    ),
    Probe(
        number=5,
        name="ContinuousPairing",
        plays="ObservationTimesPoint",
        component="sampling",
        isolates="pairing of observations, actions and rewards",
        max_episode_steps=2,
        action_type="continuous",
        pays=forms.paired_point,
        contexts=(-1.0, 1.0),
        random_return=1 - (1 / 3 + 0.25),
    ),
    Probe(
        number=8,
        name="AsymmetricBox",
        plays="AsymmetricBox",
        component="action-scaling",
        isolates="scale and bias of actions, sums over their dimensions",
        max_episode_steps=2,
        action_type="continuous",
        pays=forms.asymmetric_point,
        random_return=-(2.5**2 / 12 + 0.75**2 + 4**2 / 12 + 1),
    ),
)


def _with_box(probe: Probe) -> Probe:
    return replace(probe, name=probe.name + _BOX, action_type="continuous")


PROBES: tuple[Probe, ...] = tuple(
    sorted(
        (*_SCRIPTED, *(_with_box(probe) for probe in _SCRIPTED), *_ACTIONS_MATTER, _IMAGE),
        key=lambda probe: probe.number,
    )
)


def probe_of(env_id: str) -> Probe | None:
    """Return the probe with this gymnasium id, or None.

    >>> probe_of("probes/Discount-v0").optimal_value((0.0,), 0.5)
    0.5
    """
    return next((probe for probe in PROBES if probe.env_id == env_id), None)
