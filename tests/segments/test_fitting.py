"""A scenario takes the values that both sides can express, and says which side could not."""

from types import SimpleNamespace

import pytest

from harness.records import SideSpec
from harness.segments import child, fitting
from harness.segments.join import joined
from harness.segments.runtime import Policy
from harness.segments.scenario import scenarios

SCENARIO = scenarios()["ppo"][0]


def side(name):
    return SideSpec(name, f"{name}.py", None, "side", None, "")


@pytest.fixture
def refusing(monkeypatch):
    """Let each side refuse every value but one of one hyperparameter."""
    refused = {}

    def play(who, call, **_how):
        name, value = refused.get(who.name, ("", None))
        is_refused = bool(name) and call.hyperparameters.get(name, value) != value
        return SimpleNamespace(
            unsupported=(name, "cannot") if is_refused else None,
            error=f"{name} cannot be expressed" if is_refused else "",
            tape=SimpleNamespace(env_steps=0 if is_refused else 1),
        )

    monkeypatch.setattr(child, "play", play)
    monkeypatch.setattr(fitting, "play", play)
    return refused


def recorded(fallback):
    sides = child.Sides(side("mine"), side("reference"), Policy())
    return child._recorded(SCENARIO, sides, child._players(sides), fallback)


def test_reference_that_knows_every_value_leaves_the_scenario_as_it_is(refusing):
    played, scenario = recorded({})
    assert scenario == SCENARIO
    assert not played.error


def test_value_that_the_reference_refuses_becomes_that_of_the_comparison(refusing):
    refusing["reference"] = ("gamma", 0.5)
    played, scenario = recorded({"gamma": 0.5})
    assert scenario.fixed == {"gamma": 0.5}
    assert not played.error


def test_reference_that_refuses_that_value_too_has_its_words_kept(refusing):
    refusing["reference"] = ("gamma", 0.5)
    played, _ = recorded({"gamma": 0.6})
    assert played.error == "gamma cannot be expressed"


def test_side_that_cannot_vary_a_value_is_named():
    fixed = fitting.fixed_by("mine", SCENARIO.fixing("gamma", 0.5))
    fixed += fitting.fixed_by(
        "reference", SCENARIO.fixing("n_steps", 7).fixing("gamma", 0.5), {"n_steps"}
    )
    answer = {"scenario": SCENARIO.name, "kind": "", "fixed": fixed}
    notes = joined("ppo", [SCENARIO], [answer]).notes
    assert f"scenario {SCENARIO.name!r}: mine cannot vary gamma; both sides take 0.5 there" in notes
    words = "the reference cannot vary n_steps; both sides take 7 there"
    assert f"scenario {SCENARIO.name!r}: {words}" in notes
