"""Algorithms of sb3-contrib as sides: names translated, taps where they belong."""

import importlib
import tomllib

import pytest

pytest.importorskip("sb3_contrib", reason="the reference is pip install 'rl-parity[contrib]'")

from harness.probes.registry import register
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from harness.spec.cards.names import is_hooked
from tests.baselines.contrib import EVERY, FOLDER, TAPPED, UNTAPPED
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_sac import without_tap_map
from tests.my_impls.handing_on import record
from tests.run.observing import MemoryWriter, a_run

BY_ALGO = pytest.mark.parametrize("one", EVERY.values(), ids=EVERY)
BY_TAPPED = pytest.mark.parametrize("one", TAPPED.values(), ids=TAPPED)
BY_UNTAPPED = pytest.mark.parametrize("one", UNTAPPED.values(), ids=UNTAPPED)

register()


def module_of(one):
    return importlib.import_module(one.reference.module)


@BY_TAPPED
def test_training_with_the_tap_map_and_without_ends_in_the_same_bits(one):
    with without_tap_map(one.tap_map):
        untapped = final_weights(lambda: module_of(one).side(one.call()))
    run = a_run(one.total_timesteps, taps=card(one.algo).tap_clocks, env_id=one.env_id)
    with Observation(run, MemoryWriter()) as observation:
        load_side(one.reference)(one.call())
    assert observation.facts()["final_weights_sha256"] == untapped
    assert observation.unobserved_reason() is None


@BY_UNTAPPED
def test_training_without_taps_is_observed_by_its_env_steps(one):
    run = a_run(one.total_timesteps, env_id=one.env_id)
    with Observation(run, MemoryWriter()) as observation:
        load_side(one.reference)(one.call())
    assert observation.unobserved_reason() is None
    assert observation.facts()["env_steps"] >= one.total_timesteps


@BY_TAPPED
def test_every_tap_of_the_card_fires_with_its_fields(one):
    tape = record(load_side(one.reference), one.call())
    rows = {row.name: row for row in card(one.algo).taps if not is_hooked(row.name)}
    assert {name for name in rows.keys() - tape.names if not rows[name].is_optional} == set()
    assert tape.names <= set(rows)
    for name in tape.names:
        first = tape.of(name)[0]
        if rows[name].fields:
            assert {*first} == set(rows[name].fields)
        elif rows[name].shape != "module":
            assert {*first} == {""}


@BY_ALGO
def test_every_hyperparameter_of_the_card_is_taken(one):
    call = one.call(**card(one.algo).defaults)
    assert module_of(one).arguments_of(call)


@BY_ALGO
def test_hyperparameter_outside_the_card_is_refused(one):
    with pytest.raises(UnsupportedHyperparameter, match="momentum=1 cannot be expressed"):
        module_of(one).arguments_of(one.call(momentum=1))


def test_hyperparameters_of_qrdqn_reach_algorithm_and_policy():
    arguments = module_of(EVERY["qrdqn"]).arguments_of(EVERY["qrdqn"].call())
    assert arguments["policy_kwargs"] == {"net_arch": [12, 10], "n_quantiles": 7}
    assert arguments["max_grad_norm"] == 0.41
    assert arguments["learning_rate"](0.5) == 0.005


def test_hyperparameters_of_tqc_reach_algorithm_and_policy():
    arguments = module_of(EVERY["tqc"]).arguments_of(EVERY["tqc"].call())
    of_policy = {"n_quantiles": 5, "n_critics": 3, "net_arch": {"pi": [16, 12], "qf": [10]}}
    assert arguments["policy_kwargs"] == of_policy
    assert arguments["top_quantiles_to_drop_per_net"] == 1
    assert arguments["ent_coef"] == "auto_0.4"


def test_hyperparameters_of_trpo_reach_algorithm_and_policy():
    arguments = module_of(EVERY["trpo"]).arguments_of(EVERY["trpo"].call())
    assert arguments["policy_kwargs"] == {"net_arch": {"pi": [6, 5], "vf": [7]}}
    assert arguments["target_kl"] == 0.3


def test_hyperparameters_of_recurrent_ppo_reach_its_policy():
    arguments = module_of(EVERY["recurrentppo"]).arguments_of(EVERY["recurrentppo"].call())
    assert arguments["policy_kwargs"]["lstm_hidden_size"] == 9
    assert arguments["policy_kwargs"]["net_arch"] == {"pi": [6, 5], "vf": [7]}
    assert arguments["n_epochs"] == 2


def test_step_of_target_networks_is_none_of_crossq():
    with pytest.raises(UnsupportedHyperparameter, match=r"tau=0.1 cannot be expressed"):
        module_of(EVERY["crossq"]).arguments_of(EVERY["crossq"].call(tau=0.1))


def test_hyperparameter_of_other_on_policy_algorithms_is_none_of_trpo():
    with pytest.raises(UnsupportedHyperparameter, match=r"ent_coef=0.1 cannot be expressed"):
        module_of(EVERY["trpo"]).arguments_of(EVERY["trpo"].call(ent_coef=0.1))


def test_reference_names_a_module_for_each_algorithm_and_maps_that_exist():
    algos = tomllib.loads((FOLDER / "reference.toml").read_text())["algos"]
    assert set(algos) == set(EVERY)
    for algo, row in algos.items():
        assert row["module"] == EVERY[algo].reference.module
        assert (row.get("tap_map") is not None) == (algo in TAPPED)
