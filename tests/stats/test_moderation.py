"""The difference test of a comparison: max-T with variances that borrow from their neighbours."""

from itertools import combinations

import numpy as np
import pytest

from harness.stats.permutation import Moderation, max_t, moderated_max_t
from harness.stats.relabel import N_NEIGHBOURS, PRIOR_DF
from tests.stats.brute import step_down_p


def rng():
    return np.random.default_rng(0)


def moderated_t(mine, reference, stretches):
    """Return |t| of every relabelling from the definition: (n_relabellings, n_columns)."""
    both = np.concatenate([mine, reference])
    both = (both - both.mean(axis=0)) / both.std(axis=0)
    n, m = len(mine), len(reference)
    rows = []
    for chosen in combinations(range(n + m), n):
        one, other = both[list(chosen)], np.delete(both, chosen, axis=0)
        noise = one.var(axis=0, ddof=1) / n + other.var(axis=0, ddof=1) / m
        near = [
            np.mean([noise[k] for k in range(len(noise)) if is_near(k, j, stretches)])
            for j in range(len(noise))
        ]
        df = n + m - 2
        mixed = (df * noise + PRIOR_DF * np.array(near)) / (df + PRIOR_DF)
        rows.append((one.mean(axis=0) - other.mean(axis=0)) / np.sqrt(mixed))
    return np.abs(rows)


def is_near(k, j, stretches):
    return abs(k - j) <= N_NEIGHBOURS // 2 and stretches[k] == stretches[j]


@pytest.mark.parametrize(("n", "m"), [(3, 3), (3, 5), (4, 2)])
def test_moderated_max_t_when_small_then_equals_brute_force(n, m):
    mine, reference = rng().normal(size=(n, 14)) + 0.8, rng().normal(size=(m, 14))
    starts = np.isin(np.arange(14), [0, 9])
    found = moderated_max_t(mine, reference, rng=rng(), rule=Moderation(starts))
    t = moderated_t(mine, reference, np.cumsum(starts))
    assert found.p_adjusted == pytest.approx(step_down_p(t))
    assert np.argsort(np.abs(found.statistic)).tolist() == np.argsort(t[0]).tolist()


def test_moderated_max_t_when_columns_take_few_values_then_exact_difference_is_still_shown():
    n, k = 5, 500
    coarse = rng().integers(0, 2, size=(2 * n, k)).astype(float)  # many split 5 against 5
    exact = np.repeat([1.0, 2.0], n)[:, None] * np.ones((1, 50))
    both = np.concatenate([coarse, exact], axis=1)
    starts = np.isin(np.arange(k + 50), [0, k])
    plain = max_t(both[:n], both[n:], rng=rng())
    found = moderated_max_t(both[:n], both[n:], rng=rng(), rule=Moderation(starts))
    assert plain.p_adjusted[-1] > 0.05
    assert found.p_adjusted[-1] == found.smallest_p
    assert found.statistic[-1] == -np.inf
    assert (found.p_adjusted[:k] > 0.05).all()


def test_moderated_max_t_when_paired_then_sides_swap_sign():
    mine, reference = rng().normal(size=(2, 6, 10))
    rule = Moderation(np.arange(10) == 0, is_paired=True)
    found = moderated_max_t(mine, reference, rng=rng(), rule=rule)
    swapped = moderated_max_t(reference, mine, rng=rng(), rule=rule)
    assert swapped.statistic == pytest.approx(-found.statistic)
    assert swapped.p_adjusted == pytest.approx(found.p_adjusted)


def test_moderated_max_t_when_everything_is_constant_and_equal_then_p_one():
    same = np.ones((4, 3))
    found = moderated_max_t(same, same, rng=rng(), rule=Moderation(np.arange(3) == 0))
    assert found.statistic.tolist() == [0.0, 0.0, 0.0]
    assert found.p_adjusted.tolist() == [1.0, 1.0, 1.0]
