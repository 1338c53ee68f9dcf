"""The benchmark of false alarms of the pre-flight, small: it can ask every algorithm there is."""

import pytest

from benchmarks import preflight
from harness.spec.cards import algos, card


def test_every_kind_of_actions_has_an_environment():
    assert {kind for algo in algos() for kind in card(algo).action_types} == set(preflight.ENVS)


def test_reference_of_another_library_is_compared_with_itself(capsys):
    pytest.importorskip("sb3_contrib", reason="the reference is pip install 'rl-parity[contrib]'")
    assert preflight.main(["--algos", "qrdqn", "--seeds", "3", "--jobs", "1"]) == 0
    assert "qrdqn on CartPole-v1: 3 comparisons, 0 alarms" in capsys.readouterr().out
