import ast
import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness.spec
from harness.errors import UnknownName, UsageError
from harness.spec.cards import algos, card
from harness.spec.cards.check import problems
from harness.spec.references import default_reference, references
from harness.spec.tables import read_table

# Read in a process of its own: importing SB3 is slow and brings torch along. The class is the one
# that the side's module imports. Later ones win: a policy's argument is a hyperparameter too, and
# net_arch is what is built when none is given. The policy's optimiser is the algorithm's own choice
# where no argument of the policy names another.
_DEFAULTS = """
import gymnasium, importlib, inspect, json
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

module = importlib.import_module("{module}")
(Algo,) = (
    value for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, BaseAlgorithm)
)
name = next(one for one in ("MlpPolicy", "MlpLstmPolicy") if one in Algo.policy_aliases)
policy = Algo.policy_aliases[name]
signatures = [inspect.signature(one.__init__).parameters for one in (policy, Algo)]
found = {{p.name: p.default for parameters in signatures for p in parameters.values()}}
plain = (int, float, str, type(None))
defaults = {{name: value for name, value in found.items() if isinstance(value, plain)}}
defaults["policy"] = "MlpPolicy"  # what the sides ask for where nothing else is said
defaults["norm_obs"] = defaults["norm_reward"] = False  # without VecNormalize; with it:
scaling = inspect.signature(VecNormalize.__init__).parameters
defaults |= {{name: scaling[name].default for name in ("clip_obs", "clip_reward")}}
defaults["norm_epsilon"] = scaling["epsilon"].default
defaults["optimizer_class"] = (found["policy_kwargs"] or {{}}).get("optimizer_class")

def shapes(**arguments):
    model = Algo(name, gymnasium.make("{env_id}"), **arguments)
    return [tuple(parameter.shape) for parameter in model.policy.parameters()]

if {net_arch} and shapes() == shapes(policy_kwargs=dict(net_arch={net_arch})):
    defaults["net_arch"] = {net_arch}
print(json.dumps(defaults))
"""
ENV_IDS = {"discrete": "CartPole-v1", "continuous": "Pendulum-v1"}


def a_card():
    """Return the file of a complete card, read, to be made incomplete."""
    return copy.deepcopy(read_table("cards/a2c.toml"))


@pytest.mark.parametrize("algo", algos())
def test_defaults_are_those_of_the_installed_library(algo):
    one = references()[default_reference(algo)]
    if one.installed_version is None:
        pytest.skip(one.pip)
    script = _DEFAULTS.format(
        module=one.algos[algo]["module"],
        env_id=ENV_IDS[card(algo).action_types[0]],
        net_arch=card(algo).defaults.get("net_arch"),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    own = read_table(f"cards/{algo}.toml").get("own_defaults", ())
    ours = {name: value for name, value in card(algo).defaults.items() if name not in own}
    assert ours == {name: theirs[name] for name in ours}
    assert all(card(algo).defaults[name] != theirs[name] for name in own)


@pytest.mark.parametrize("algo", algos())
def test_card_is_complete(algo):
    assert problems(read_table(f"cards/{algo}.toml"), name=algo) == ()


def _without(*path):
    def change(table):
        *way, last = path
        for key in way:
            table = table[key]
        del table[last]

    return change


def _with(*path_and_value):
    def change(table):
        *way, last, value = path_and_value
        for key in way:
            table = table[key]
        table[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("paper"), "'paper' is missing"),
        (_with("title", ""), "'title' is empty"),
        (_with("name", "acc"), "expected name 'a2c', as the file, got 'acc'"),
        (_with("tap", []), "key 'tap': did you mean 'taps'"),
        (_with("action_types", []), "action type ''"),
        (_with("action_types", ["discretes"]), "action type 'discretes': did you mean 'discrete'"),
        (_with("warmup", "starts"), "'starts' is no hyperparameter of the card"),
        (_with("own_defaults", ["lr"]), "'lr' is no hyperparameter of the card"),
        (_without("taps", 0, "unit"), "tap 'policy': 'unit' is missing"),
        (_without("taps", 0, "draws"), "tap 'policy': a source says how its draws are looked at"),
        (_with("taps", 3, "description", ""), "tap 'obs': its description is empty"),
        (_with("taps", 3, "role", "checks"), "tap 'obs': role 'checks': did you mean 'check'"),
        (_with("taps", 3, "composent", "loss"), "key 'composent': did you mean 'component'"),
        (_with("taps", 3, "component", "los"), "component 'los': did you mean 'loss'"),
        (_with("taps", 3, "name", "policy"), "tap 'policy' stands twice"),
        (_with("taps", 3, "stage", "sync"), "of stage 'collect' stands after 'sync'"),
        (_with("taps", 11, "at_ends", ["rewards"]), "'rewards' is none of its fields"),
        (_with("taps", 16, "gathers", "batch"), "tap 'minibatch': 'batch' is no tap of the card"),
        (_with("taps", 25, "terms", {"entropy": "los"}), "component 'los': did you mean 'loss'"),
        (_without("hyperparameters", "gamma", "default"), "'gamma': 'default' is missing"),
        (_with("hyperparameters", "gamma", "kind", "real"), "'gamma': kind 'real'"),
        (_with("hyperparameters", "clip_obs", "of", ["norm"]), "'norm' is no hyperparameter"),
        (_with("hyperparameters", "gamma", "max", 1), "key 'max': did you mean 'maximum'"),
        (_without("hyperparameters", "gamma"), "'gamma' is no hyperparameter of the card"),
        (_with("aliases", "gamma", "gamma"), "alias 'gamma' is a hyperparameter of the card"),
    ],
)
def test_card_that_is_not_complete_when_checked_says_what_and_where(change, words):
    table = a_card()
    assert problems(table, name="a2c") == ()
    change(table)
    assert any(words in found for found in problems(table, name="a2c"))


def test_card_that_is_not_complete_when_loaded_is_a_mistake_of_the_user(monkeypatch):
    table = a_card()
    del table["paper"]
    monkeypatch.setattr(sys.modules[card.__module__], "read_table", {"cards/a2c.toml": table}.get)
    with pytest.raises(UsageError, match=r"cards/a2c.toml is not complete:\n  'paper' is missing"):
        card.__wrapped__("a2c")


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
