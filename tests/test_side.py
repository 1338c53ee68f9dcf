"""The contract with sides: which hyperparameters a call hands out, and which are refused."""

import pytest

from harness.segments.scenario import scenarios
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards.card import idle

CALL = Call("sac", "Pendulum-v1", 0, 100, 1, {"gamma": 0.9, "n_steps": 1}, idle=("n_steps",))


def test_only_hands_out_what_is_supported_and_leaves_out_what_is_switched_off():
    assert CALL.only("gamma") == {"gamma": 0.9}
    assert CALL.only("gamma", "n_steps") == {"gamma": 0.9, "n_steps": 1}


def test_only_refuses_what_is_switched_on():
    with pytest.raises(UnsupportedHyperparameter, match=r"gamma=0\.9 cannot be expressed"):
        CALL.only("n_steps")


@pytest.mark.parametrize(
    ("algo", "hyperparameters", "names"),
    [
        ("td3", {"n_steps": 1, "action_noise": None, "tau": 1.0}, ("n_steps", "action_noise")),
        ("td3", {"n_steps": 2, "action_noise": "normal_0.1"}, ()),
        ("ppo", {"n_steps": 1}, ()),  # there it is the length of a rollout
        ("toy", {"n_steps": 1}, ()),
    ],
)
def test_idle_are_values_of_the_card_that_switch_something_off(algo, hyperparameters, names):
    assert idle(algo, hyperparameters) == names


def test_scenario_that_does_not_use_a_hyperparameter_says_so_to_the_side():
    base, perturbed = scenarios()["sac"][:2]
    assert "n_steps" in base.call().idle
    assert "n_steps" not in perturbed.call().idle
