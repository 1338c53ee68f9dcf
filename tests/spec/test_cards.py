import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness.spec
from harness.errors import UnknownName
from harness.records import COMPONENTS, STAGES
from harness.spec.cards import algos, card

# Read in a process of its own: importing SB3 is slow and brings torch along. Later ones win: a
# policy's argument is a hyperparameter too, and net_arch is what is built when none is given. The
# policy's optimiser is the algorithm's own choice where no argument of the policy names another.
_DEFAULTS = """
import gymnasium, inspect, json, torch
from {library} import {algo} as Algo

policy = Algo.policy_aliases["MlpPolicy"]
signatures = [inspect.signature(one.__init__).parameters for one in (policy, Algo)]
found = {{p.name: p.default for parameters in signatures for p in parameters.values()}}
plain = (int, float, str, type(None))
defaults = {{name: value for name, value in found.items() if isinstance(value, plain)}}
defaults["optimizer_class"] = (found["policy_kwargs"] or {{}}).get("optimizer_class")
model = Algo("MlpPolicy", gymnasium.make("{env_id}"))
built = [
    [m.out_features for m in eval(network).modules() if isinstance(m, torch.nn.Linear)]
    for network in {networks}
]
assert all(widths == built[0] for widths in built)
print(json.dumps({{**defaults, "net_arch": built[0][:2]}}))
"""
_ACTOR_CRITIC = ["model.policy.mlp_extractor.policy_net", "model.policy.mlp_extractor.value_net"]
# Algorithm -> library and class, an environment for it, and where its hidden layers are.
BUILT = {
    "a2c": ("stable_baselines3", "A2C", "CartPole-v1", _ACTOR_CRITIC),
    "ddpg": ("stable_baselines3", "DDPG", "Pendulum-v1", ["model.actor.mu"]),
    "dqn": ("stable_baselines3", "DQN", "CartPole-v1", ["model.q_net"]),
    "ppo": ("stable_baselines3", "PPO", "CartPole-v1", _ACTOR_CRITIC),
    "qrdqn": ("sb3_contrib", "QRDQN", "CartPole-v1", ["model.quantile_net"]),
    "sac": ("stable_baselines3", "SAC", "Pendulum-v1", ["model.actor.latent_pi"]),
    "tqc": ("sb3_contrib", "TQC", "Pendulum-v1", ["model.actor.latent_pi"]),
    "trpo": ("sb3_contrib", "TRPO", "CartPole-v1", _ACTOR_CRITIC),
    "td3": ("stable_baselines3", "TD3", "Pendulum-v1", ["model.actor.mu"]),
}


@pytest.mark.parametrize("algo", algos())
def test_defaults_are_those_of_the_installed_library(algo):
    library, name, env_id, networks = BUILT[algo]
    pytest.importorskip(library)
    script = _DEFAULTS.format(library=library, algo=name, env_id=env_id, networks=networks)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = card(algo).defaults
    assert ours == {name: theirs[name] for name in ours}


@pytest.mark.parametrize("algo", algos())
def test_card_every_tap_names_known_component_and_stage(algo):
    for tap in card(algo).taps:
        assert tap.component in COMPONENTS
        assert tap.stage in STAGES


@pytest.mark.parametrize("algo", algos())
def test_card_taps_are_in_order_of_data_flow(algo):
    stages = [STAGES.index(tap.stage) for tap in card(algo).taps]
    assert stages == sorted(stages)


@pytest.mark.parametrize("algo", algos())
def test_card_aliases_point_to_hyperparameters_and_hide_none(algo):
    row = card(algo)
    assert set(row.aliases.values()) <= set(row.hyperparameters)
    assert not set(row.aliases) & set(row.hyperparameters)


@pytest.mark.parametrize("algo", algos())
def test_card_warmup_is_a_hyperparameter_or_empty(algo):
    assert card(algo).warmup in {"", *card(algo).hyperparameters}


@pytest.mark.parametrize("algo", algos())
def test_card_tap_clocks_know_every_tap_and_give_the_traced_ones_their_clock(algo):
    clocks = card(algo).tap_clocks
    assert [*clocks] == [tap.name for tap in card(algo).taps]
    traced = {tap.name: tap.clock for tap in card(algo).taps if tap.is_traced}
    assert {name: clock for name, clock in clocks.items() if clock != "none"} == traced


def test_card_unknown_algorithm_names_the_nearest():
    with pytest.raises(
        UnknownName, match=r"unknown algorithm 'dqnn' in --algo; did you mean 'dqn'"
    ):
        card("dqnn")


def test_card_machinery_names_no_algorithm():
    package = Path(harness.spec.__file__).parent
    sources = {file: file.read_text(encoding="utf-8") for file in package.rglob("*.py")}
    literals = {
        (file.name, node.value)
        for file, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value in algos()
    }
    assert literals == set()
