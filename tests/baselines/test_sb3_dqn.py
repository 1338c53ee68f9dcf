import hashlib
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import baselines.sb3
from baselines.sb3 import off_policy
from baselines.sb3.dqn import PASSED_ON, side
from baselines.sb3.values import activation_of, schedule_of, train_freq_of
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from tests.run.observing import MemoryWriter, a_run

FOLDER = Path(baselines.sb3.__file__).parent
SMALL = {
    "learning_rate": "lin_0.01",
    "learning_starts": 60,
    "batch_size": 8,
    "buffer_size": 300,
    "train_freq": 16,
    "gradient_steps": 4,
    "target_update_interval": 24,
    "net_arch": [16],
}
TAPS = card("dqn").tap_clocks
SIDE = SideSpec("sb3", None, "baselines.sb3.dqn", "side", str(FOLDER / "dqn.toml"), "")


def a_call(total_timesteps=400, hyperparameters=SMALL, n_envs=1):
    return Call("dqn", "CartPole-v1", 3, total_timesteps, n_envs, hyperparameters)


def final_weights(work):
    """Return the hash of the weights of every optimiser that `work()` made, seen by a bare hook."""
    found = []
    handle = register_optimizer_step_post_hook(lambda o, *_: o in found or found.append(o))
    try:
        work()
    finally:
        handle.remove()
    parameters = [p for o in found for group in o.param_groups for p in group["params"]]
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in parameters)).hexdigest()


def test_watched_and_unwatched_training_end_in_the_same_bits():
    unwatched = final_weights(lambda: side(a_call()))
    writer = MemoryWriter()
    with Observation(a_run(400, taps=TAPS), writer) as observation:
        load_side(SIDE)(a_call())
    assert observation.facts()["final_weights_sha256"] == unwatched
    assert observation.facts()["n_updates"] == [88]
    assert observation.unobserved_reason() is None


def test_every_tap_of_the_map_is_seen_with_its_fields():
    writer = MemoryWriter()
    with Observation(a_run(400, taps=TAPS), writer) as observation:
        load_side(SIDE)(a_call())
    facts = observation.facts()
    assert facts["unseen_taps"] == []
    assert facts["unknown_taps"] == {}
    names = {name for _, values in writer.lines for name in values}
    for field in ("obs", "actions", "rewards", "next_obs", "terminated"):
        assert f"batch.{field}.mean" in names
    for field in ("obs", "action", "reward", "next_obs", "terminated"):
        assert f"transition.{field}.mean" in names
    assert {"q_values.std", "td_target.std", "epsilon.mean"} <= names


def test_parallel_environments_are_all_watched():
    with Observation(a_run(400, n_envs=2, taps=TAPS), MemoryWriter()) as observation:
        load_side(SIDE)(a_call(n_envs=2))
    facts = observation.facts()
    assert facts["n_training_envs"] == 2
    assert facts["reset_seeds"] == [3, 4]
    assert facts["env_steps"] == 416  # whole rounds of 16 steps of 2 environments


def test_hyperparameters_reach_the_constructor_under_sb3s_names():
    call = a_call(hyperparameters={**SMALL, "activation_fn": "tanh", "train_freq": [2, "episode"]})
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON)
    assert arguments["policy_kwargs"] == {"net_arch": [16], "activation_fn": torch.nn.Tanh}
    assert arguments["train_freq"] == (2, "episode")
    assert arguments["learning_rate"](0.5) == 0.005
    assert arguments["batch_size"] == 8


def test_every_hyperparameter_of_the_card_is_taken():
    from harness.spec.cards import card

    assert set(card("dqn").hyperparameters) <= {
        *PASSED_ON,
        *off_policy.PASSED_ON,
        *off_policy.TRANSLATED,
    }


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (
            lambda: schedule_of("learning_rate", "cos_1"),
            "learning_rate='cos_1' cannot be expressed",
        ),
        (lambda: schedule_of("learning_rate", "lin_x"), "expected a number or 'lin_X'"),
        (lambda: train_freq_of([1, "day"]), r"train_freq=\[1, 'day'\] cannot be expressed"),
        (lambda: activation_of("sine"), "one of relu, tanh, elu, leaky_relu"),
        (lambda: side(a_call(hyperparameters={"momentum": 1})), "momentum=1 cannot be expressed"),
    ],
)
def test_value_that_cannot_be_expressed_is_refused(convert, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        convert()


def test_reference_names_the_installed_distribution_and_its_files():
    reference = tomllib.loads((FOLDER / "reference.toml").read_text())
    assert reference["name"] == "sb3"
    assert version(reference["distribution"])
    assert (FOLDER / reference["algos"]["dqn"]["tap_map"]).is_file()
    assert reference["algos"]["dqn"]["module"] == side.__module__
