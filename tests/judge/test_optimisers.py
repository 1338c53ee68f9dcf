"""Curves of optimisers are compared like with like, or not at all."""

import numpy as np

from harness.judge.optimisers import matched_optimisers
from harness.records import Curves


def curves(*names):
    return {name: Curves(name, np.array([1]), np.full((1, 1), 0.0), (0,)) for name in names}


def test_norms_of_one_optimiser_are_not_compared_with_those_of_two_that_share_its_networks():
    mine = curves("param_norm", "learning_rate", "episode_return")
    matched, why = matched_optimisers(mine, mine=[9_155], reference=[4_610, 4_545])
    assert [*matched] == ["param_norm", "learning_rate", "episode_return"]
    sentence = "of optimisers that train 9,155 elements beside 4,610 + 4,545, not compared"
    assert why == {"param_norm": sentence}


def test_optimisers_that_step_in_another_order_are_compared_by_what_they_train():
    matched, why = matched_optimisers(
        curves("loss", "loss.1", "action.mean"), mine=[7, 3], reference=[3, 7]
    )
    assert {name: curve.metric for name, curve in matched.items()} == {
        "loss.1": "loss.1", "loss": "loss", "action.mean": "action.mean",
    }  # fmt: skip
    assert [*matched] == ["loss.1", "loss", "action.mean"]
    assert why == {}


def test_optimisers_of_other_sizes_keep_their_places():
    matched, why = matched_optimisers(curves("loss", "loss.1"), mine=[7, 3], reference=[7, 4])
    assert ([*matched], why) == (["loss", "loss.1"], {})


def test_side_whose_optimisers_were_not_seen_keeps_its_curves():
    matched, why = matched_optimisers(curves("loss"), mine=[7], reference=[])
    assert ([*matched], why) == (["loss"], {})
