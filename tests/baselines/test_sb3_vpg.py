import tomllib
from pathlib import Path

import pytest

import baselines.sb3
from baselines.sb3.vpg import AS_REINFORCE, HYPERPARAMETERS, arguments_of, side
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
    "normalize_advantage": True,
    "net_arch": {"pi": [24, 16], "vf": [20]},
}
TAPS = card("vpg").tap_clocks
SIDE = SideSpec("sb3", None, "baselines.sb3.vpg", "side", str(FOLDER / "vpg.toml"), "")

register()


def a_call(env_id="CartPole-v1", n_envs=1, **hyperparameters):
    return Call("vpg", env_id, 3, 240, n_envs, {**EXPOSING, **hyperparameters})


def sb3_with_taps():
    """Return SB3's A2C as REINFORCE, a callable side whose map has been applied."""
    return load_side(SIDE)


def test_taps_and_watching_change_no_bit_of_the_training():
    script = a_call("Pendulum-v1", 2)
    without_a_map = final_weights(lambda: side(script))
    tapped = sb3_with_taps()
    assert final_weights(lambda: tapped(script)) == without_a_map
    run = a_run(240, env_id="Pendulum-v1", n_envs=2, taps=TAPS)
    with Observation(run, MemoryWriter()) as observation:
        tapped(script)
    facts = observation.facts()
    assert facts["final_weights_sha256"] == without_a_map
    assert observation.unobserved_reason() is None
    assert facts["optimiser_class"] == ["Adam"]
    assert facts["grad_clip"] == [None]  # an infinite limit is none


def test_every_tap_of_the_card_fires_with_its_fields():
    tape = record(sb3_with_taps(), a_call("probes/Exposing-v0", 3))
    assert tape.names == {row.name for row in card("vpg").taps}
    for row in card("vpg").taps:
        if row.fields:
            assert set(tape.of(row.name)[0]) == set(row.fields)


def test_what_makes_a2c_reinforce_is_set_beside_what_is_asked_for():
    arguments = arguments_of(a_call())
    assert arguments["learning_rate"](0.5) == 0.005
    assert arguments["n_steps"] == 8
    assert {name: arguments[name] for name in AS_REINFORCE} == AS_REINFORCE


def test_every_hyperparameter_of_the_card_is_taken():
    assert set(card("vpg").hyperparameters) == set(HYPERPARAMETERS)


@pytest.mark.parametrize("name", AS_REINFORCE)
def test_what_makes_a2c_reinforce_cannot_be_changed(name):
    with pytest.raises(UnsupportedHyperparameter, match="cannot be expressed"):
        side(a_call(**{name: 0.9}))


def test_reference_knows_the_side_and_its_map():
    reference = tomllib.loads((FOLDER / "reference.toml").read_text())
    assert (FOLDER / reference["algos"]["vpg"]["tap_map"]).is_file()
    assert reference["algos"]["vpg"]["module"] == side.__module__
