import math

import numpy as np
import pytest
from scipy import stats

from harness.records import Margin
from harness.stats.equivalence import tost
from harness.stats.power import (
    SEEDS_CAP,
    Spread,
    minimum_detectable,
    seeds_for_difference,
    seeds_for_parity,
    welch_df,
)

UNIT = Spread(1.0, 1.0)
TRIALS = 3000
TOLERANCE = 4.5 * math.sqrt(0.16 / TRIALS)  # 4.5 standard errors of a share of 0.8


def test_welch_df_equals_scipy():
    generator = np.random.default_rng(0)
    mine, reference = generator.normal(size=5), 3 * generator.normal(size=9)
    df = welch_df(mine.var(ddof=1) / 5, reference.var(ddof=1) / 9, df=(4.0, 8.0))
    assert df == pytest.approx(stats.ttest_ind(mine, reference, equal_var=False).df)
    assert welch_df(0.0, 0.0, df=(4.0, 8.0)) == 12.0


@pytest.mark.parametrize(("n", "m", "sd"), [(5, 5, 1.0), (8, 20, 2.0), (20, 20, 0.5)])
def test_minimum_detectable_is_found_with_the_stated_power(n, m, sd):
    gap = minimum_detectable(Spread(sd, 1.0), (n, m), alpha=0.05)
    generator = np.random.default_rng(n)
    mine = sd * generator.normal(size=(TRIALS, n)) + gap
    p = stats.ttest_ind(mine, generator.normal(size=(TRIALS, m)), axis=1, equal_var=False).pvalue
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=TOLERANCE + 0.02)


def test_minimum_detectable_scales_with_reward_and_falls_with_seeds():
    small = minimum_detectable(UNIT, (20, 20), alpha=0.05)
    assert minimum_detectable(Spread(10.0, 10.0), (20, 20), alpha=0.05) == pytest.approx(10 * small)
    assert small < minimum_detectable(UNIT, (5, 5), alpha=0.05)


@pytest.mark.parametrize(
    ("spread", "n"),
    [(UNIT, (1, 5)), (UNIT, (5, 0)), (Spread(0.0, 0.0), (5, 5)), (Spread(math.nan, 1.0), (5, 5))],
)
def test_minimum_detectable_when_not_computable_then_none(spread, n):
    assert minimum_detectable(spread, n, alpha=0.05) is None


def test_seeds_for_difference_inverts_minimum_detectable():
    for n in (4, 10, 33):
        gap = minimum_detectable(UNIT, (n, n), alpha=0.05)
        assert seeds_for_difference(gap * 1.0001, UNIT, alpha=0.05) == n
        assert seeds_for_difference(gap * 0.999, UNIT, alpha=0.05) >= n


def test_seeds_when_beyond_cap_or_not_computable_then_none():
    assert seeds_for_difference(1e-3, UNIT, alpha=0.05) is None
    assert seeds_for_difference(0.0, UNIT, alpha=0.05) is None
    assert seeds_for_parity(Margin(1e-3), UNIT, alpha=0.05) is None
    assert seeds_for_parity(Margin(1.0), Spread(1.0, 0.0), alpha=0.05) is None
    assert seeds_for_parity(Margin(1.0), Spread(math.nan, 1.0), alpha=0.05) is None
    assert SEEDS_CAP == 1000


def test_seeds_for_parity_when_margin_in_reward_then_two_without_spread():
    assert seeds_for_parity(Margin(0.1, is_absolute=True), Spread(0.0, 0.0), alpha=0.05) == 2


@pytest.mark.parametrize("margin", [Margin(1.0), Margin(0.8, is_absolute=True)])
def test_seeds_for_parity_give_about_the_stated_power(margin):
    n = seeds_for_parity(margin, UNIT, alpha=0.05)
    generator = np.random.default_rng(2)
    shown = [
        tost(generator.normal(size=n), generator.normal(size=n), margin=margin).p <= 0.05
        for _ in range(1500)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.07)
