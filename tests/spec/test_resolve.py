from dataclasses import replace

import pytest

from harness.errors import UnknownName, UsageError
from harness.records import Margin
from harness.spec.cards import card
from harness.spec.request import Request
from harness.spec.resolve import parse_margin, parse_seeds, parse_total_timesteps, resolve

EASY = Request("dqn", ("easy",))


def _resolve(**changes):
    return resolve(replace(EASY, **changes), identify=lambda side: replace(side, source_digest="d"))


def test_resolve_defaults_of_the_standard_budget():
    spec = _resolve()
    assert spec.looks == (3, 5, 8)
    assert spec.seeds == tuple(range(8))
    assert (spec.alpha, spec.margin, spec.budget) == (0.05, Margin(1.0), "standard")
    assert [env.total_timesteps for env in spec.envs] == [20_000]
    assert spec.taps == card("dqn").tap_clocks


def test_resolve_identifies_both_sides():
    spec = _resolve()
    assert (spec.mine.source_digest, spec.reference.source_digest) == ("d", "d")


def test_resolve_hyperparameters_come_from_table_default_and_set_with_source():
    env = _resolve(settings={"gamma": 0.9}).envs[0]
    assert env.hyperparameters["gamma"] == 0.9
    assert env.hyperparameters["train_freq"] == 256
    assert env.hyperparameters["tau"] == 1.0
    sources = [env.sources[name] for name in ("gamma", "train_freq", "tau")]
    assert sources == [
        "--set",
        "rl-baselines3-zoo hyperparams/dqn.yml CartPole-v1",
        "SB3 default",
    ]


def test_resolve_every_hyperparameter_of_the_card_is_sent_with_a_source():
    env = _resolve(envs=("MountainCar-v0", "FrozenLake-v1"), total_timesteps="2000").envs[1]
    assert set(env.hyperparameters) == set(env.sources) == set(card("dqn").hyperparameters)
    assert env.hyperparameters == card("dqn").defaults


def test_resolve_total_timesteps_replaces_the_budget_on_every_env():
    spec = _resolve(envs=("easy", "medium"), total_timesteps="5e3")
    assert [env.total_timesteps for env in spec.envs] == [5000] * 3


def test_resolve_run_that_ends_before_learning_is_refused():
    with pytest.raises(
        UsageError, match=r"500 env steps on CartPole-v1 end before learning begins"
    ):
        _resolve(total_timesteps="500")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"algo": "dpn"}, UnknownName, "did you mean 'dqn'"),
        ({"budget": "standart"}, UnknownName, "did you mean 'standard'"),
        ({"device": "gpu"}, UnknownName, "unknown device 'gpu'"),
        ({"difference_test": "maxt"}, UnknownName, "did you mean 'max-t'"),
        ({"alpha": 0.5}, UsageError, "above 0 and below 0.5, got 0.5"),
        ({"alpha": 0.0}, UsageError, "above 0 and below 0.5, got 0.0"),
        ({"alpha": float("nan")}, UsageError, "got nan"),
    ],
)
def test_resolve_wrong_word_is_answered(changes, error, words):
    with pytest.raises(error) as caught:
        _resolve(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seeds", "looks"),
    [
        ("5", (0, 1, 2, 3, 4), (5,)),
        ("0,1,7", (0, 1, 7), (3,)),
        ("7, 3,", (7, 3), (2,)),
        (None, tuple(range(20)), (3, 5, 8, 12, 20)),
    ],
)
def test_parse_seeds_number_list_or_adaptive(text, seeds, looks):
    assert parse_seeds(text, "thorough") == (seeds, looks)


@pytest.mark.parametrize(
    "text", ["x", "", ",", "1", "0", "-3", "1,1", "-1,2", "2.5", "1,x", "1e9", "0,4294967296", "7,"]
)
def test_parse_seeds_wrong_text_says_expected_and_seen(text):
    with pytest.raises(UsageError, match=r"--seeds expected .*, got ") as caught:
        parse_seeds(text, "quick")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "steps"), [("20000", 20_000), ("2e4", 20_000), ("20_000", 20_000)]
)
def test_parse_total_timesteps_takes_three_spellings(text, steps):
    assert parse_total_timesteps(text) == steps


@pytest.mark.parametrize("text", ["0", "-5", "x", "1.5", "inf", "nan", "1e99", ""])
def test_parse_total_timesteps_wrong_text_says_so(text):
    with pytest.raises(UsageError, match=r"--total-timesteps expected a positive whole number"):
        parse_total_timesteps(text)


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("1sd", Margin(1.0)),
        ("0.5 sd", Margin(0.5)),
        ("20", Margin(20.0, is_absolute=True)),
    ],
)
def test_parse_margin_in_deviations_or_reward(text, margin):
    assert parse_margin(text) == margin


@pytest.mark.parametrize("text", ["0", "-1sd", "sd", "wide", "nan", "infsd", ""])
def test_parse_margin_wrong_text_says_so(text):
    with pytest.raises(UsageError, match=r"--margin expected a positive number, got"):
        parse_margin(text)
