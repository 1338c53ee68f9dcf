import tomllib
from pathlib import Path

import pytest
import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

import baselines.sb3
from baselines.sb3 import on_policy
from baselines.sb3.a2c import OPTIMISER, PASSED_ON, arguments_of, side
from baselines.sb3.normalisation import NAMES
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
# No library's defaults, and no two alike.
EXPOSING = {
    "learning_rate": "lin_0.01",
    "n_steps": 8,
    "gamma": 0.93,
    "gae_lambda": 0.8,
    "ent_coef": 0.017,
    "vf_coef": 0.37,
    "max_grad_norm": 0.41,
    "rms_prop_eps": 3e-4,
    "normalize_advantage": True,
    "net_arch": {"pi": [24, 16], "vf": [20]},
}
OPTIMISERS = {
    "RMSprop": {},
    "RMSpropTFLike": {"optimizer_class": "RMSpropTFLike"},
    "Adam": {"use_rms_prop": False},
}
TAPS = card("a2c").tap_clocks
SIDE = SideSpec("sb3", None, "baselines.sb3.a2c", "side", str(FOLDER / "a2c.toml"), "")

register()


def a_call(env_id="CartPole-v1", n_envs=1, **hyperparameters):
    return Call("a2c", env_id, 3, 240, n_envs, {**EXPOSING, **hyperparameters})


def sb3_with_taps():
    """Return SB3's A2C as a callable side whose map has been applied."""
    return load_side(SIDE)


@pytest.mark.parametrize(
    ("env_id", "optimiser"), [("CartPole-v1", "RMSprop"), ("Pendulum-v1", "RMSpropTFLike")]
)
def test_taps_and_watching_change_no_bit_of_the_training(env_id, optimiser):
    script = a_call(env_id, 2, **OPTIMISERS[optimiser])
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
    assert tape.names == {row.name for row in card("a2c").taps}
    for row in card("a2c").taps:
        if row.fields:
            assert set(tape.of(row.name)[0]) == set(row.fields)


def test_taps_fire_once_per_step_and_once_per_rollout():
    tape = record(sb3_with_taps(), a_call("probes/Exposing-v0", 3))
    for name in ("obs", "value", "action", "transition"):
        assert len(tape.of(name)) == 80
    for name in ("last_value", "advantages", "returns", "rows", "minibatch", "entropy", "loss"):
        assert len(tape.of(name)) == 10


def test_rows_are_every_step_of_every_environment_once():
    tape = record(sb3_with_taps(), a_call("probes/Exposing-v0", 3))
    every = {(step, env) for step in range(8) for env in range(3)}
    for rows in tape.of("rows"):
        pairs = [*zip(rows["step"].tolist(), rows["env"].tolist(), strict=True)]
        assert len(pairs) == len(every)
        assert {*pairs} == every


def test_observed_run_has_its_metrics():
    writer = MemoryWriter()
    with Observation(a_run(240, taps=TAPS), writer) as observation:
        sb3_with_taps()(a_call())
    facts = observation.facts()
    assert set(facts["unseen_taps"]) <= {"terminal_value"}
    assert facts["unknown_taps"] == {}
    assert facts["reset_seeds"] == [3]
    names = {name for _, values in writer.lines for name in values}
    assert {"entropy.mean", "value.mean", "new_log_prob.mean", "policy_loss.mean"} <= names
    for field in ("obs", "actions", "advantages", "returns"):
        assert f"minibatch.{field}.mean" in names


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_is_the_one_asked_for_with_its_constants(name):
    with Observation(a_run(240, taps=TAPS), MemoryWriter()) as observation:
        side(a_call(**OPTIMISERS[name]))
    facts = observation.facts()
    assert facts["optimiser_class"] == [name]
    (constants,) = facts["optimiser_constants"]
    assert constants["eps"] == (1e-5 if name == "Adam" else 3e-4)
    assert constants.get("alpha") == (None if name == "Adam" else 0.99)


def test_hyperparameters_reach_the_constructor_under_sb3s_names():
    arguments = arguments_of(a_call(activation_fn="relu", optimizer_class="RMSpropTFLike"))
    assert arguments["policy_kwargs"] == {
        "net_arch": {"pi": [24, 16], "vf": [20]},
        "activation_fn": torch.nn.ReLU,
        "optimizer_class": RMSpropTFLike,
        "optimizer_kwargs": {"alpha": 0.99, "eps": 3e-4},
    }
    assert arguments["learning_rate"](0.5) == 0.005
    assert OPTIMISER not in arguments


def test_every_hyperparameter_of_the_card_is_taken():
    shared = {*on_policy.PASSED_ON, *on_policy.SCHEDULES, *on_policy.POLICY}
    assert set(card("a2c").hyperparameters) <= {*PASSED_ON, *shared, OPTIMISER, *NAMES}


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"batch_size": 1}, "batch_size=1 cannot be expressed"),
        ({"learning_rate": "cos_1"}, "learning_rate='cos_1' cannot be expressed"),
        ({"optimizer_class": "SGD"}, "expected RMSpropTFLike"),
    ],
)
def test_value_that_cannot_be_expressed_is_refused(hyperparameters, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        side(a_call(**hyperparameters))


def test_reference_knows_the_side_and_its_map():
    reference = tomllib.loads((FOLDER / "reference.toml").read_text())
    assert (FOLDER / reference["algos"]["a2c"]["tap_map"]).is_file()
    assert reference["algos"]["a2c"]["module"] == side.__module__
