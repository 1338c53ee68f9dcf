import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats.draws_flip import (
    TIGHT_CONSTANT,
    critical,
    feature_of,
    flip_p,
    least_n,
    signed_root,
    smallest_detectable,
    squares_of,
)

NUMBERS = st.floats(-100.0, 100.0, allow_subnormal=False).map(lambda x: round(x, 3))


def all_flips_p(differences):
    signs = np.array(list(product((1.0, -1.0), repeat=len(differences))))
    sums = np.abs(signs @ differences)
    return float(np.mean(sums >= abs(float(differences.sum())) - 1e-9))


def test_signed_root_when_hand_computed():
    assert signed_root(np.array([3.0, 0.0, 1.0, 0.0])) == pytest.approx(4.0 / math.sqrt(10.0))
    assert signed_root(np.full(25, -0.1)) == pytest.approx(-5.0)
    assert signed_root(np.zeros(5)) == 0.0
    assert signed_root(np.empty(0)) == 0.0


def test_flip_p_when_two_equal_differences_then_exact():
    # Both flips that keep |sum|: 2 of 4. The constant makes the bound an equality here.
    assert flip_p(signed_root(np.array([1.0, 1.0]))) == pytest.approx(0.5)
    assert pytest.approx(3.1786556) == TIGHT_CONSTANT
    assert flip_p(0.0) == 1.0


@given(st.lists(NUMBERS, min_size=1, max_size=9))
@settings(max_examples=150, deadline=None)
def test_flip_p_when_compared_with_all_flips_then_never_below(numbers):
    differences = np.array(numbers)
    assert flip_p(signed_root(differences)) >= all_flips_p(differences) - 1e-12


@given(st.lists(NUMBERS, min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_signed_root_when_sides_swap_then_sign_flips_and_p_stays(numbers):
    differences = np.array(numbers)
    assert signed_root(-differences) == -signed_root(differences)
    assert flip_p(signed_root(-differences)) == flip_p(signed_root(differences))


def test_flip_p_when_compared_with_scipy_then_bound_within_the_constant():
    generator = np.random.default_rng(3)
    mine, reference = generator.normal(0.2, 1.0, 400), generator.normal(0.0, 1.0, 400)
    sampled = stats.permutation_test(
        (mine, reference), lambda x, y, axis: np.mean(x - y, axis=axis), vectorized=True,
        permutation_type="samples", n_resamples=50_000, rng=np.random.default_rng(0),
    )  # fmt: skip
    p = flip_p(signed_root(mine - reference))
    assert sampled.pvalue <= p <= 1.3 * TIGHT_CONSTANT * sampled.pvalue


@pytest.mark.parametrize("level", [0.05, 1e-3, 1e-7, 1e-12])
def test_critical_when_put_in_then_gives_the_level(level):
    assert flip_p(critical(level)) == pytest.approx(level)
    n = least_n(level)
    assert flip_p(signed_root(np.ones(n))) <= level < flip_p(signed_root(np.ones(n - 1)))


def test_smallest_detectable_when_effect_is_that_large_then_found_in_eighty_per_cent():
    generator, n, level = np.random.default_rng(0), 400, 1e-4
    null = feature_of("f", "n", np.sqrt(2.0) * np.resize([1.0, -1.0], n), np.zeros(n))
    effect = smallest_detectable(null, level)
    mine, reference = generator.normal(effect, 1.0, (2000, n)), generator.normal(size=(2000, n))
    found = [flip_p(signed_root(row)) <= level for row in mine - reference]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def test_squares_when_shown_then_as_roots_and_detectable_in_the_same_unit():
    fours, ones = np.full(50, 4.0), np.ones(50)
    feature = squares_of("f", "sd", fours, ones)
    assert (feature.mine, feature.reference) == (2.0, 1.0)
    assert feature.differences.tolist() == [3.0] * 50
    square = smallest_detectable(feature_of("f", "v", fours, ones), 0.05)
    assert (1.0 + smallest_detectable(feature, 0.05)) ** 2 == pytest.approx(1.0 + square)


def test_feature_when_sides_differ_by_rounding_then_no_difference():
    feature = feature_of("f", "n", np.array([0.1 + 0.2, 1.0]), np.array([0.3, 2.0]))
    assert feature.differences.tolist() == [0.0, -1.0]
    assert feature.n == 1
    assert smallest_detectable(feature_of("f", "n", np.ones(3), np.ones(3)), 0.05) is None
