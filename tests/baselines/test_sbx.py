"""Algorithms of sbx as sides: names translated, what sbx ignores refused, updates seen."""

import importlib
import json
import subprocess
import sys

import pytest

pytest.importorskip("sbx", reason="the reference is pip install 'rl-parity[jax]'")

from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from harness.spec.references import references
from tests.baselines.begin_sbx import EVERY, call_of

ADAM = {"betas": [0.9, 0.999], "eps": 1e-8, "eps_root": 0.0, "nesterov": False}


def module_of(algo):
    return importlib.import_module(f"baselines.sbx.{algo}")


def arguments_of(algo, **changes):
    return module_of(algo).arguments_of(call_of(algo, **changes))


@pytest.fixture(scope="module")
def facts():
    words = [sys.executable, "-m", "tests.baselines.begin_sbx"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def test_reference_names_a_module_for_each_algorithm():
    rows = references()["sbx"].algos
    assert {algo: row["module"] for algo, row in rows.items()} == {
        algo: f"baselines.sbx.{algo}" for algo in EVERY
    }


@pytest.mark.parametrize("algo", EVERY)
def test_every_hyperparameter_of_the_card_is_taken(algo):
    assert module_of(algo).arguments_of(call_of(algo, **card(algo).defaults))


@pytest.mark.parametrize("algo", EVERY)
def test_hyperparameter_outside_the_card_is_refused(algo):
    with pytest.raises(UnsupportedHyperparameter, match="momentum=1 cannot be expressed"):
        arguments_of(algo, momentum=1)


@pytest.mark.parametrize(
    ("algo", "changes", "words"),
    [
        ("ppo", {"clip_range_vf": 0.2}, "sbx takes it and does nothing with it"),
        ("ppo", {"target_kl": 0.1}, "sbx changes the learning rate by it"),
        ("dqn", {"policy": "CnnPolicy"}, "images are not attached"),
        ("dqn", {"net_arch": [8, 4]}, "two hidden layers of one width"),
        ("dqn", {"net_arch": [8]}, "two hidden layers of one width"),
        ("dqn", {"learning_rate": "lin_0.1"}, "for PPO alone: give a number"),
        ("td3", {"learning_rate": "lin_0.1"}, "for PPO alone: give a number"),
        ("sac", {"target_update_interval": 2}, "steps its target networks at every update"),
        ("tqc", {"target_update_interval": 2}, "steps its target networks at every update"),
        ("tqc", {"n_critics": 3}, "two critics"),
        ("crossq", {"tau": 0.1}, "supported: buffer_size"),
    ],
)
def test_value_that_sbx_ignores_is_refused_in_words(algo, changes, words):
    [(name, value)] = changes.items()
    with pytest.raises(UnsupportedHyperparameter, match=words) as refused:
        arguments_of(algo, **changes)
    assert (refused.value.name, refused.value.value) == (name, value)


def test_other_device_is_refused_in_words():
    call = call_of("ppo")
    with pytest.raises(UnsupportedHyperparameter, match="--device cpu"):
        module_of("ppo").arguments_of(type(call)(**{**vars(call), "device": "cuda"}))


def test_activation_is_taken_from_flax():
    import flax.linen as nn

    assert arguments_of("ppo", activation_fn="ReLU")["policy_kwargs"]["activation_fn"] is nn.relu


def test_one_learning_rate_serves_both_networks_of_ddpg():
    assert arguments_of("ddpg")["qf_learning_rate"] is None


@pytest.mark.parametrize("algo", EVERY)
def test_training_is_observed_with_its_updates(facts, algo):
    found = facts[algo]
    assert found["reason"] is None
    assert found["env_steps"] >= 96
    assert found["first_non_finite"] is None
    assert set(found["optimiser_class"]) == {"Adam"}
    assert found["dtype"] == "float32"


def test_rounds_of_dqn_are_counted_behind_its_clip(facts):
    found = facts["dqn"]
    assert found["n_updates"] == [42]  # 14 rounds of 3: after 44, 48 ... 96 env steps
    assert (found["first_update_env_step"], found["last_update_env_step"]) == ([44], [96])
    assert found["grad_clip"] == [0.4]
    assert found["optimiser_constants"] == [ADAM]
    assert found["trained_parameter_count"] == [4 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2]
    assert found["trained_parameter_shapes"] == [[[2], [2, 8], [8], [8], [8, 4], [8, 8]]]


def test_actor_and_critic_of_ppo_are_two_optimisers_with_the_schedule(facts):
    found = facts["ppo"]
    assert found["n_updates"] == [12, 12]  # 3 rollouts, 2 epochs of 2 minibatches
    assert found["learning_rate_first"] == pytest.approx([0.01 * 2 / 3] * 2)
    assert found["learning_rate_last"] == [0.0, 0.0]
    assert found["grad_clip"] == [0.5, 0.5]
    assert {tuple(one["betas"]) for one in found["optimiser_constants"]} == {(0.9, 0.999)}
    assert {one["eps"] for one in found["optimiser_constants"]} == {1e-5}


def test_delayed_actor_of_td3_is_counted_apart(facts):
    actor, critic = facts["td3"]["n_updates"]
    assert (actor, critic) == (28, 56)


def test_constant_temperature_of_sac_is_no_optimiser(facts):
    assert len(facts["sac"]["n_updates"]) == 2
    assert len(facts["tqc"]["n_updates"]) == 4  # actor, two critics, temperature
    assert facts["tqc"]["trained_parameter_count"][-1] == 1


def test_momentum_of_crossq_is_seen(facts):
    assert [one["betas"] for one in facts["crossq"]["optimiser_constants"]] == [
        [0.5, 0.999], [0.5, 0.999], [0.9, 0.999],
    ]  # fmt: skip


def test_same_seed_ends_in_the_same_weights(facts):
    words = [sys.executable, "-m", "tests.baselines.begin_sbx", "ppo"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    again = json.loads(found.stdout.splitlines()[-1])["ppo"]
    assert again["final_weights_sha256"] == facts["ppo"]["final_weights_sha256"]
