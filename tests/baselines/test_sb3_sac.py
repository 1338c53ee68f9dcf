import importlib
import inspect
import tomllib
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from types import CodeType

import pytest
import torch

import baselines.sb3
from baselines.sb3 import off_policy
from baselines.sb3.sac import PASSED_ON, side
from harness import tap
from harness.probes.registry import register
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.run.tapmap import TAP_GLOBAL, read_tap_map
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.test_sb3_dqn import final_weights
from tests.my_impls.handing_on import record
from tests.run.observing import MemoryWriter, a_run

FOLDER = Path(baselines.sb3.__file__).parent
MAP = FOLDER / "sac.toml"
ENV_ID = "probes/ExposingBox-v0"
# No value is a default, the buffer wraps, and no two periods share a factor.
EXPOSING = {
    "learning_rate": "lin_0.004",
    "buffer_size": 150,
    "learning_starts": 51,  # a whole number of rounds: the first update is a round later
    "batch_size": 16,
    "tau": 0.3,
    "gamma": 0.93,
    "train_freq": 3,
    "gradient_steps": 5,
    "ent_coef": "auto_0.4",
    "target_update_interval": 2,
    "target_entropy": -1.3,
    "net_arch": {"pi": [16, 12], "qf": [10]},
}
TAPS = card("sac").tap_clocks
SIDE = SideSpec("sb3", None, "baselines.sb3.sac", "side", str(MAP), "")

register()


def a_call(env_id=ENV_ID, n_envs=1, total_timesteps=200, **changes):
    return Call("sac", env_id, 3, total_timesteps, n_envs, {**EXPOSING, **changes})


def codes(code):
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from codes(constant)


@contextmanager
def without_tap_map(path=MAP):
    """Put the functions of the map back to what their files say, whatever ran before."""
    kept = []
    for entry in read_tap_map(path):
        module = importlib.import_module(entry.module)
        function = inspect.unwrap(attrgetter(entry.function)(module))
        source = compile(inspect.getsource(module), module.__file__, "exec", dont_inherit=True)
        kept.append((function, function.__code__))
        function.__code__ = dict(codes(source))[entry.function]
        assert TAP_GLOBAL not in function.__code__.co_names
    yield
    for function, code in reversed(kept):
        function.__code__ = code


@pytest.mark.parametrize("changes", [{}, {"ent_coef": 0.2, "batch_size": 1}])
def test_training_with_the_tap_map_and_without_ends_in_the_same_bits(changes):
    with without_tap_map():
        untapped = final_weights(lambda: side(a_call(**changes)))
    with Observation(a_run(200, taps=TAPS, env_id=ENV_ID), MemoryWriter()) as observation:
        load_side(SIDE)(a_call(**changes))
    assert observation.facts()["final_weights_sha256"] == untapped
    assert observation.unobserved_reason() is None


@pytest.mark.parametrize("n_envs", [1, 3])
def test_every_tap_of_the_card_fires_once_per_step_or_update_with_its_fields(n_envs):
    tape = record(load_side(SIDE), a_call(n_envs=n_envs))
    rows = {row.name: row for row in card("sac").taps}
    assert tape.names == set(rows)
    n_steps, n_updates = len(tape.of("transition")), len(tape.of("batch"))
    assert n_steps * n_envs == tape.env_steps
    for name, row in rows.items():
        is_once = row.shape == "module" or name == "log_alpha"
        expected = 1 if is_once else n_steps if row.clock == "env_step" else n_updates
        assert len(tape.of(name)) == expected, name
        if row.fields:
            assert {*tape.of(name)[0]} == set(row.fields)


def test_taps_of_the_temperature_are_absent_when_it_is_fixed():
    tape = record(load_side(SIDE), a_call(ent_coef=0.2))
    optional = {row.name for row in card("sac").taps if row.is_optional}
    assert {row.name for row in card("sac").taps} - tape.names == optional - {"alpha"}
    alphas = [float(value[""]) for value in tape.of("alpha")]
    assert alphas == pytest.approx([0.2] * len(tape.of("batch")))


def handing_on(name, change):
    """Return what a run under `change` (applied to every event of the tap `name`) tapped."""
    seen = []

    def handle(tapped, value):
        seen.append((tapped, value))
        return change(value) if tapped == name else value

    tap.set_handler(handle)
    try:
        load_side(SIDE)(a_call(total_timesteps=60))
    finally:
        tap.set_handler(None)
    return seen


def values(seen, name):
    return [value for tapped, value in seen if tapped == name]


@pytest.mark.parametrize(
    ("noise", "action", "log_prob"),
    [("policy_noise", "action_pi", "log_prob"),
     ("next_policy_noise", "next_action", "next_log_prob")],
)  # fmt: skip
def test_noise_handed_on_makes_the_action_and_its_density(noise, action, log_prob):
    own, moved = (handing_on(noise, change) for change in (lambda n: n, torch.zeros_like))
    first, zero = values(own, action)[0], values(moved, action)[0]
    sigma_noise = torch.atanh(first) - torch.atanh(zero)
    sigma = sigma_noise / values(own, noise)[0]
    expected = -(sigma.log() + 0.918939 + torch.log(1 - zero**2 + 1e-6)).sum(dim=1)
    assert torch.allclose(values(moved, log_prob)[0].squeeze(), expected, atol=1e-3)
    assert not values(own, noise)[0].requires_grad
    assert values(own, action)[0].requires_grad == (noise == "policy_noise")


def test_action_handed_on_is_stored_and_reaches_the_environment_stretched():
    call, received = a_call(total_timesteps=60), []

    class Listening(type(call)):
        def make_env(self):
            env = super().make_env()
            step = env.step
            env.step = lambda action: received.append(action) or step(action)
            return env

    stored = []

    def handle(name, value):
        if name == "transition":
            stored.append(value["action"])
        return value * 0 + 0.5 if name == "action" else value

    tap.set_handler(handle)
    try:
        load_side(SIDE)(Listening(**vars(call)))
    finally:
        tap.set_handler(None)
    assert {tuple(action[0]) for action in stored} == {(0.5, 0.5)}
    assert {tuple(action) for action in received} == {(1.375, 0.0)}  # of [-0.5, 2] and [-3, 1]


@pytest.mark.parametrize("n_envs", [1, 3])
def test_rows_are_places_in_order_of_storage(n_envs):
    tape = record(load_side(SIDE), a_call(n_envs=n_envs))
    stored, at = [], 0
    capacity = 150 // n_envs * n_envs
    for (name, _, _), value in tape.events.items():
        if name == "transition":
            stored.extend(value["reward"])
        if name == "rows":
            rows, at = value[""], at + 1
        if name == "batch":
            kept = stored[-capacity:]
            assert [kept[row] for row in rows] == value["rewards"].ravel().tolist()
    assert at > 50


def test_hyperparameters_reach_the_constructor_under_sb3s_names():
    call = a_call(activation_fn="tanh", train_freq=[2, "episode"])
    arguments = off_policy.arguments_of(call, passed_on=PASSED_ON)
    assert arguments["policy_kwargs"] == {
        "net_arch": EXPOSING["net_arch"],
        "activation_fn": torch.nn.Tanh,
    }
    assert arguments["train_freq"] == (2, "episode")
    assert arguments["learning_rate"](0.5) == 0.002
    assert arguments["ent_coef"] == "auto_0.4"


def test_every_hyperparameter_of_the_card_is_taken():
    assert set(card("sac").hyperparameters) <= {
        *PASSED_ON,
        *off_policy.PASSED_ON,
        *off_policy.TRANSLATED,
    }


def test_unknown_hyperparameter_is_refused():
    with pytest.raises(UnsupportedHyperparameter, match="use_sde=True cannot be expressed"):
        side(a_call(use_sde=True))


def test_reference_names_the_sides_files():
    row = tomllib.loads((FOLDER / "reference.toml").read_text())["algos"]["sac"]
    assert (FOLDER / row["tap_map"]).is_file()
    assert row["module"] == side.__module__
