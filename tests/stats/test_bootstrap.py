import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from harness.errors import TooFewSeeds
from harness.records import Curves
from harness.stats.bootstrap import (
    aggregate,
    aggregate_scores,
    iqm,
    normalise,
    stratified_bootstrap,
)

ORACLES = Path(__file__).parent / "oracles"


def rng():
    return np.random.default_rng(5)


def stored():
    return np.load(ORACLES / "arrays.npz"), json.loads((ORACLES / "rliable.json").read_text())


def side(rows):
    values = np.array(rows, float)
    grid = np.arange(1, values.shape[1] + 1, dtype=np.int64)
    return Curves("episode_return", grid, values, tuple(range(len(values))))


def test_iqm_equals_stored_rliable():
    arrays, oracle = stored()
    for name in ("mine", "reference"):
        assert iqm(list(arrays[f"scores_{name}"].T)) == pytest.approx(oracle["iqm"][name])
    assert iqm(list(arrays["scores_small"].T)) == pytest.approx(oracle["iqm_small"])


def test_intervals_agree_with_stored_rliable_up_to_resampling():
    arrays, oracle = stored()
    found = aggregate_scores(
        list(arrays["scores_mine"].T), list(arrays["scores_reference"].T), rng=rng(), n_boot=20_000
    )
    for name, interval in (("mine", found.mine), ("reference", found.reference)):
        low, high = oracle["interval"][name]
        # Standard error of a 2.5 % quantile of 20,000 draws is about 1.2 % of the interval's width.
        assert interval.low == pytest.approx(low, abs=0.07 * (high - low))
        assert interval.high == pytest.approx(high, abs=0.07 * (high - low))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), min_size=1, max_size=4))
def test_iqm_equals_scipy_trim_mean_on_pooled_scores(scores):
    arrays = [np.array(env_scores) for env_scores in scores]
    assert iqm(arrays) == pytest.approx(trim_mean(np.concatenate(arrays), 0.25), abs=1e-6)


def test_stratified_bootstrap_resamples_within_environments():
    scores = [np.zeros(4), np.full(4, 10.0)]
    assert set(stratified_bootstrap(scores, rng=rng(), n_boot=200)) == {5.0}


def test_stratified_bootstrap_mean_and_spread_match_theory_without_trimming():
    scores = [np.array([0.0, 1.0, 5.0])]  # floor(3 / 4) = 0 values are cut: plain means
    drawn = stratified_bootstrap(scores, rng=rng(), n_boot=40_000)
    assert drawn.mean() == pytest.approx(2.0, abs=0.03)
    assert drawn.std() == pytest.approx(scores[0].std() / np.sqrt(3), rel=0.03)


def test_stratified_bootstrap_when_same_rng_then_same_and_else_different():
    scores = [np.arange(8.0)]
    first, second = (stratified_bootstrap(scores, rng=rng(), n_boot=50) for _ in range(2))
    other = stratified_bootstrap(scores, rng=np.random.default_rng(6), n_boot=50)
    assert (first == second).all()
    assert (first != other).any()


def test_aggregate_scores_when_sides_swap_then_difference_changes_sign():
    mine, reference = [np.arange(8.0)], [np.arange(8.0) + 3.0]
    forward = aggregate_scores(mine, reference, rng=rng())
    backward = aggregate_scores(reference, mine, rng=rng())
    assert forward.difference.estimate == -backward.difference.estimate == -3.0
    assert forward.difference.low <= forward.difference.estimate <= forward.difference.high


@pytest.mark.parametrize(
    ("scores", "words"), [([], "seen none"), ([np.empty(0)], "number 1 has no")]
)
def test_iqm_when_empty_then_too_few_seeds(scores, words):
    with pytest.raises(TooFewSeeds, match=words):
        iqm(scores)


def test_iqm_when_nan_then_refuses_naming_environment():
    with pytest.raises(ValueError, match="environment number 2 holds NaN"):
        iqm([np.ones(3), np.array([1.0, np.nan])])


def test_normalise_maps_reference_start_to_zero_and_end_to_one():
    reference = side([[np.nan, 10.0, 110.0], [10.0, 50.0, 112.0]])
    mine = side([[0.0, 5.0, 61.0]])
    scores = normalise(mine, reference)
    assert scores.reason == ""
    assert scores.reference.mean() == pytest.approx(1.0)
    assert scores.mine == pytest.approx([51.0 / 101.0])


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ([[10.0, 9.0], [10.0, 8.0]], "rose by -1.5 from 10"),
        ([[10.0, 30.0], [10.0, 8.0]], "standard errors"),
        ([[10.0, 300.0]], "standard errors"),
        ([[5.0, 5.0], [5.0, 5.0]], "rose by 0 from 5"),
        ([[1.0, np.nan], [1.0, 2.0]], "1 seed"),
        ([[np.nan, np.nan], [1.0, 2.0]], "1 seed"),
    ],
)
def test_normalise_when_no_scale_then_refused_with_reason(reference, words):
    scores = normalise(side([[1.0, 2.0], [1.0, 2.0]]), side(reference))
    assert words in scores.reason
    assert len(scores.mine) == 0


def test_aggregate_when_one_env_has_no_scale_then_named_and_others_used():
    good = (side([[0.0, 5.0], [0.0, 6.0]]), side([[0.0, 5.0], [0.0, 6.0]]))
    flat = (side([[0.0, 5.0]]), side([[5.0, 5.0], [5.0, 5.0]]))
    found = aggregate({"A-v1": good, "B-v1": flat}, rng=rng())
    assert list(found.excluded) == ["B-v1"]
    assert found.aggregate.reference.estimate == pytest.approx(1.0)


def test_aggregate_when_no_env_is_usable_then_none():
    flat = (side([[0.0, 5.0]]), side([[5.0, 5.0], [5.0, 5.0]]))
    assert aggregate({"B-v1": flat}, rng=rng()).aggregate is None
    assert aggregate({}, rng=rng()).aggregate is None
