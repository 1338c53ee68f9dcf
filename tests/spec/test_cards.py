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

# Read in a process of its own: importing SB3 is slow and brings torch along.
_SIGNATURES = """
import inspect, json
from stable_baselines3 import {name} as Algo
from stable_baselines3.common.torch_layers import FlattenExtractor
parameters = inspect.signature(Algo.__init__).parameters.values()
print(json.dumps({{p.name: p.default for p in parameters
    if isinstance(p.default, (int, float, str)) and not isinstance(p.default, bool)}}))
"""


@pytest.fixture(scope="module")
def sb3_defaults():
    script = _SIGNATURES.format(name="DQN")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_dqn_defaults_are_those_of_the_installed_sb3(sb3_defaults):
    ours = {name: value for name, value in card("dqn").defaults.items() if name != "net_arch"}
    assert ours == {name: sb3_defaults[name] for name in ours}


def test_dqn_net_arch_default_is_what_sb3_builds():
    script = (
        "import gymnasium as g; from stable_baselines3 import DQN;"
        "m = DQN('MlpPolicy', g.make('CartPole-v1'));"
        "print([p.shape[0] for p in m.q_net.parameters() if p.ndim == 1][:-1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(card("dqn").defaults["net_arch"])


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
