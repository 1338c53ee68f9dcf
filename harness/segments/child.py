"""One scenario in a process of its own: the reference recorded, then mine replayed against it.

    python -m harness.segments.child REQUEST.json ANSWER.json

A composition root like `harness.run.child`: it loads sides by name and joins them with the tapes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from harness.codec import to_json, to_plain
from harness.judgement import SegmentRow
from harness.records import Json, Role, SideSpec
from harness.segments.automatic import varying_of
from harness.segments.compare import Limits, compare_tapes, differs, lacking_draws
from harness.segments.drawing import Tapes, differing_repeats, draw_records
from harness.segments.exercised import exercised
from harness.segments.fitting import fitted, fixed_by
from harness.segments.hints_related import candidates, conventions
from harness.segments.names import ENV_ACTION
from harness.segments.noise import floors_of
from harness.segments.play import Played, folders_of, given_by, play
from harness.segments.quantities import Quantity, quantities_of
from harness.segments.runtime import Policy, Runtime
from harness.segments.scenario import Scenario
from harness.segments.spans import places_of_draws, spanned
from harness.segments.staying import Players, Run, followed
from harness.segments.tape import Tape
from harness.spec.cards import card
from harness.spec.environments import register_ids
from harness.stats.draws import draw_tests

# Added to a scenario's seed where draws of their own are wanted: the reference's second ones, and
# those of mine. Far apart, so that seeds counted up per environment do not meet.
AGAIN_SEED, MINE_SEED = 10_007, 20_011
# Plays of the reference under other draws, that show what depends on them.
N_OTHERS = 2


@dataclass(frozen=True)
class Sides:
    """Who plays, and how."""

    mine: SideSpec
    reference: SideSpec
    policy: Policy


def main(arguments: Sequence[str]) -> int:
    """Run the scenario of the request; write rows, events, draws and problems as JSON."""
    request, answer = (Path(argument) for argument in arguments)
    asked = json.loads(request.read_text())
    torch.set_num_threads(1)
    register_ids()
    scenario = Scenario(**{**asked["scenario"], "perturbed": tuple(asked["scenario"]["perturbed"])})
    sides = Sides(
        SideSpec(**asked["mine"]),
        SideSpec(**asked["reference"]),
        policy_of(scenario),
    )
    found = run_scenario(scenario, sides, fallback=asked["fallback"], asked=asked["asked"])
    answer.write_text(json.dumps(to_plain(found)))
    return 0


def policy_of(scenario: Scenario) -> Policy:
    """Return how both sides of a scenario are played."""
    return Policy(
        perturbed=scenario.perturbed,
        perturbation=scenario.perturbation,
        reward_scale=scenario.reward_scale,
    )


def run_scenario(
    scenario: Scenario,
    sides: Sides,
    *,
    fallback: Mapping[str, Json],
    asked: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """Return what one scenario says of mine, as plain values.

    Args:
        fallback: hyperparameter -> value that both are known to take, where one refuses another.
        asked: values that every environment of the comparison asks for, and "n_envs".
    """
    own, error = fitted(scenario, sides.mine, sides.policy, fallback)
    found: dict[str, Any] = {"scenario": own.name, "kind": _kind(own)}
    if error:
        return {
            **found,
            "fixed": fixed_by("mine", own),
            "refused": error,
            "refused_by": "mine",
        }
    players = _players(sides)
    recorded, whole = _recorded(own, sides, players, fallback)
    by_reference = whole.fixed.keys() ^ own.fixed.keys()
    found["fixed"] = fixed_by("mine", own) + fixed_by("reference", whole, by_reference)
    if recorded.error:
        return {**found, **_died("reference", recorded)}
    run = Run(whole, recorded, players.mine(whole, recorded.tape, None))
    run = followed(run, players, asked=asked or {})
    if run.recorded.error:
        return {**found, **_died("reference", run.recorded)}
    found |= {"kept": dict(run.stays.kept), "ignored": dict(run.stays.others)}
    found |= _played(run, sides)
    if run.scenario.fixed and not by_reference:
        unfitted = players.reference(scenario, None).tape
        counts = exercised(unfitted, scenario.hyperparameters)
        found["lost"] = [name for name, n in counts.items() if n and not found["events"].get(name)]
    return found


def _played(run: Run, sides: Sides) -> dict[str, Any]:
    """Return what a replay of mine says, or what it died of."""
    scenario, recorded, mine = run.scenario, run.recorded, run.mine
    found: dict[str, Any] = {}
    found["events"] = exercised(recorded.tape, scenario.hyperparameters)
    found["problems"] = mine.tape.problems + recorded.tape.problems
    found["unknown"] = mine.tape.unknown
    found["env_steps"] = recorded.tape.env_steps + mine.tape.env_steps
    if mine.error:
        return {**found, **_died("mine", mine)}
    return {**found, **_compared(scenario, sides, recorded, mine)}


def _players(sides: Sides) -> Players:
    known: dict[str, Played] = {}

    def mine(scenario: Scenario, record: Tape, last: int | None) -> Played:
        policy = replace(sides.policy, stop_after=last)
        return play(sides.mine, scenario.call(), reference=record, policy=policy)

    def reference(scenario: Scenario, last: int | None) -> Played:
        key = to_json([asdict(scenario.call()), last])
        if key not in known:
            policy = replace(sides.policy, stop_after=last)
            known[key] = play(sides.reference, scenario.call(), policy=policy)
        return known[key]

    return Players(mine, reference)


def _recorded(
    scenario: Scenario, sides: Sides, players: Players, fallback: Mapping[str, Json]
) -> tuple[Played, Scenario]:
    """Return the reference's play, and the scenario with every value that it can express."""
    recorded = players.reference(scenario, None)
    if recorded.unsupported is None:
        return recorded, scenario
    scenario, _ = fitted(scenario, sides.reference, sides.policy, fallback)
    return players.reference(scenario, None), scenario


def _died(role: Role, played: Played) -> dict[str, str]:
    """Return what a side died of; before its first update it does not know the scenario.

    In the comparison's own environments both sides have made updates before scenarios are played.
    """
    if played.runtime.optimisers.updates == 0:
        return {"refused": played.error, "refused_by": role}
    return {f"{role}_error": played.error}


def _kind(scenario: Scenario) -> str:
    """Return what a side must know to begin: kind of actions, dimensions of an observation."""
    env = scenario.call().make_env()
    shape = env.observation_space.shape or ()
    return f"{type(env.action_space).__name__} actions, {len(shape)}-dimensional observations"


@dataclass(frozen=True)
class _Trial:
    """One scenario with the reference recorded, and how mine is compared with it."""

    scenario: Scenario
    sides: Sides
    recorded: Played
    quantities: tuple[Quantity, ...]
    limits: Limits

    def play_mine(self, policy: Policy, *, seed: int | None = None) -> Played:
        """Replay mine against the record."""
        call = self.scenario.call(seed=seed)
        return play(self.sides.mine, call, reference=self.recorded.tape, policy=policy)

    def rows(self, mine: Played) -> tuple[SegmentRow, ...]:
        """Compare a play of mine with the record."""
        return compare_tapes(mine.tape, self.recorded.tape, self.quantities, self.limits)


def _compared(scenario: Scenario, sides: Sides, recorded: Played, mine: Played) -> dict[str, Any]:
    given = given_by(sides.reference)
    quantities = quantities_of(
        card(scenario.algo), recorded.tape, mine.tape, is_partial=bool(given)
    )
    if lacking_draws(mine.tape, recorded.tape, quantities):
        return _without_draws(scenario, sides, recorded, mine, quantities)
    call = scenario.call(seed=scenario.seed + AGAIN_SEED)
    wide = replace(sides.policy, is_wide=True, own=_not_tapped(scenario.algo, mine.tape))
    again = play(sides.reference, call, reference=recorded.tape, policy=wide)
    computed = [quantity.name for quantity in quantities if quantity.is_computed]
    floors = {} if again.error else floors_of(recorded.tape, again.tape, computed)
    n_common = scenario.common_env_steps(mine.tape.env_steps, recorded.tape.env_steps)
    limits = Limits(
        floors,
        frozenset(scenario.perturbed),
        given,
        n_common,
        hyperparameters=scenario.hyperparameters,
        n_envs=scenario.n_envs,
        total_timesteps=scenario.total_timesteps,
    )
    trial = _Trial(scenario, sides, recorded, quantities, limits)
    mine, rows = _best(trial, mine)
    if any(row.status == "failed" for row in rows):
        rows = _settled(trial, rows, mine)
    policy = mine.runtime.policy
    found = _Found(
        rows,
        differing_repeats(card(scenario.algo), mine.tape, trial.play_mine(policy).tape),
        _draws(trial, again, policy),
    )
    return {
        **_placed(found, trial, policy),
        "floors_error": again.error,
        "choices": dict(mine.runtime.policy.choices),
    }


def _without_draws(
    scenario: Scenario,
    sides: Sides,
    recorded: Played,
    mine: Played,
    quantities: tuple[Quantity, ...],
) -> dict[str, Any]:
    """Return what environments and optimisers show of mine where its draws are its own.

    What the reference itself does otherwise under other draws, in the same environment, is left.
    """
    n_common = scenario.common_env_steps(mine.tape.env_steps, recorded.tape.env_steps)
    limits = Limits(
        env_steps=n_common,
        hyperparameters=scenario.hyperparameters,
        n_envs=scenario.n_envs,
        total_timesteps=scenario.total_timesteps,
    )
    policy = replace(sides.policy, hands_on="environment")
    others = [
        play(sides.reference, scenario.call(seed=seed), reference=recorded.tape, policy=policy)
        for seed in range(scenario.seed + AGAIN_SEED, scenario.seed + AGAIN_SEED + N_OTHERS)
    ]
    free = varying_of(
        [one.tape for one in others],
        quantities,
        lambda tape, quantity: differs(tape, recorded.tape, quantity, limits),
    )
    trial = _Trial(scenario, sides, recorded, quantities, replace(limits, varying=free))
    policy = mine.runtime.policy
    repeated = trial.play_mine(policy).tape
    unseeded = differing_repeats(card(scenario.algo), mine.tape, repeated, also=(ENV_ACTION,))
    found = _Found(trial.rows(mine), unseeded)
    return {**_placed(found, trial, policy), "choices": dict(policy.choices)}


@dataclass(frozen=True)
class _Found:
    """What differs: rows, sources whose draws no seed repeats, draw tests."""

    rows: tuple[SegmentRow, ...]
    varying: tuple[str, ...]
    draws: Sequence[Mapping[str, Any]] = ()


def _placed(found: _Found, trial: _Trial, policy: Policy) -> dict[str, Any]:
    """Return the answer; where something differs, with the lines that ran for it."""
    rows, varying = found.rows, found.varying
    rejected = {test["source"] for test in found.draws if test["is_rejected"]}
    places: dict[str, tuple[str, ...]] = {}
    if varying or rejected or any(row.status == "failed" for row in rows):
        traced, beside = _traced(trial, policy)
        rows = tuple(spanned(row, traced, beside) for row in rows)
        places = {name: places_of_draws(name, traced, is_seed=False) for name in rejected}
        places |= {name: places_of_draws(name, traced, is_seed=True) for name in varying}
    return {
        "rows": [replace(row, scenario=trial.scenario.name) for row in rows],
        "varying": varying,
        "draws": list(found.draws),
        "places": places,
    }


def _not_tapped(algo: str, mine: Tape) -> frozenset[str]:
    """Return the draws that mine makes without a tap: the reference's second ones are free too."""
    rows = [row for row in card(algo).taps if row.role == "source" and row.is_optional]
    return frozenset(row.name for row in rows if not mine.count(row.name))


def _best(trial: _Trial, mine: Played) -> tuple[Played, tuple[SegmentRow, ...]]:
    """Return the play under the matching of parameters that agrees best, and its rows.

    Where several layers have one shape, the right assignment shows in fewer failures; the first
    one stands when no other is better.
    """
    best, best_rows = mine, trial.rows(mine)
    for name, n in mine.runtime.modules.n_candidates.items():
        for choice in range(1, n):
            if not _n_failures(best_rows):
                return best, best_rows
            policy = best.runtime.policy
            other = trial.play_mine(replace(policy, choices={**policy.choices, name: choice}))
            rows = trial.rows(other)
            if _n_failures(rows) < _n_failures(best_rows):
                best, best_rows = other, rows
    return best, best_rows


def _settled(trial: _Trial, rows: tuple[SegmentRow, ...], mine: Played) -> tuple[SegmentRow, ...]:
    """Return the rows with conventions told from failures, by a replay in which they flow on."""
    own = candidates(rows, mine.tape, trial.recorded.tape)
    if not own:
        return rows
    tried = trial.play_mine(replace(mine.runtime.policy, own=own))
    return conventions(rows, () if tried.error else trial.rows(tried), own)


def _n_failures(rows: Sequence[SegmentRow]) -> int:
    return sum(row.n_failed for row in rows if row.status == "failed")


def _traced(trial: _Trial, policy: Policy) -> tuple[Runtime, Runtime]:
    """Play both sides once more with their lines traced."""
    sides, call = trial.sides, trial.scenario.call()
    mine, reference = (
        play(
            side,
            call,
            reference=trial.recorded.tape,
            policy=replace(chosen, traced=folders_of(side)),
        ).runtime
        for side, chosen in ((sides.mine, policy), (sides.reference, sides.policy))
    )
    return mine, reference


def _draws(trial: _Trial, again: Played, policy: Policy) -> list[Any]:
    """Return the draw tests of one scenario: mine against the reference's second draws."""
    own = trial.play_mine(policy, seed=trial.scenario.seed + MINE_SEED)
    given = trial.limits.given
    n_starts = 0 if given else trial.scenario.weight_seeds
    starts = [_start(trial, policy, number) for number in range(1, n_starts + 1)]
    tapes = Tapes(trial.recorded.tape, again.tape, own.tape)
    records = [
        record
        for record in draw_records(card(trial.scenario.algo), tapes, starts)
        if record.source not in given
    ]
    return [asdict(test) for test in draw_tests(records)]


def _start(trial: _Trial, policy: Policy, number: int) -> Tapes:
    """Return the beginning of three plays, up to the first env step, each with its own seed."""
    sides, scenario = trial.sides, trial.scenario
    policy = replace(policy, stop_after=0, perturbed=())
    seed = scenario.seed + 100 * number
    known = play(sides.reference, scenario.call(seed=seed), policy=policy).tape
    again = play(sides.reference, scenario.call(seed=seed + AGAIN_SEED), policy=policy).tape
    own = scenario.call(seed=seed + MINE_SEED)
    return Tapes(known, again, play(sides.mine, own, reference=known, policy=policy).tape)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
