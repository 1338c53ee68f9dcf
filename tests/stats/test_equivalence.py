import math

import numpy as np
import pytest
from scipy import stats

from harness.errors import TooFewSeeds
from harness.records import Margin
from harness.stats.equivalence import (
    difference_interval,
    mean_interval,
    smallest_p_equivalence,
    tost,
)

REWARD = Margin(1.5, is_absolute=True)
ONE_SD = Margin(1.0)


def draw(n, m, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(0.3, 1.2, size=n), generator.normal(0.0, 0.8, size=m)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 9), (20, 7)])
def test_tost_when_margin_in_reward_then_equals_two_welch_tests(n, m):
    mine, reference = draw(n, m)
    low = stats.ttest_ind(mine + 1.5, reference, equal_var=False, alternative="greater").pvalue
    high = stats.ttest_ind(mine - 1.5, reference, equal_var=False, alternative="less").pvalue
    assert tost(mine, reference, margin=REWARD).p == pytest.approx(max(low, high))


def test_tost_when_paired_and_margin_in_reward_then_equals_two_paired_tests():
    mine, reference = draw(9, 9)
    low = stats.ttest_1samp(mine - reference, -1.5, alternative="greater").pvalue
    high = stats.ttest_1samp(mine - reference, 1.5, alternative="less").pvalue
    paired = tost(mine, reference, margin=REWARD, is_paired=True)
    assert paired.p == pytest.approx(max(low, high))


def test_tost_when_default_margin_then_more_careful_than_treating_it_as_known():
    for seed in range(30):
        mine, reference = draw(10, 12, seed)
        known = Margin(float(reference.std(ddof=1)), is_absolute=True)
        careful, naive = (tost(mine, reference, margin=margin).p for margin in (ONE_SD, known))
        assert naive < careful or careful > 0.5


@pytest.mark.parametrize("is_paired", [False, True])
def test_tost_when_shifted_scaled_shuffled_or_mirrored_then_same_p(is_paired):
    mine, reference = draw(9, 9)
    order = np.random.default_rng(1).permutation(9)
    p = tost(mine, reference, margin=ONE_SD, is_paired=is_paired).p
    for x, y in [
        (mine * 7 - 100, reference * 7 - 100),
        (-mine, -reference),
        (mine[order], reference[order]),
    ]:
        assert tost(x, y, margin=ONE_SD, is_paired=is_paired).p == pytest.approx(p)


def test_tost_difference_is_mine_minus_reference_and_margin_in_reward():
    mine, reference = draw(9, 9)
    tested = tost(mine, reference, margin=Margin(2.0))
    assert tested.difference == pytest.approx(mine.mean() - reference.mean())
    assert tested.margin == pytest.approx(2.0 * reference.std(ddof=1))


def test_tost_when_gap_is_at_the_estimated_margin_then_p_is_at_least_half():
    _, reference = draw(8, 8)
    mine = reference + reference.std(ddof=1)
    assert tost(mine, reference, margin=ONE_SD).p >= 0.5 - 1e-12


def test_tost_when_reference_is_constant_then_default_margin_is_refused_with_reason():
    tested = tost(np.array([499.0, 500.0]), np.full(4, 500.0), margin=ONE_SD)
    assert tested.p is None
    assert "all 4 reference seeds give 500" in tested.reason
    assert "set the margin in reward" in tested.reason


@pytest.mark.parametrize(("gap", "expected"), [(1.0, 0.0), (2.0, 1.0), (1.5, 1.0)])
def test_tost_when_no_spread_at_all_then_difference_is_known(gap, expected):
    for is_paired in (False, True):
        tested = tost(np.full(3, gap), np.zeros(3), margin=REWARD, is_paired=is_paired)
        assert tested.p == expected


def test_tost_when_seed_is_not_finite_then_counts_by_side():
    tested = tost(np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan]), margin=ONE_SD)
    assert tested.p is None
    assert tested.reason == "2 seed(s) of mine and 1 seed(s) of reference have no finite value"


@pytest.mark.parametrize(("n", "m", "words"), [(1, 5, "mine has 1"), (5, 0, "reference has 0")])
def test_tost_when_too_few_seeds_then_names_side(n, m, words):
    with pytest.raises(TooFewSeeds, match=words):
        tost(np.zeros(n), np.zeros(m), margin=ONE_SD)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_tost_when_margin_is_not_positive_then_refuses(value):
    with pytest.raises(ValueError, match="must be a positive finite number"):
        tost(np.zeros(3), np.ones(3), margin=Margin(value))


@pytest.mark.parametrize(("n", "m", "is_paired"), [(5, 5, False), (8, 20, False), (6, 6, True)])
def test_smallest_p_equivalence_is_the_best_case_of_tost(n, m, is_paired):
    least = smallest_p_equivalence(n, m, margin=ONE_SD, is_paired=is_paired)
    # Half of the reference at each of two values: the smallest kurtosis, so the floor decides.
    reference = np.resize([-1.0, 1.0], m)
    best = reference if is_paired else np.zeros(n)
    assert tost(best, reference, margin=ONE_SD, is_paired=is_paired).p >= least * (1 - 1e-9)
    for seed in range(40):
        mine, other = draw(n, m, seed)
        assert tost(mine, other, margin=ONE_SD, is_paired=is_paired).p >= least * 0.9


def test_smallest_p_equivalence_when_margin_in_reward_then_zero():
    assert smallest_p_equivalence(3, 3, margin=REWARD) == 0.0


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_difference_interval_equals_scipy(level):
    mine, reference = draw(6, 9)
    expected = stats.ttest_ind(mine, reference, equal_var=False).confidence_interval(level)
    found = difference_interval(mine, reference, level=level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    paired = stats.ttest_rel(mine, reference[:6]).confidence_interval(level)
    found = difference_interval(mine, reference[:6], level=level, is_paired=True)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high))


def test_difference_interval_and_tost_agree_on_a_margin_in_reward():
    for seed in range(50):
        mine, reference = draw(8, 8, seed)
        interval = difference_interval(mine, reference, level=0.9)
        is_inside = interval.low > -1.5 and interval.high < 1.5
        assert is_inside == (tost(mine, reference, margin=REWARD).p < 0.05)


def test_mean_interval_when_one_value_then_no_limits():
    single, none = mean_interval(np.array([2.0]), level=0.9), mean_interval(np.empty(0), level=0.9)
    assert single.estimate == 2.0
    assert math.isnan(single.low)
    assert math.isnan(none.estimate)


def test_tost_when_gap_is_at_the_true_margin_then_rarely_declares_parity():
    generator = np.random.default_rng(11)
    declared = 0
    for _ in range(800):
        mine, reference = generator.normal(size=12) + 1.0, generator.normal(size=20)
        declared += tost(mine, reference, margin=ONE_SD).p <= 0.05
    assert stats.binomtest(declared, 800, 0.05, alternative="greater").pvalue > 1e-3
