"""Facts: exact observations that need no statistics. An unequal one that decides means DIVERGED.

Which facts decide is settled by evidence, not by a list of algorithms: a fact decides only while
the reference's own seeds agree on it. What varies from seed to seed of the reference (the number of
episodes, the number of updates under early stopping) is left to the statistical tests.

The facts of whole runs and of their beginnings (pre-flight) are compared by the same rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.judgement import FactRow
from harness.localise.optimisers import paired_optimisers
from harness.records import Json

# A single reference run cannot show that a fact does not vary from seed to seed.
MIN_REFERENCE_SEEDS = 2

# Options of torch.optim that change speed or bookkeeping, never the update beyond rounding
# (torch 2.13, torch/optim/adam.py).
NEUTRAL_OPTIMISER_OPTIONS = frozenset(
    {"foreach", "fused", "capturable", "differentiable", "params", "lr"}
)
# Says how the weights decay: nothing where they do not.
DECAY, DECAY_OPTION = "weight_decay", "decoupled_weight_decay"


@dataclass(frozen=True)
class Fact:
    """One kind of fact: what it says, where a difference sits, and whether it may decide."""

    name: str
    component: str
    may_decide: bool
    meaning: str
    is_named: bool = False  # a value per name; names that a run lacks are left out


FACTS: tuple[Fact, ...] = (
    Fact("env_id", "env-interface", True, "environment that was trained on"),
    Fact("n_training_envs", "env-interface", True, "parallel training environments"),
    Fact("observation_space", "observation-preprocessing", True, "space the environment offered"),
    Fact("action_space", "action-scaling", True, "action space the environment offered"),
    Fact("time_limit", "env-interface", True, "env steps after which an episode is truncated"),
    Fact("autoreset_mode", "env-interface", False, "how a vector environment restarts episodes"),
    Fact("env_kwargs", "env-interface", True, "arguments that the environment was made with"),
    Fact("wrapper_stack", "env-interface", False, "wrappers below the harness's own"),
    Fact("outer_wrappers", "env-interface", False, "wrappers that the side put around it"),
    Fact("env_steps", "update-schedule", False, "env steps made; the last round may overrun"),
    Fact("trained_parameter_count", "network-architecture", True, "elements that got a gradient"),
    Fact("trained_parameter_shapes", "network-architecture", False, "shapes of trained tensors"),
    Fact("activations", "network-architecture", True, "activations, layer after layer"),
    Fact("dtype", "network-architecture", True, "number type of the trained parameters"),
    Fact("optimiser_class", "gradient-optimiser", True, "class of each optimiser"),
    Fact("optimiser_constants", "gradient-optimiser", True, "constants of each optimiser"),
    Fact("grad_clip", "gradient-optimiser", True, "largest gradient norm let through"),
    Fact("learning_rate_first", "lr-schedule", True, "learning rate of the first update"),
    Fact("learning_rate_last", "lr-schedule", True, "learning rate of the last update"),
    Fact("n_updates", "update-schedule", True, "updates within the env steps asked for"),
    Fact("first_update_env_step", "update-schedule", True, "env step of the first update"),
    Fact("last_update_env_step", "update-schedule", True, "env step of the last of these updates"),
    Fact("first_round_updates", "update-schedule", False, "updates before the next env step"),
    Fact("minibatch_rows", "sampling", True, "rows of the first tapped minibatch", is_named=True),
    Fact("loss_rows", "sampling", False, "rows that the networks saw in the first loss"),
    Fact(
        "tapped_numbers",
        "update-schedule",
        False,
        "plain numbers that taps showed last before the first update",
        is_named=True,
    ),
    Fact("seeded_resets", "seeding-determinism", True, "resets that were given a seed, per env"),
    Fact("stored_next_obs", "replay-buffer", True, "next_obs stored at the end of episodes"),
    Fact("stored_reward", "replay-buffer", True, "reward stored at the end of episodes"),
    Fact(
        "stored_terminated",
        "bootstrapping-termination",
        True,
        "flag stored at the end of episodes; a time limit is no termination",
    ),
    Fact("reset_seeds", "seeding-determinism", False, "seed of the first reset of each env"),
    Fact("auxiliary_envs", "evaluation-logging", False, "environments beside the training ones"),
    Fact("torch_threads", "seeding-determinism", False, "torch threads"),
    Fact("device", "seeding-determinism", False, "device of the trained parameters"),
    Fact("versions", "seeding-determinism", False, "versions of what both sides are run with"),
)

# One entry per optimiser, in order of its first step. Which optimiser steps first, and whether two
# networks share one, changes no update (the norm over which gradients are clipped has its own row).
PER_OPTIMISER = frozenset(
    {
        "activations",
        "first_round_updates",
        "first_update_env_step",
        "grad_clip",
        "last_update_env_step",
        "learning_rate_first",
        "learning_rate_last",
        "loss_rows",
        "n_updates",
        "optimiser_class",
        "optimiser_constants",
        "trained_parameter_count",
        "trained_parameter_shapes",
    }
)
# Numbers are compared to so many digits: the same schedule may be computed in another order.
DIGITS = 12

# Recorded for other purposes and never compared: they differ between any two seeds or sides.
NOT_COMPARED = frozenset(
    {
        "episodes",
        "final_weights_sha256",
        "first_non_finite",
        "grad_value_clips",
        "longest_wait",
        "n_discrete_actions",
        "reward_abs_max",
        "silent_resets",
        "sites",
        "unclipped_norm_max",
        "unfinished_episodes",
        "unknown_taps",
        "unseen_taps",
    }
)


def compare_facts(
    mine: Mapping[int, Mapping[str, Json]],
    reference: Mapping[int, Mapping[str, Json]],
    *,
    env_id: str,
) -> tuple[FactRow, ...]:
    """Return one row per known fact that either side has; both arguments: seed -> facts.

    A fact on which the reference's seeds agree is compared over all seeds; another one seed by
    seed. A fact that one side lacks is a row that does not decide (it was not observed there).
    Empty when a side has no runs.
    """
    if not mine or not reference:
        return ()
    mine, reference = paired_optimisers(_prepared(mine), _prepared(reference), PER_OPTIMISER)
    rows = (_row(fact, *_of(fact, mine, reference), env_id=env_id) for fact in FACTS)
    return tuple(row for row in rows if row is not None)


def _row(
    fact: Fact,
    mine: Mapping[int, Mapping[str, Json]],
    reference: Mapping[int, Mapping[str, Json]],
    *,
    env_id: str,
) -> FactRow | None:
    mine_values, reference_values = (_values(fact.name, side) for side in (mine, reference))
    if not mine_values and not reference_values:
        return None
    is_constant = (
        len(reference_values) >= MIN_REFERENCE_SEEDS and len({*reference_values.values()}) == 1
    )
    differing = _differing(mine_values, reference_values, is_constant=is_constant)
    is_observed = bool(mine_values) and bool(reference_values)
    return FactRow(
        name=fact.name,
        env_id=env_id,
        component=fact.component,
        mine=_shown([*mine_values.values()], lead=differing[0] if differing else ""),
        reference=_shown([*reference_values.values()], lead=differing[1] if differing else ""),
        is_equal=is_observed and differing is None,
        decides=fact.may_decide and is_observed and is_constant,
        hint=_hint(fact, differing, is_observed=is_observed, is_constant=is_constant),
    )


def _values(name: str, side: Mapping[int, Mapping[str, Json]]) -> dict[int, str]:
    """Return seed -> canonical value of one fact, for the seeds on which it was observed."""
    return {
        seed: json.dumps(facts[name], sort_keys=True)
        for seed, facts in side.items()
        if name in facts and not _is_unobserved(name, facts[name])
    }


def _is_unobserved(name: str, value: Json) -> bool:
    """Return whether the value says only that torch's own clip was not called.

    The code may clip by hand. Where the limit was exceeded, a sanity check says so.
    """
    return name == "grad_clip" and isinstance(value, list) and set(value) == {None}


def _differing(
    mine: Mapping[int, str], reference: Mapping[int, str], *, is_constant: bool
) -> tuple[str, str] | None:
    """Return the first pair of unequal values, (mine, reference), or None."""
    if is_constant:
        pairs = [(value, next(iter(reference.values()))) for value in mine.values()]
    else:
        pairs = [(value, reference[seed]) for seed, value in mine.items() if seed in reference]
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def _prepared(side: Mapping[int, Mapping[str, Json]]) -> dict[int, dict[str, Json]]:
    """Return the facts as they are compared: numbers rounded, neutral options left out."""
    return {
        seed: {name: _compared(name, value) for name, value in facts.items()}
        for seed, facts in side.items()
    }


def _compared(name: str, value: Json) -> Json:
    if name == "optimiser_constants" and isinstance(value, list):
        value = [_effective(one) for one in value]
    return _rounded(value)


def _rounded(value: Json) -> Json:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, (list, tuple)) else value


def _of(
    fact: Fact, *sides: Mapping[int, Mapping[str, Json]]
) -> list[Mapping[int, Mapping[str, Json]]]:
    """Return both sides; of a fact by names, those names that every run has."""
    if not fact.is_named:
        return [*sides]
    every = [facts[fact.name] for side in sides for facts in side.values() if fact.name in facts]
    common = [name for name in (every[0] if every else {}) if all(name in one for one in every)]
    return [
        {
            seed: {fact.name: {name: facts[fact.name][name] for name in common}}
            for seed, facts in side.items()
            if common and fact.name in facts
        }
        for side in sides
    ]


def _effective(options: Mapping[str, Json]) -> dict[str, Json]:
    """Return the options of an optimiser that take part in its update rule.

    One that is off (0, false or none) is as one that its class does not have.
    """
    neutral = {*NEUTRAL_OPTIMISER_OPTIONS, *(() if options.get(DECAY) else (DECAY_OPTION,))}
    return {
        key: _plain(options[key]) for key in sorted(options) if key not in neutral and options[key]
    }


def _plain(value: Json) -> Json:
    """Return 0 and 0.0 as the same number."""
    return float(value) if _is_number(value) else value


def _shown(values: list[str], *, lead: str) -> str:
    """Return the value; when seeds disagree, `lead` (or the first one), said to vary."""
    distinct = sorted(set(values))
    if len(distinct) > 1:
        shown = lead or distinct[0]
        return f"{shown} (varies: {len(distinct)} values over {len(values)} seeds)"
    return distinct[0] if distinct else "not observed"


def _hint(
    fact: Fact, differing: tuple[str, str] | None, *, is_observed: bool, is_constant: bool
) -> str:
    if not is_observed:
        return "observed on one side only"
    if differing is None:
        return ""
    if fact.may_decide and not is_constant:
        return "not the same for all of the reference's own seeds: judged by the statistical tests"
    return _size_hint(*(json.loads(value) for value in differing)) or fact.meaning


def _size_hint(mine: Json, reference: Json) -> str:
    """Return the size of a difference between two numbers, or the keys that differ, or ""."""
    if isinstance(mine, list) and isinstance(reference, list) and len(mine) == len(reference):
        hints = [_size_hint(a, b) for a, b in zip(mine, reference, strict=True) if a != b]
        return next((hint for hint in hints if hint), "")
    if isinstance(mine, dict) and isinstance(reference, dict):
        keys = [key for key in sorted({*mine, *reference}) if mine.get(key) != reference.get(key)]
        return "; ".join(f"{key}: {mine.get(key)!r} for {reference.get(key)!r}" for key in keys)
    if _is_number(mine) and _is_number(reference):
        ratio = f", factor {mine / reference:.6g}" if reference else ""
        return f"difference {mine - reference:+.6g}{ratio}"
    return ""


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
