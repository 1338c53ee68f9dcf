import numpy as np
import pytest

from harness.records import Curves, Episodes, Series
from harness.stats.grid import (
    N_CHECKPOINTS,
    area_under_curve,
    binned_mean,
    checkpoints,
    curves,
    final_performance,
    learning_curve,
)

NAN, INF = np.nan, np.inf


def episodes(ends, returns):
    n = len(ends)
    zeros, flags = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    return Episodes(
        np.array(ends, dtype=np.int64), np.array(returns, float), zeros, flags, flags, zeros
    )


def series(steps, values):
    return Series(np.array(steps, dtype=np.int64), np.array(values, float))


def side(rows, metric="episode_return"):
    values = np.array(rows, float)
    grid = np.arange(1, values.shape[1] + 1, dtype=np.int64) * 10
    return Curves(metric, grid, values, tuple(range(len(values))))


@pytest.mark.parametrize("total", [50, 51, 99, 1000, 50_001, 10**9])
def test_checkpoints_are_increasing_and_end_at_the_budget(total):
    grid = checkpoints(total)
    assert grid.shape == (N_CHECKPOINTS,)
    assert grid.dtype == np.int64
    assert grid[-1] == total
    assert (np.diff(grid, prepend=0) > 0).all()
    assert np.ptp(np.diff(grid, prepend=0)) <= 1


def test_checkpoints_when_fewer_steps_than_bins_then_every_step():
    assert checkpoints(3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(("total", "n"), [(0, 5), (10, 0), (-1, 5)])
def test_checkpoints_when_not_positive_then_refuses(total, n):
    with pytest.raises(ValueError, match=f"at least 1, seen {total} and {n}"):
        checkpoints(total, n)


def test_learning_curve_averages_bins_carries_forward_and_starts_with_nan():
    grid = np.array([10, 20, 30, 40])
    ended = episodes([11, 20, 31], [1.0, 3.0, 5.0])
    np.testing.assert_array_equal(learning_curve(ended, grid), [NAN, 2.0, 2.0, 5.0])


def test_learning_curve_when_episode_ends_on_checkpoint_then_belongs_to_its_bin():
    grid = np.array([10, 20])
    np.testing.assert_array_equal(learning_curve(episodes([10], [4.0]), grid), [4.0, 4.0])


def test_learning_curve_when_run_overshoots_then_later_episodes_are_outside():
    grid = np.array([10, 20])
    np.testing.assert_array_equal(learning_curve(episodes([5, 21], [4.0, 9.0]), grid), [4.0, 4.0])


def test_learning_curve_when_no_episode_then_all_nan():
    assert np.isnan(learning_curve(episodes([], []), np.array([10, 20]))).all()


def test_binned_mean_when_nan_or_inf_inside_then_bin_shows_it():
    grid = np.array([10, 20, 30, 40, 50, 60])
    values = series([1, 2, 11, 12, 21, 31, 32, 51], [1.0, NAN, 2.0, INF, 3.0, INF, -INF, 7.0])
    np.testing.assert_array_equal(binned_mean(values, grid), [NAN, INF, 3.0, NAN, NAN, 7.0])


def test_binned_mean_when_lengths_differ_then_says_both():
    with pytest.raises(ValueError, match="one env step per value, seen 2 and 1"):
        binned_mean(series([1, 2], [1.0]), np.array([10]))


def test_binned_mean_when_all_values_in_own_bins_then_equals_them():
    grid = checkpoints(50)
    values = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(binned_mean(series(grid, values), grid), values)


def test_curves_when_rows_fit_then_record():
    grid = np.array([10, 20])
    made = curves("loss", grid, rows=[np.array([1.0, 2.0]), np.array([3.0, NAN])], seeds=[4, 9])
    assert made.metric == "loss"
    assert made.seeds == (4, 9)
    np.testing.assert_array_equal(made.values, [[1.0, 2.0], [3.0, NAN]])


def test_curves_when_no_rows_then_empty_with_grid():
    assert curves("loss", np.array([10, 20]), rows=[], seeds=[]).values.shape == (0, 2)


def test_curves_when_row_has_other_length_then_names_seed():
    with pytest.raises(ValueError, match=r"loss, seed 9: expected \(2,\) values, seen \(3,\)"):
        curves("loss", np.array([10, 20]), rows=[np.ones(2), np.ones(3)], seeds=[4, 9])


def test_curves_when_seed_missing_then_says_counts():
    with pytest.raises(ValueError, match="seen 1 rows and 2 seeds"):
        curves("loss", np.array([10]), rows=[np.ones(1)], seeds=[4, 9])


def test_area_under_curve_when_leading_nan_then_same_columns_for_all_and_counted():
    mine = side([[NAN, 2.0, 4.0, 6.0], [1.0, 1.0, 1.0, 1.0]])
    reference = side([[NAN, NAN, 3.0, 5.0]])
    area = area_under_curve(mine, reference)
    assert area.n_unused == 2
    assert area.mine.tolist() == [5.0, 1.0]
    assert area.reference.tolist() == [4.0]


def test_area_under_curve_when_nan_later_then_that_seed_is_nan():
    area = area_under_curve(side([[1.0, NAN, 3.0], [1.0, 2.0, 3.0]]), side([[1.0, 1.0, INF]]))
    np.testing.assert_array_equal(area.mine, [NAN, 2.0])
    np.testing.assert_array_equal(area.reference, [INF])


def test_area_under_curve_when_one_seed_has_nothing_then_only_that_seed_is_nan():
    area = area_under_curve(side([[NAN, NAN], [1.0, 3.0]]), side([[1.0, 1.0]]))
    np.testing.assert_array_equal(area.mine, [NAN, 2.0])
    assert area.n_unused == 0


def test_final_performance_is_the_mean_of_the_last_tenth():
    rows = np.arange(50.0)[None, :]
    assert final_performance(side(rows), side(rows)).mine.tolist() == [
        np.mean([45, 46, 47, 48, 49])
    ]


def test_final_performance_when_short_grid_then_last_checkpoint():
    assert final_performance(side([[1.0, 7.0]]), side([[1.0, 3.0]])).mine.tolist() == [7.0]


def test_endpoints_when_grids_differ_then_refuse():
    other = Curves("episode_return", np.array([1, 2]), np.ones((1, 2)), (0,))
    for endpoint in (area_under_curve, final_performance):
        with pytest.raises(ValueError, match="different checkpoints"):
            endpoint(side([[1.0, 2.0]]), other)


def test_endpoints_when_no_seeds_then_empty():
    none = Curves("episode_return", np.array([10, 20]), np.ones((0, 2)), ())
    assert area_under_curve(none, none).mine.shape == (0,)
    assert final_performance(none, none).reference.shape == (0,)
