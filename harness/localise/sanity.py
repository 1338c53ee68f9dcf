"""Sanity checks: properties that hold for a right implementation whatever the reference does.

Each check is a pure function of one side's traces on one environment. It returns None when it does
not apply (the quantity was not observed), else an empty string for passed or what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.judgement import SanityRow
from harness.records import Json, Trace

# clip_grad_norm_ scales by max_norm / (norm + 1e-6) in float32 (torch/nn/utils/clip_grad.py); the
# norm is then recomputed in float32 over all tensors, whose relative rounding stays below this.
CLIP_SLACK = 1e-4
# Schedules are evaluated in float64 and logged as such.
FLOAT64_SLACK = 1e-9


@dataclass(frozen=True)
class Subject:
    """What a check looks at: one run. `tier`: of the environment."""

    trace: Trace
    hyperparameters: Mapping[str, Json]
    tier: str
    total_timesteps: int


@dataclass(frozen=True)
class Check:
    """One property: None (does not apply), "" (holds), or what was seen instead."""

    name: str
    component: str
    see: Callable[[Subject], str | None]


def check_sanity(
    subjects: Sequence[Subject], *, role: Literal["mine", "reference"], env_id: str
) -> tuple[SanityRow, ...]:
    """Return one row per check that applies to at least one run; it passes if it holds in all."""
    rows = []
    for check in CHECKS:
        seen = [check.see(subject) for subject in subjects]
        applicable = [detail for detail in seen if detail is not None]
        if not applicable:
            continue
        failures = [detail for detail in applicable if detail]
        detail = f"{failures[0]} ({len(failures)} of {len(applicable)} runs)" if failures else ""
        rows.append(SanityRow(check.name, role, env_id, check.component, not failures, detail))
    return tuple(rows)


def _values(subject: Subject, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
    series = subject.trace.metrics.get(metric)
    if series is None or not len(series.values):
        return None
    return series.env_steps, series.values


def _finite(subject: Subject) -> str | None:
    first = subject.trace.facts.get("first_non_finite")
    return f"first non-finite value: {first}" if first else ""


def _env_steps(subject: Subject) -> str | None:
    """At least the env steps asked for, and at most one round of updates more."""
    made = subject.trace.facts.get("env_steps")
    if made is None:
        return None
    waits = subject.trace.facts.get("longest_wait") or [subject.total_timesteps]
    if subject.total_timesteps <= made <= subject.total_timesteps + max(waits):
        return ""
    return f"{made} env steps made, {subject.total_timesteps} asked for"


def _episode_within_time_limit(subject: Subject) -> str | None:
    limit = subject.trace.facts.get("time_limit")
    lengths = subject.trace.episodes.lengths
    if not limit or not len(lengths):
        return None
    longest = int(lengths.max())
    return "" if longest <= limit else f"an episode of {longest} env steps, time limit {limit}"


def _parameters_move(subject: Subject) -> str | None:
    found = _values(subject, "update_norm")
    if found is None:
        return None
    finite = found[1][np.isfinite(found[1])]
    return "" if not len(finite) or finite.max() > 0 else "no update changed any parameter"


def _learning_rate(subject: Subject) -> str | None:
    found = _values(subject, "learning_rate")
    if found is None:
        return None
    env_steps, values = found
    bad = ~(np.isfinite(values) & (values >= 0))
    return _first_bad("learning rate", env_steps, values, bad)


def _clipped_gradient(subject: Subject) -> str | None:
    limit = subject.hyperparameters.get("max_grad_norm")
    found = _values(subject, "grad_norm")
    if found is None or not isinstance(limit, int | float):
        return None
    largest = max(subject.trace.facts.get("unclipped_norm_max") or [0.0])
    if largest > limit * (1 + CLIP_SLACK):
        return f"a gradient of norm {largest:.6g} reached the optimiser, max_grad_norm={limit}"
    env_steps, values = found
    bad = values > limit * (1 + CLIP_SLACK)
    return _first_bad(f"gradient norm above max_grad_norm={limit}:", env_steps, values, bad)


def _epsilon(subject: Subject) -> str | None:
    found = _values(subject, "epsilon.mean")
    if found is None:
        return None
    env_steps, values = found
    bad = ~((values >= -FLOAT64_SLACK) & (values <= 1 + FLOAT64_SLACK))
    return _first_bad("epsilon", env_steps, values, bad)


def _entropy(subject: Subject) -> str | None:
    found = _values(subject, "entropy.mean")
    n_actions = subject.trace.facts.get("n_discrete_actions")
    if found is None or not n_actions:
        return None
    env_steps, values = found
    bad = ~((values >= -1e-6) & (values <= np.log(n_actions) + 1e-6))
    return _first_bad(f"entropy outside [0, log {n_actions}]:", env_steps, values, bad)


def _bounded_q(subject: Subject) -> str | None:
    """|Q| <= max|r| / (1 - gamma), on probes only: elsewhere estimates may overshoot early."""
    gamma = subject.hyperparameters.get("gamma")
    largest_reward = subject.trace.facts.get("reward_abs_max")
    found = _values(subject, "td_target.max"), _values(subject, "td_target.min")
    if subject.tier != "probe" or not isinstance(gamma, int | float) or largest_reward is None:
        return None
    if found[0] is None or found[1] is None or gamma >= 1:
        return None
    bound = largest_reward / (1 - gamma)
    size = np.maximum(np.abs(found[0][1]), np.abs(found[1][1]))
    # A fresh network's outputs are of order 1 and enter the target through gamma * max Q.
    bad = size > bound + 1.0
    return _first_bad(f"|td_target| above max|r|/(1-gamma)={bound:.3g}:", found[0][0], size, bad)


def _first_bad(what: str, env_steps: np.ndarray, values: np.ndarray, bad: np.ndarray) -> str:
    if not bad.any():
        return ""
    index = int(np.argmax(bad))
    return f"{what} {values[index]:.6g} at env step {int(env_steps[index])}"


CHECKS: tuple[Check, ...] = (
    Check("every loss, gradient and parameter is finite", "gradient-optimiser", _finite),
    Check("all env steps asked for were made", "update-schedule", _env_steps),
    Check("no episode outlives the time limit", "env-interface", _episode_within_time_limit),
    Check("updates change the parameters", "gradient-optimiser", _parameters_move),
    Check("the learning rate is finite and not negative", "lr-schedule", _learning_rate),
    Check(
        "the gradient norm after clipping keeps its limit", "gradient-optimiser", _clipped_gradient
    ),
    Check("epsilon lies in [0, 1]", "exploration", _epsilon),
    Check("the entropy lies in its range", "distribution-logprob", _entropy),
    Check(
        "targets stay inside what rewards allow (probes)", "bootstrapping-termination", _bounded_q
    ),
)
