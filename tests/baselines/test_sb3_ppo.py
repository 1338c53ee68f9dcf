import tomllib
from pathlib import Path

import pytest
import torch

import baselines.sb3
from baselines.sb3 import on_policy
from baselines.sb3.normalisation import NAMES
from baselines.sb3.ppo import PASSED_ON, SCHEDULES, arguments_of, side
from harness.probes.registry import register
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.test_sb3_dqn import final_weights
from tests.my_impls.handing_on import record
from tests.run.observing import MemoryWriter, a_run

FOLDER = Path(baselines.sb3.__file__).parent
# No library's defaults, and no two alike; the last minibatch of an epoch is smaller.
EXPOSING = {
    "learning_rate": "lin_0.01",
    "n_steps": 20,
    "batch_size": 16,
    "n_epochs": 3,
    "gamma": 0.93,
    "gae_lambda": 0.8,
    "clip_range": "lin_0.13",
    "ent_coef": 0.017,
    "vf_coef": 0.37,
    "max_grad_norm": 0.41,
    "net_arch": {"pi": [24, 16], "vf": [20]},
}
TAPS = card("ppo").tap_clocks
SIDE = SideSpec("sb3", None, "baselines.sb3.ppo", "side", str(FOLDER / "ppo.toml"), "")

register()


def a_call(env_id="CartPole-v1", n_envs=1, **hyperparameters):
    return Call("ppo", env_id, 3, 240, n_envs, {**EXPOSING, **hyperparameters})


def sb3_with_taps():
    """Return SB3's PPO as a callable side whose map has been applied."""
    return load_side(SIDE)


@pytest.mark.parametrize(
    ("env_id", "more"),
    [
        ("CartPole-v1", {}),
        ("Pendulum-v1", {}),
        ("Pendulum-v1", {"norm_obs": True, "norm_reward": True, "clip_reward": 0.5}),
    ],
)
def test_taps_and_watching_change_no_bit_of_the_training(env_id, more):
    script = a_call(env_id, 2, target_kl=0.01, clip_range_vf=0.2, **more)
    without_a_map = final_weights(lambda: side(script))
    tapped = sb3_with_taps()
    assert final_weights(lambda: tapped(script)) == without_a_map
    run = a_run(240, env_id=env_id, n_envs=2, taps=TAPS)
    with Observation(run, MemoryWriter()) as observation:
        tapped(script)
    assert observation.facts()["final_weights_sha256"] == without_a_map
    assert observation.unobserved_reason() is None


def test_every_tap_of_the_card_fires_with_its_fields():
    tape = record(sb3_with_taps(), a_call("probes/Exposing-v0", 3, norm_obs=True, norm_reward=True))
    assert tape.names == {row.name for row in card("ppo").taps}
    for row in card("ppo").taps:
        if row.fields:
            assert set(tape.of(row.name)[0]) == set(row.fields)


def test_taps_fire_once_per_step_and_once_per_minibatch():
    tape = record(sb3_with_taps(), a_call("probes/Exposing-v0", 3))
    steps = 240 // 3
    for name in ("obs", "value", "action", "log_prob", "transition"):
        assert len(tape.of(name)) == steps
    rounds, minibatches = 4, 4 * 3 * 4
    for name in ("last_value", "advantages", "returns", "clip_range", "learning_rate"):
        assert len(tape.of(name)) == rounds
    for name in ("rows", "minibatch", "new_values", "new_log_prob", "entropy", "ratio", "loss"):
        assert len(tape.of(name)) == minibatches


def test_observed_run_has_its_metrics():
    writer = MemoryWriter()
    with Observation(a_run(240, taps=TAPS), writer) as observation:
        sb3_with_taps()(a_call())
    facts = observation.facts()
    assert set(facts["unseen_taps"]) <= {"terminal_value"}
    assert facts["unknown_taps"] == {}
    assert facts["reset_seeds"] == [3]
    names = {name for _, values in writer.lines for name in values}
    assert {"ratio.mean", "entropy.mean", "value.mean", "approx_kl.mean"} <= names
    for field in ("obs", "actions", "old_log_prob", "old_values", "advantages", "returns"):
        assert f"minibatch.{field}.mean" in names


def test_hyperparameters_reach_the_constructor_under_sb3s_names():
    arguments = arguments_of(a_call(activation_fn="relu", clip_range_vf=None, ortho_init=False))
    assert arguments["policy_kwargs"] == {
        "net_arch": {"pi": [24, 16], "vf": [20]},
        "activation_fn": torch.nn.ReLU,
        "ortho_init": False,
    }
    assert arguments["learning_rate"](0.5) == 0.005
    assert arguments["clip_range"](0.5) == 0.065
    assert "clip_range_vf" not in arguments


def test_every_hyperparameter_of_the_card_is_taken():
    shared = {*on_policy.PASSED_ON, *on_policy.SCHEDULES, *on_policy.POLICY}
    assert set(card("ppo").hyperparameters) <= {*PASSED_ON, *SCHEDULES, *shared, *NAMES}


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"tau": 1}, "tau=1 cannot be expressed"),
        ({"clip_range": "cos_1"}, "clip_range='cos_1' cannot be expressed"),
        ({"clip_range_vf": "lin_x"}, "expected a number or 'lin_X'"),
    ],
)
def test_value_that_cannot_be_expressed_is_refused(hyperparameters, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        side(a_call(**hyperparameters))


def test_reference_knows_the_side_and_its_map():
    reference = tomllib.loads((FOLDER / "reference.toml").read_text())
    assert (FOLDER / reference["algos"]["ppo"]["tap_map"]).is_file()
    assert reference["algos"]["ppo"]["module"] == side.__module__
