"""TD3 and DDPG of SB3 as sides; both share one file of the library, and these tests."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import baselines.sb3
from baselines.sb3 import ddpg, off_policy, td3
from harness import tap
from harness.probes.registry import register
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_sac import without_tap_map
from tests.my_impls.handing_on import record
from tests.run.observing import MemoryWriter, a_run

FOLDER = Path(baselines.sb3.__file__).parent
MODULES = {"td3": td3, "ddpg": ddpg}
ALGOS = tuple(MODULES)
MAPS = {algo: FOLDER / f"{algo}.toml" for algo in ALGOS}
ENV_ID = "probes/ExposingBox-v0"
# No value is a default, the buffer wraps, and no two periods share a factor.
DDPG = {
    "learning_rate": "lin_0.004",
    "buffer_size": 150,
    "learning_starts": 51,  # a whole number of rounds: the first update is a round later
    "batch_size": 16,
    "tau": 0.3,
    "gamma": 0.93,
    "train_freq": 3,
    "gradient_steps": 5,
    "action_noise": "normal_0.4",
    "n_steps": 2,
    "net_arch": {"pi": [16, 12], "qf": [10]},
}
EXPOSING = {
    "td3": {**DDPG, "policy_delay": 2, "target_policy_noise": 0.4, "target_noise_clip": 0.3},
    "ddpg": DDPG,
}
TAPS = {algo: card(algo).tap_clocks for algo in ALGOS}
SIDE = {
    algo: SideSpec("sb3", None, f"baselines.sb3.{algo}", "side", str(MAPS[algo]), "")
    for algo in ALGOS
}

register()


def a_call(algo="td3", env_id=ENV_ID, n_envs=1, total_timesteps=200, **changes):
    return Call(algo, env_id, 3, total_timesteps, n_envs, {**EXPOSING[algo], **changes})


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize("changes", [{}, {"action_noise": "ou_0.3", "n_steps": 1}])
def test_training_with_the_tap_map_and_without_ends_in_the_same_bits(algo, changes):
    with without_tap_map(MAPS[algo]):
        untapped = final_weights(lambda: MODULES[algo].side(a_call(algo, **changes)))
    with Observation(a_run(200, taps=TAPS[algo], env_id=ENV_ID), MemoryWriter()) as observation:
        load_side(SIDE[algo])(a_call(algo, **changes))
    assert observation.facts()["final_weights_sha256"] == untapped
    assert observation.unobserved_reason() is None


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize("n_envs", [1, 3])
def test_every_tap_of_the_card_fires_where_it_should_with_its_fields(algo, n_envs):
    call = a_call(algo, n_envs=n_envs, action_noise="ou_0.3")
    tape = record(load_side(SIDE[algo]), call)
    rows = {row.name: row for row in card(algo).taps}
    assert tape.names == set(rows)
    n_steps, n_updates = len(tape.of("transition")), len(tape.of("batch"))
    assert n_steps * n_envs == tape.env_steps
    delayed = n_updates // call.hyperparameters.get("policy_delay", 1)
    expected = dict.fromkeys(("action_pi", "q_pi", "actor_loss"), delayed)
    expected |= {"warmup_action": 51 // n_envs, "explore_draw": tape.env_steps}
    for name, row in rows.items():
        usual = n_steps if row.clock == "env_step" else n_updates
        times = 1 if row.shape == "module" else expected.get(name, usual)
        assert len(tape.of(name)) == times, name
        if row.fields:
            assert {*tape.of(name)[0]} == set(row.fields)


def test_taps_of_noise_and_of_several_steps_are_absent_where_these_are_off():
    tape = record(load_side(SIDE["td3"]), a_call(action_noise=None, n_steps=1, learning_starts=0))
    absent = {row.name for row in card("td3").taps} - tape.names
    assert absent == {"warmup_action", "explore_draw", "explore_noise"}
    assert np.allclose(tape.of("batch")[0]["discounts"], 0.93)


def handing_on(name, change, **changes):
    """Return what a run under `change` (applied to every event of the tap `name`) tapped."""
    seen = []

    def handle(tapped, value):
        seen.append((tapped, value))
        return change(value) if tapped == name else value

    tap.set_handler(handle)
    try:
        load_side(SIDE["td3"])(a_call(total_timesteps=60, **changes))
    finally:
        tap.set_handler(None)
    return seen


def values(seen, name):
    return [value for tapped, value in seen if tapped == name]


def test_noise_handed_on_is_added_to_warm_up_and_policy_and_clipped():
    seen = handing_on("explore_noise", lambda noise: np.full_like(noise, 0.75))
    actions = np.concatenate(values(seen, "action"))
    uniform = np.concatenate(values(seen, "warmup_action"))
    assert len(actions) > len(uniform) > 40
    assert np.allclose(actions[: len(uniform)], np.clip(uniform + 0.75, -1, 1), atol=1e-6)
    assert (actions == 1).any()


def test_draw_handed_on_makes_ornstein_uhlenbeck_noise_that_falls_back_at_episode_ends():
    ones = handing_on("explore_draw", np.ones_like, action_noise="ou_0.3")
    state, n_episodes, following = 0.0, 0, None
    for name, value in ones:
        if name == "obs" and not np.array_equal(value, following):  # an episode begins
            state, n_episodes = 0.0, n_episodes + 1
        if name == "explore_noise":
            state += -0.15 * 0.01 * state + 0.3 * 0.1
            assert np.allclose(value, state)
        if name == "transition":
            following = value["next_obs"]
    assert n_episodes > 5


@pytest.mark.parametrize("n_envs", [1, 3])
def test_rows_are_places_in_order_of_storage(n_envs):
    tape = record(load_side(SIDE["td3"]), a_call(n_envs=n_envs))
    stored, at = [], 0
    capacity = 150 // n_envs * n_envs
    for (name, _, _), value in tape.events.items():
        if name == "transition":
            stored.extend(value["action"])
        if name == "rows":
            rows, at = value[""], at + 1
        if name == "batch":
            kept = stored[-capacity:]
            assert [kept[row].tolist() for row in rows] == value["actions"].tolist()
    assert at > 50


@pytest.mark.parametrize("algo", ALGOS)
def test_hyperparameters_reach_the_constructor_under_sb3s_names(algo):
    call = a_call(algo, activation_fn="tanh", train_freq=[2, "episode"])
    arguments = off_policy.arguments_of(call, passed_on=MODULES[algo].PASSED_ON)
    assert arguments["policy_kwargs"] == {
        "net_arch": DDPG["net_arch"],
        "activation_fn": torch.nn.Tanh,
    }
    assert arguments["train_freq"] == (2, "episode")
    assert arguments["learning_rate"](0.5) == 0.002
    assert arguments["n_steps"] == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("normal_0.2", "NormalActionNoise(mu=[0. 0.], sigma=[0.2 0.2])"),
        ("ou_0.2", "OrnsteinUhlenbeckActionNoise(mu=[0. 0.], sigma=[0.2 0.2])"),
        (None, "None"),
    ],
)
def test_action_noise_is_sb3s_of_an_actions_shape(value, said):
    assert repr(off_policy.noise_of(value, shape=(2,))) == said


@pytest.mark.parametrize("value", ["uniform_0.2", "normal", "ou_x", 0.1])
def test_action_noise_of_another_form_is_refused(value):
    with pytest.raises(UnsupportedHyperparameter, match="expected none, 'normal_X' or 'ou_X'"):
        off_policy.noise_of(value, shape=(2,))


@pytest.mark.parametrize("algo", ALGOS)
def test_every_hyperparameter_of_the_card_is_taken(algo):
    known = {*MODULES[algo].PASSED_ON, *off_policy.PASSED_ON, *off_policy.TRANSLATED}
    assert set(card(algo).hyperparameters) <= known


def test_hyperparameter_of_td3_is_none_of_ddpg():
    with pytest.raises(UnsupportedHyperparameter, match="policy_delay=2 cannot be expressed"):
        ddpg.side(a_call("ddpg", policy_delay=2))


@pytest.mark.parametrize("algo", ALGOS)
def test_reference_names_the_sides_files(algo):
    row = tomllib.loads((FOLDER / "reference.toml").read_text())["algos"][algo]
    assert (FOLDER / row["tap_map"]).is_file()
    assert row["module"] == MODULES[algo].__name__
