"""Today's practices: a large difference is seen by all, and their false alarms are as known."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_ind

from harness.calibrate.practice import first
from harness.calibrate.practices import PRACTICES, Sides, adastop, every_timestep, welch_on_final


def sides(rng, *, gap=0.0, n=10):
    mine, reference = rng.normal(size=(2, n, 50))
    mine = mine + gap
    return Sides(mine, reference, mine[:, -5:].mean(axis=1), reference[:, -5:].mean(axis=1))


@pytest.mark.parametrize("name", PRACTICES)
def test_practice_when_sides_are_far_apart_claims_a_difference(name):
    practice, n = PRACTICES[name]
    rng = np.random.default_rng(1)
    decision = practice(first(sides(rng, gap=5.0), n), rng)
    assert decision.is_different
    assert decision.n_seeds <= n


@pytest.mark.parametrize("name", PRACTICES)
def test_practice_when_sides_are_constants_alike_claims_nothing(name):
    practice, n = PRACTICES[name]
    same = Sides(np.ones((n, 5)), np.ones((n, 5)), np.ones(n), np.ones(n))
    assert not practice(same, np.random.default_rng(0)).is_different


def test_welch_agrees_with_scipy():
    rng = np.random.default_rng(3)
    for _ in range(20):
        both = sides(rng, gap=0.3)
        p = ttest_ind(both.final_mine, both.final_reference, equal_var=False).pvalue
        assert welch_on_final(both, rng).is_different == (p <= 0.05)


def test_adastop_keeps_its_level_and_a_test_per_timestep_does_not():
    rng = np.random.default_rng(0)
    worlds = [sides(rng) for _ in range(200)]
    alarms = sum(adastop(one, rng).is_different for one in worlds)
    assert binomtest(alarms, 200, 0.05, alternative="greater").pvalue > 1e-3
    uncorrected = sum(every_timestep(one, rng).is_different for one in worlds)
    assert uncorrected > 100


def test_adastop_when_the_difference_is_large_stops_at_its_first_look():
    rng = np.random.default_rng(2)
    assert adastop(sides(rng, gap=8.0), rng).n_seeds == 5
