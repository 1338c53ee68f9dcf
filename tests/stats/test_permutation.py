import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import TooFewSeeds
from harness.stats.permutation import max_t, smallest_p
from harness.stats.relabel import Design, relabellings
from tests.stats.brute import flipped_t, labelled_t, step_down_p

ORACLES = Path(__file__).parent / "oracles"


def rng():
    return np.random.default_rng(7)


def draw(n, m, n_hypotheses=6, shift=0.0):
    generator = np.random.default_rng(n * 100 + m)
    return generator.normal(size=(n, n_hypotheses)) + shift, generator.normal(
        size=(m, n_hypotheses)
    )


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 3), (3, 5), (5, 3), (4, 6)])
def test_max_t_when_small_then_equals_brute_force_step_down(n, m):
    mine, reference = draw(n, m)
    mine[:, 0] += 4.0
    tested = max_t(mine, reference, rng=rng())
    assert tested.is_exact
    assert tested.p_adjusted == pytest.approx(step_down_p(labelled_t(mine, reference)))


def test_max_t_when_paired_then_equals_brute_force_sign_flips():
    mine, reference = draw(6, 6, shift=0.7)
    tested = max_t(mine, reference, rng=rng(), is_paired=True)
    assert tested.p_adjusted == pytest.approx(step_down_p(flipped_t(mine - reference)))
    assert tested.statistic == pytest.approx(stats.ttest_rel(mine, reference).statistic)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 9), (20, 4)])
def test_max_t_statistic_equals_scipy_welch(n, m):
    mine, reference = draw(n, m)
    expected = stats.ttest_ind(mine, reference, equal_var=False).statistic
    assert max_t(mine, reference, rng=rng()).statistic == pytest.approx(expected)


def test_max_t_when_one_hypothesis_then_equals_scipy_permutation_test():
    mine, reference = draw(5, 4, n_hypotheses=1, shift=0.8)

    def welch(x, y, axis):
        return stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic

    expected = stats.permutation_test(
        (mine[:, 0], reference[:, 0]), lambda x, y, axis: np.abs(welch(x, y, axis)),
        alternative="greater", n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert max_t(mine, reference, rng=rng()).p_adjusted[0] == pytest.approx(expected.pvalue)


def test_max_t_when_paired_then_equals_stored_mne():
    arrays, stored = np.load(ORACLES / "arrays.npz"), json.loads((ORACLES / "mne.json").read_text())
    tested = max_t(arrays["paired_mine"], arrays["paired_reference"], rng=rng(), is_paired=True)
    assert tested.statistic == pytest.approx(stored["paired"]["t"])
    # Of the 2^9 flips 256 are distinct up to the overall sign; MNE 1.13.2 uses 255 of them. It is
    # single-step, ours steps down: equal for the largest statistic, never larger elsewhere.
    mne = np.array(stored["paired"]["max_t_p"]) * 255.0
    ours = tested.p_adjusted * 256.0
    largest = np.abs(tested.statistic).argmax()
    assert ours[largest] == pytest.approx(mne[largest])
    assert (ours <= mne + 1.0 + 1e-6).all()


def test_max_t_when_sampled_then_close_to_exact():
    mine, reference = draw(7, 6, shift=0.5)
    exact = max_t(mine, reference, rng=rng())
    sampled = max_t(mine, reference, rng=rng(), n_permutations=1700)
    assert exact.is_exact
    assert not sampled.is_exact
    assert sampled.n_permutations == 1701
    assert sampled.smallest_p == 1 / 1701
    sd = np.sqrt(exact.p_adjusted * (1 - exact.p_adjusted) / 1700)
    assert (np.abs(sampled.p_adjusted - exact.p_adjusted) <= 4.5 * sd + 2 / 1700).all()


@pytest.mark.parametrize(
    ("n", "m", "is_paired", "expected"),
    [(3, 3, False, 2 / 20), (5, 5, False, 2 / 252), (3, 5, False, 1 / 56), (5, 5, True, 2 / 32),
     (20, 20, False, 1 / 10_001), (13, 13, True, 2 / 8192), (14, 14, True, 1 / 10_001)],
)  # fmt: skip
def test_smallest_p_is_reached_by_separated_sides_and_never_undercut(n, m, is_paired, expected):
    assert smallest_p(n, m, is_paired=is_paired) == pytest.approx(expected)
    mine, reference = draw(n, m, n_hypotheses=2, shift=1e4)
    tested = max_t(mine, reference, rng=rng(), is_paired=is_paired)
    assert tested.smallest_p == pytest.approx(expected)
    assert tested.p_adjusted.min() >= expected * (1 - 1e-12)
    if tested.is_exact:
        assert tested.p_adjusted.min() == pytest.approx(expected)


def test_relabellings_when_exact_then_all_distinct_with_observed_first():
    labels = relabellings(Design(3, 4, is_paired=False), rng=rng())
    assert labels.shape == (35, 7)
    assert len(np.unique(labels, axis=0)) == 35
    assert (labels.sum(axis=1) == 3).all()
    assert labels[0].tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_relabellings_when_sampled_then_uniform_over_runs():
    labels = relabellings(Design(8, 12, is_paired=False), rng=rng())
    assert (labels.sum(axis=1) == 8).all()
    assert np.abs(labels.mean(axis=0) - 0.4).max() < 4.5 * np.sqrt(0.24 / 10_000)


def test_max_t_when_all_runs_identical_then_statistic_zero_and_p_one():
    for is_paired in (False, True):
        tested = max_t(np.full((4, 2), 5.1), np.full((4, 2), 5.1), rng=rng(), is_paired=is_paired)
        assert tested.statistic.tolist() == [0.0, 0.0]
        assert tested.p_adjusted.tolist() == [1.0, 1.0]


def test_max_t_when_constants_differ_then_most_extreme():
    mine, reference = np.full((4, 1), 1.0), np.full((6, 1), 1.1)
    tested = max_t(mine, reference, rng=rng())
    assert tested.statistic.tolist() == [-np.inf]
    assert tested.p_adjusted[0] == pytest.approx(1 / 210)


def test_max_t_when_one_side_constant_then_welch_of_the_other_spread():
    mine, reference = np.full((4, 1), 1.0), np.array([[0.0], [2.0], [4.0], [1.0], [3.0]])
    expected = -1.0 / np.sqrt(2.5 / 5)
    assert max_t(mine, reference, rng=rng()).statistic[0] == pytest.approx(expected)


def test_max_t_when_constant_column_joins_then_other_p_values_do_not_change():
    mine, reference = draw(5, 5, shift=1.0)
    alone = max_t(mine, reference, rng=rng()).p_adjusted
    joined = max_t(np.c_[mine, np.ones(5)], np.c_[reference, np.ones(5)], rng=rng()).p_adjusted
    assert joined[:-1] == pytest.approx(alone)
    assert joined[-1] == 1.0


def test_max_t_when_values_are_tied_then_ties_count_as_extreme():
    mine = np.array([[1.0], [2.0], [2.0]])
    reference = np.array([[0.0], [0.0], [1.0]])
    tested = max_t(mine, reference, rng=rng())
    assert tested.p_adjusted == pytest.approx(step_down_p(labelled_t(mine, reference)))


def test_max_t_when_scale_is_extreme_then_finite_and_equal():
    mine, reference = draw(5, 6, shift=1.0)
    plain = max_t(mine, reference, rng=rng())
    for scale in (1e-290, 1e300):
        scaled = max_t(mine * scale, reference * scale, rng=rng())
        assert scaled.p_adjusted == pytest.approx(plain.p_adjusted)
        assert scaled.statistic == pytest.approx(plain.statistic)


@pytest.mark.parametrize(("n", "m", "side"), [(1, 5, "mine has 1"), (5, 0, "reference has 0")])
def test_max_t_when_too_few_seeds_then_names_side_and_count(n, m, side):
    with pytest.raises(TooFewSeeds, match=f"{side} seed"):
        max_t(np.zeros((n, 3)), np.zeros((m, 3)), rng=rng())


def test_max_t_when_not_finite_then_refuses_with_count():
    mine, reference = draw(3, 3)
    mine[1, 2] = np.nan
    reference[:2, 0] = np.inf
    with pytest.raises(ValueError, match=r"mine holds 1 NaN or infinite"):
        max_t(mine, reference, rng=rng())
    with pytest.raises(ValueError, match=r"reference holds 2 NaN or infinite"):
        max_t(np.ones((3, 6)), reference, rng=rng())


def test_max_t_when_shapes_differ_then_says_both():
    with pytest.raises(ValueError, match=r"seen \(3, 2\) and \(3, 4\)"):
        max_t(np.zeros((3, 2)), np.zeros((3, 4)), rng=rng())


def test_max_t_when_paired_and_unequal_then_refuses():
    with pytest.raises(ValueError, match="one reference run per own run, seen 3 and 4"):
        max_t(np.zeros((3, 2)), np.zeros((4, 2)), rng=rng(), is_paired=True)


def test_max_t_when_no_hypotheses_then_empty():
    assert max_t(np.zeros((3, 0)), np.zeros((3, 0)), rng=rng()).p_adjusted.shape == (0,)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 5), m=st.integers(2, 5), k=st.integers(1, 5), seed=st.integers(0, 2**32 - 1),
    is_discrete=st.booleans(),
)  # fmt: skip
def test_max_t_properties(n, m, k, seed, is_discrete):
    generator = np.random.default_rng(seed)
    mine, reference = generator.normal(size=(n, k)), generator.normal(size=(m, k))
    if is_discrete:
        mine, reference = np.round(mine), np.round(reference)
    tested = max_t(mine, reference, rng=generator)
    swapped = max_t(reference, mine, rng=generator)
    shuffled = max_t(generator.permutation(mine), generator.permutation(reference), rng=generator)
    moved = max_t(mine * 3.0 - 8.0, reference * 3.0 - 8.0, rng=generator)
    assert tested.p_adjusted.shape == (k,)
    assert ((tested.p_adjusted >= tested.smallest_p - 1e-12) & (tested.p_adjusted <= 1.0)).all()
    assert swapped.statistic == pytest.approx(-tested.statistic, nan_ok=False)
    for other in (swapped, shuffled, moved):
        assert other.p_adjusted == pytest.approx(tested.p_adjusted)
