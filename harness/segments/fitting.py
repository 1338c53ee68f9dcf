"""Fitting a scenario to what a side can express."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from harness.records import Json, Role, SideSpec
from harness.segments.play import play
from harness.segments.runtime import Policy
from harness.segments.scenario import N_ENVS, Scenario

# More hyperparameters than this are not fixed one after another.
MAX_FIXED = 20


def fitted(
    scenario: Scenario, side: SideSpec, policy: Policy, fallback: Mapping[str, Json]
) -> tuple[Scenario, str]:
    """Return the scenario with every value that a side can express, and why it cannot begin, or "".

    The side is begun, and ended at its first env step. What it refuses takes the value of
    `fallback`, or its default, on both sides. One that fails to begin may not know schedules and
    words: it is tried once more with those of the scenario replaced.
    """
    for _ in range(MAX_FIXED):
        tried = play(side, scenario.call(), policy=replace(policy, stop_after=0))
        if tried.unsupported is None:
            if tried.tape.env_steps > 0:
                return scenario, ""
            words = [n for n, v in scenario.hyperparameters.items() if isinstance(v, (str, dict))]
            if not words or not tried.error:
                return scenario, tried.error or "made no env step"
            for name in words:
                scenario = scenario.fixing(name, _plain_value(scenario, name, fallback))
            continue
        name, _ = tried.unsupported
        if name in scenario.fixed:
            return scenario, tried.error
        value = 1 if name == N_ENVS else fallback.get(name)
        scenario = scenario.fixing(name, value)
    return scenario, "refuses too many hyperparameters"


def _plain_value(scenario: Scenario, name: str, fallback: Mapping[str, Json]) -> Json:
    """Return a value that is no schedule and no word: the comparison's, or the scenario's."""
    value = fallback.get(name)
    if value is not None and not isinstance(value, (str, dict)):
        return value
    own = scenario.hyperparameters[name]
    if isinstance(own, dict):
        return next(iter(own.values()))
    _, _, number = str(own).partition("_")
    return float(number) if number else None


def fixed_by(
    role: Role, scenario: Scenario, names: Collection[str] | None = None
) -> list[dict[str, Json]]:
    """Return what a side cannot vary, with the value that is taken instead."""
    return [
        {"role": role, "name": name, "value": value}
        for name, value in scenario.fixed.items()
        if names is None or name in names
    ]
