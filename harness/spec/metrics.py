"""The closed table of metric names: unit, clock, component, stage; data, not classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from harness.errors import UnknownName
from harness.spec.cards import TapRow, card

Family = Literal["curve", "trace"]

# Reductions of a tap: suffix -> (is tested, what it says, unit or None for the tap's own).
# The spread and the centre say the same as the extremes with less noise; the count of non-finite
# numbers is a sanity check. So only the first two spend error rate.
_REDUCTIONS: Mapping[str, tuple[bool, str, str | None]] = {
    "mean": (True, "mean over the elements", None),
    "std": (True, "standard deviation over the elements", None),
    "min": (False, "smallest element", None),
    "max": (False, "largest element", None),
    "norm": (False, "Euclidean norm of all elements", None),
    "nonfinite": (False, "fraction of elements that are NaN or infinite", "fraction"),
}
_SCALAR_REDUCTIONS = ("mean", "nonfinite")
_FURTHER_OPTIMISER = re.compile(r"(?P<base>[a-z_]+)\.(?P<number>[1-9][0-9]*)")


@dataclass(frozen=True)
class Metric:
    """One measured quantity.

    Attributes:
        unit: "" for a pure number. clock: what its series is counted in.
        component: where a difference in it sits (`records.COMPONENTS`).
        stage: its place in the data flow (`records.STAGES`).
        family: "curve" for what is learnt for, "trace" for everything else.
        is_tested: whether it takes part in the joint test; the others are recorded and shown.
    """

    name: str
    unit: str
    clock: Literal["env_step", "update"]
    component: str
    stage: str
    family: Family
    is_tested: bool
    description: str


def _env(name: str, place: tuple[str, str, str], description: str, *, is_tested: bool) -> Metric:
    unit, component, stage = place
    family: Family = "curve" if name == "episode_return" else "trace"
    return Metric(name, unit, "env_step", component, stage, family, is_tested, description)


def _optimiser(
    name: str, place: tuple[str, str, str], description: str, *, is_tested: bool = True
) -> Metric:
    unit, component, stage = place
    return Metric(name, unit, "update", component, stage, "trace", is_tested, description)


_ENV = (
    _env(
        "episode_return",
        ("reward", "evaluation-logging", "outcome"),
        "undiscounted sum of the environment's own rewards over one training episode",
        is_tested=True,
    ),
    _env(
        "episode_length",
        ("env_step", "evaluation-logging", "outcome"),
        "env steps of one training episode",
        is_tested=True,
    ),
    _env(
        "action.mean",
        ("action", "exploration", "collect"),
        "mean of the actions that the environment received",
        is_tested=True,
    ),
    _env(
        "action.std",
        ("action", "exploration", "collect"),
        "standard deviation of the actions that the environment received",
        is_tested=True,
    ),
    _env(
        "reward.mean",
        ("reward", "env-interface", "collect"),
        "mean reward per env step, as the environment gave it",
        is_tested=True,
    ),
)
_OPTIMISER = (
    _optimiser("loss", ("", "loss", "loss"), "value that backward() was called on"),
    _optimiser(
        "grad_norm_unclipped",
        ("", "gradient-optimiser", "gradient"),
        "Euclidean norm of the gradient before clipping",
    ),
    _optimiser(
        "grad_norm",
        ("", "gradient-optimiser", "gradient"),
        "Euclidean norm of the gradient that the optimiser received, after clipping",
    ),
    _optimiser(
        "learning_rate",
        ("", "lr-schedule", "step"),
        "step size of the optimiser's first parameter group",
    ),
    _optimiser(
        "update_norm",
        ("weight", "gradient-optimiser", "step"),
        "Euclidean norm of the change of all trained weights in one update",
    ),
    _optimiser(
        "param_norm",
        ("weight", "gradient-optimiser", "step"),
        "Euclidean norm of all trained weights after the update",
    ),
    _optimiser(
        "updates_per_env_step",
        ("update/env_step", "update-schedule", "step"),
        "updates made so far divided by env steps made so far",
    ),
)


@cache
def metrics_of(algo: str) -> Mapping[str, Metric]:
    """Return every metric of `algo` by name, in data-flow order of the card, endpoints last.

    Covers one optimiser; `metric` also resolves the names of further ones.

    Raises:
        UnknownName: there is no card for `algo`.

    >>> metrics_of("dqn")["td_target.mean"].stage
    'target'
    """
    from_taps = [m for tap in card(algo).taps if tap.is_traced for m in _of_tap(tap)]
    rows = [*_ENV[2:], *from_taps, *_OPTIMISER, *_ENV[:2]]
    return {row.name: row for row in rows}


def metric(algo: str, name: str) -> Metric:
    """Return the metric `name` of `algo`, names of further optimisers (`loss.1`) included.

    Raises:
        UnknownName: the name is outside the closed table.

    >>> metric("dqn", "grad_norm.1").unit == metric("dqn", "grad_norm").unit
    True
    """
    table = metrics_of(algo)
    if name in table:
        return table[name]
    match = _FURTHER_OPTIMISER.fullmatch(name)
    if match and match["base"] in {row.name for row in _OPTIMISER}:
        base = table[match["base"]]
        place = f"optimiser {int(match['number']) + 1} in order of first step"
        return replace(base, name=name, description=f"{base.description}; {place}")
    raise UnknownName(kind="metric", name=name, valid=table)


def _of_tap(tap: TapRow) -> Iterator[Metric]:
    prefixes = [f"{tap.name}.{part}" for part in tap.fields] or [tap.name]
    suffixes = _SCALAR_REDUCTIONS if tap.shape == "" else tuple(_REDUCTIONS)
    for prefix in prefixes:
        for suffix in suffixes:
            is_tested, words, unit = _REDUCTIONS[suffix]
            yield Metric(
                name=f"{prefix}.{suffix}",
                unit=tap.unit if unit is None else unit,
                clock=tap.clock,
                component=tap.component,
                stage=tap.stage,
                family="trace",
                is_tested=is_tested,
                description=f"{tap.description}: {words}",
            )
