"""Implementations whose reference is sb3-contrib: the same run under the same draws, same facts."""

from dataclasses import fields, replace

import numpy as np
import pytest

pytest.importorskip("sb3_contrib", reason="the reference is pip install 'rl-parity[contrib]'")

from harness.probes.registry import register
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.contrib import TAPPED
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.run.observing import MemoryWriter, a_run

# What may differ between two right implementations with different random streams.
FREE_FACTS = {
    "episodes",
    "final_weights_sha256",
    "reward_abs_max",
    "sites",
    "unclipped_norm_max",
    "unfinished_episodes",
}
# Algorithm -> changes of its exposing call, of which each is run.
CHANGES = {
    "qrdqn": ({}, {"n_steps": 1, "max_grad_norm": None, "gradient_steps": -1, "n_quantiles": 1}),
    "tqc": (
        {},
        {"ent_coef": 0.2, "n_steps": 1, "top_quantiles_to_drop_per_net": 0, "n_critics": 1},
    ),
    "trpo": ({}, {"normalize_advantage": False, "sub_sampling_factor": 2, "ortho_init": False}),
}
RUNS = [
    pytest.param(TAPPED[algo], changes, id=f"{algo}-{k}")
    for algo, many in CHANGES.items()
    for k, changes in enumerate(many)
]
BY_ALGO = pytest.mark.parametrize("one", TAPPED.values(), ids=TAPPED)

register()


@pytest.mark.parametrize(("one", "changes"), RUNS)
def test_with_only_the_draws_handed_on_the_whole_run_stays_the_references(one, changes):
    call = one.call(**changes)
    draws = {row.name for row in card(one.algo).taps if row.draws}
    reference = record(load_side(one.reference), call)
    mine = replay(load_side(one.mine), call, reference=reference, load=load_by_shape, only=draws)
    mine, reference = (
        replace(tape, events={k: v for k, v in tape.events.items() if k[0] not in draws})
        for tape in (mine, reference)
    )
    assert differences(mine, reference, rtol=1e-4, atol=1e-5) == []
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions, atol=1e-6)


def observed(one, spec):
    writer = MemoryWriter()
    run = a_run(one.total_timesteps, taps=card(one.algo).tap_clocks, env_id=one.env_id)
    with Observation(replace(run, side=spec), writer) as observation:
        load_side(spec)(one.call())
    assert observation.unobserved_reason() is None
    return observation.facts(), writer


@BY_ALGO
def test_facts_of_mine_and_the_reference_are_equal(one):
    mine, my_writer = observed(one, one.mine)
    reference, writer = observed(one, one.reference)
    different = {name for name in mine.keys() | reference if mine[name] != reference[name]}
    assert different <= FREE_FACTS
    for name in ("learning_rate", "updates_per_env_step"):
        ours, theirs = my_writer.series(name), writer.series(name)
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [v for _, v in ours] == pytest.approx([v for _, v in theirs], rel=1e-12)
    assert {n for _, v in my_writer.lines for n in v} == {n for _, v in writer.lines for n in v}


@BY_ALGO
def test_same_seed_twice_ends_in_the_same_bits(one):
    first, second = (observed(one, one.mine)[0]["final_weights_sha256"] for _ in range(2))
    assert first == second


@BY_ALGO
def test_hyperparameters_of_the_card_are_taken_with_its_defaults(one):
    mine = module_of(one)
    defaults = card(one.algo).defaults
    as_lists = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(mine.Hyperparameters)
    }
    assert as_lists == defaults
    assert mine.hyperparameters_of(one.call(**defaults))


@BY_ALGO
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"use_sde": True}, "use_sde=True cannot be expressed"),
    ],
)
def test_what_a_file_cannot_express_is_refused(one, changes, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        module_of(one).hyperparameters_of(one.call(**changes))


@BY_ALGO
def test_file_stays_one_readable_file(one):
    with open(one.mine.file, encoding="utf-8") as file:  # noqa: PTH123
        assert 150 <= len(file.readlines()) <= 360


def module_of(one):
    import importlib

    return importlib.import_module(f"my_impls.{one.algo}")
