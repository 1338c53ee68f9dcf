import pytest

from harness.errors import UnknownName
from harness.records import COMPONENTS, STAGES
from harness.spec.cards import algos, card
from harness.spec.metrics import metric, metrics_of

BASE = {
    *("episode_return", "episode_length", "action.mean", "action.std", "reward.mean"),
    *("loss", "grad_norm", "grad_norm_unclipped", "param_norm", "update_norm"),
    *("learning_rate", "updates_per_env_step"),
}


def test_metrics_of_dqn_holds_the_closed_base_names_and_the_taps():
    names = set(metrics_of("dqn"))
    assert names >= BASE
    traced = {tap.name for tap in card("dqn").taps if tap.is_traced}
    assert {name.split(".")[0] for name in names - BASE} == traced


def test_metrics_of_only_episode_return_is_a_curve():
    assert [m.name for m in metrics_of("dqn").values() if m.family == "curve"] == ["episode_return"]


def test_metrics_of_tap_tests_mean_and_std_alone():
    tested = {
        name.rpartition(".")[2]: row.is_tested
        for name, row in metrics_of("dqn").items()
        if name.startswith("td_target.")
    }
    assert tested == {
        "mean": True,
        "std": True,
        "min": False,
        "max": False,
        "norm": False,
        "nonfinite": False,
    }


def test_metrics_of_scalar_tap_has_mean_and_nonfinite_alone():
    names = [name for name in metrics_of("dqn") if name.startswith("epsilon")]
    assert names == ["epsilon.mean", "epsilon.nonfinite"]


def test_metrics_of_tap_with_fields_names_each_field():
    assert metrics_of("dqn")["batch.rewards.mean"].component == "replay-buffer"


@pytest.mark.parametrize("algo", algos())
def test_metrics_of_every_row_uses_the_closed_lists(algo):
    for name, row in metrics_of(algo).items():
        assert row.name == name
        assert row.component in COMPONENTS
        assert row.stage in STAGES
        assert row.description


def test_metric_of_a_further_optimiser_is_resolved():
    row = metric("dqn", "grad_norm.2")
    assert (row.name, row.clock, row.is_tested) == ("grad_norm.2", "update", True)
    assert "optimiser 3" in row.description


@pytest.mark.parametrize("name", ["grad_norm.0", "episode_return.1", "td_targt.mean", "loss.x"])
def test_metric_outside_the_table_is_refused(name):
    with pytest.raises(UnknownName, match=r"unknown metric"):
        metric("dqn", name)
