"""A side that does not follow a hyperparameter: served where its value is the comparison's."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.codec import to_plain
from harness.judge.numerical import segment_gaps
from harness.segments import child, staying
from harness.segments.join import joined
from harness.segments.scenario import scenarios
from harness.segments.staying import beside
from harness.spec.cards import card
from tests.bugs.recorded import asked, side_of

ROOT = Path(__file__).parents[2]
READ = "    h = hyperparameters_of(call)\n"
# What the comparison asks for.
ASKED = {"net_arch": [20, 20], "batch_size": 32, "gamma": 0.99, "learning_rate": 1e-3, "n_envs": 1}


def result_of(folder, changes, *, values=ASKED, scenario="perturbed", env_steps=110):
    """Return what the scenario says of a copy in which hyperparameters are written down."""
    source = (ROOT / "my_impls/dqn.py").read_text()
    fixed = f"    h = __import__('dataclasses').replace(hyperparameters_of(call), {changes})\n"
    assert source.count(READ) == 1
    file = folder / "mine.py"
    file.write_text(source.replace(READ, fixed))
    reference = asked("dqn")
    (one,) = (one for one in scenarios()["dqn"] if one.name == scenario)
    one = replace(one, total_timesteps=env_steps, weight_seeds=0)
    sides = child.Sides(side_of(file), reference, child.policy_of(one))
    answer = child.run_scenario(one, sides, fallback={}, asked=values)
    return joined("dqn", [one], [json.loads(json.dumps(to_plain(answer)))])


def failed(result):
    return [row.tap for row in result.rows if row.status == "failed"]


def test_written_down_values_of_the_comparison_are_served_and_listed(tmp_path):
    result = result_of(tmp_path, "net_arch=(20, 20), batch_size=32, gamma=0.99")
    assert result.kept == {"net_arch": "[20, 20]", "batch_size": "32", "gamma": "0.99"}
    assert failed(result) == []
    said = "mine does the same whatever batch_size is asked for; both sides take the comparison's"
    assert any(f"{said} 32" in note for note in result.notes)
    (gap,) = (gap for gap in segment_gaps(result, card("dqn")) if "whatever is asked for" in gap)
    assert "batch_size (tested at 32)" in gap
    assert "follow it, or raise" in gap


def test_what_stays_unexercised_because_of_a_written_down_value_is_named(tmp_path):
    result = result_of(tmp_path, "max_grad_norm=1e-3", values={"max_grad_norm": 1e-3})
    assert result.kept == {"max_grad_norm": "0.001"}
    assert failed(result) == []
    lost = "not exercised because of that: gradients within the limit"
    assert any(lost in note for note in result.notes)


def test_values_that_stay_elsewhere_than_asked_still_differ(tmp_path):
    result = result_of(tmp_path, "learning_rate=5e-4, gamma=0.95")
    assert {"q_net_learning_rate", "batch"} <= {*failed(result)}


def test_branch_that_is_left_out_still_differs_although_the_comparison_does_not_need_it(tmp_path):
    result = result_of(tmp_path, "n_steps=1", values={"n_steps": 1})
    assert result.kept == {}
    assert "batch" in failed(result)
    assert any("whatever n_steps is asked for, and nothing shows" in one for one in result.notes)


def test_gradients_that_are_never_cut_still_differ_where_the_comparison_would_cut_none(tmp_path):
    values = {"max_grad_norm": 1e6}
    result = result_of(tmp_path, "max_grad_norm=1e9", values=values, scenario="base")
    assert result.kept == {}
    assert "q_net_grad" in failed(result)


def test_side_that_differs_in_nothing_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(staying, "stays_of", None)
    result = result_of(tmp_path, "batch_size=13")
    assert (failed(result), result.kept) == ([], {})


@pytest.mark.parametrize(
    ("value", "near"),
    [
        (3, [2, 4]),
        (True, [False]),
        ("auto", []),
        (None, []),
        ({"pi": [9], "qf": 30}, [{"pi": [8], "qf": 30}, {"pi": [10], "qf": 30},
                                 {"pi": [9], "qf": 27}, {"pi": [9], "qf": 33}]),
    ],
)  # fmt: skip
def test_values_beside_one_change_one_number_each(value, near):
    assert list(beside(value)) == near
