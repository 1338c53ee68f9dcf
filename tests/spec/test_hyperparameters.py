import pytest

from harness.errors import UnknownName, UsageError
from harness.spec.cards import Hyperparameter, card
from harness.spec.hyperparameters import check_settings, check_value, split_assignments


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("gamma=0.9", 0.9),
        ("gamma = 0.9", 0.9),
        ("net_arch=[64, 64]", [64, 64]),
        ("buffer_size=50_000", 50_000),
        ("learning_rate=lin_1e-3", "lin_1e-3"),
        ("x=a=b", "a=b"),
        ("x=1\ny = 2", "1\ny = 2"),
        ("x=", ""),
    ],
)
def test_split_assignments_reads_toml_literals_and_falls_back_to_text(word, value):
    assert list(split_assignments([word]).values()) == [value]


def test_split_assignments_repeated_name_keeps_the_last():
    assert split_assignments(["gamma=0.9", "gamma=0.8"]) == {"gamma": 0.8}


@pytest.mark.parametrize("word", ["gamma", "=3", " =3", ""])
def test_split_assignments_malformed_word_shows_the_form(word):
    with pytest.raises(UsageError, match=r"expected name=value, got"):
        split_assignments([word])


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("gamma", 1, 1.0),
        ("buffer_size", 1e5, 100_000),
        ("learning_rate", "lin_1e-3", "lin_0.001"),
        ("train_freq", [1, "episode"], [1, "episode"]),
        ("train_freq", 4.0, 4),
        ("gradient_steps", -1, -1),
    ],
)
def test_check_settings_makes_values_canonical(name, value, canonical):
    checked = check_settings(card("dqn"), {name: value})[name]
    assert (checked, type(checked)) == (canonical, type(canonical))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gamma", "high", "expected a number from 0 to 1, got 'high'"),
        ("gamma", 1.5, "expected a number from 0 to 1, got 1.5"),
        ("gamma", True, "got True"),
        ("gamma", float("nan"), "got nan"),
        ("batch_size", 0, "expected a whole number, at least 1, got 0"),
        ("batch_size", 3.5, "expected a whole number"),
        ("learning_rate", "cos_1e-3", "linear fall"),
        ("learning_rate", "lin_-1", "linear fall"),
        ("train_freq", [1, "epoch"], "episode"),
        ("net_arch", 64, "a list of whole numbers"),
        ("net_arch", [64, "big"], "a list of whole numbers"),
        ("net_arch", [0], "a list of whole numbers"),
    ],
)
def test_check_settings_wrong_value_says_expected_and_seen(name, value, expected):
    with pytest.raises(UsageError) as caught:
        check_settings(card("dqn"), {name: value})
    assert expected in str(caught.value)
    assert f"--set {name}:" in str(caught.value)
    assert "default" in str(caught.value)


def test_check_settings_other_librarys_name_is_answered_with_sb3s():
    with pytest.raises(UsageError, match=r"Use --set learning_rate="):
        check_settings(card("dqn"), {"lr": 1e-3})


def test_check_settings_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown hyperparameter 'gama'.*did you mean 'gamma'"):
        check_settings(card("dqn"), {"gama": 0.9})


def test_check_value_choice_lists_the_words():
    row = Hyperparameter("kind", "choice", "a", "which", choices=("a", "b"))
    assert check_value(row, "b") == "b"
    with pytest.raises(UsageError, match=r"expected one of a, b, got 'c'"):
        check_value(row, "c")


@pytest.mark.parametrize(
    ("value", "canonical"), [("auto", "auto"), ("auto_1e-1", "auto_0.1"), (1, 1.0)]
)
def test_check_value_number_or_word_with_a_number_is_made_canonical(value, canonical):
    assert check_value(card("sac").hyperparameters["ent_coef"], value) == canonical


@pytest.mark.parametrize("value", ["auto_X", "auto_-1", "auto_", "autos", "0.1", -1])
def test_check_value_word_with_something_else_than_a_number_is_an_error(value):
    with pytest.raises(UsageError, match=r"expected a number or 'auto' or 'auto_X', at least 0"):
        check_value(card("sac").hyperparameters["ent_coef"], value)


@pytest.mark.parametrize(
    ("value", "canonical"), [("none", None), ("normal_1e-1", "normal_0.1"), ("ou_2", "ou_2.0")]
)
def test_check_value_of_words_alone_is_made_canonical(value, canonical):
    assert check_value(card("td3").hyperparameters["action_noise"], value) == canonical


@pytest.mark.parametrize("value", [0.1, "normal", "normal_-1", "gauss_1"])
def test_check_value_of_words_alone_takes_no_number_and_no_other_word(value):
    with pytest.raises(UsageError, match=r"expected 'none' or 'normal_X' or 'ou_X', at least 0"):
        check_value(card("td3").hyperparameters["action_noise"], value)


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("clip_range_vf", "none", None),
        ("clip_range_vf", None, None),
        ("clip_range_vf", "lin_0.2", "lin_0.2"),
        ("target_kl", 1, 1.0),
        ("normalize_advantage", False, False),
        ("net_arch", [8.0], [8]),
        ("net_arch", {"pi": [8], "vf": []}, {"pi": [8], "vf": []}),
    ],
)
def test_check_value_none_switches_and_layers_per_network(name, value, canonical):
    assert check_value(card("ppo").hyperparameters[name], value) == canonical


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("clip_range_vf", "off", r"or 'none', at least 0, got 'off'\n.*; default 'none'"),
        ("target_kl", -1, "expected a number or 'none', at least 0, got -1"),
        ("normalize_advantage", 1, "expected true or false, got 1"),
        ("net_arch", {"pi": [8]}, r"or \{ pi = \[64\], vf = \[64\] \}, at least 1, got"),
        ("net_arch", {"pi": [8], "vf": [0]}, "at least 1, got"),
        ("net_arch", {"pi": [8], "vf": 8}, "a list of whole numbers such as"),
        ("gamma", None, "expected a number from 0 to 1, got None"),
    ],
)
def test_check_value_wrong_word_switch_or_layers_say_expected_and_seen(name, value, message):
    with pytest.raises(UsageError, match=message):
        check_value(card("ppo").hyperparameters[name], value)
