"""Tiny environments with closed-form values; `register()` makes their gymnasium ids known."""

from harness.probes.environments import (
    ActionMatters,
    ConstantReward,
    ContinuousActionMatters,
    ObservationTimesAction,
    ObservedReward,
    TwoSteps,
)
from harness.probes.registry import PROBES, Probe, register

__all__ = [
    "PROBES",
    "ActionMatters",
    "ConstantReward",
    "ContinuousActionMatters",
    "ObservationTimesAction",
    "ObservedReward",
    "Probe",
    "TwoSteps",
    "register",
]
