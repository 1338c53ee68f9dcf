import numpy as np
import pytest

from benchmarks.stats.worlds import GROWTHS, Noise, curves, growth
from harness.errors import TooFewSeeds
from harness.records import Curves
from harness.stats.family import family_test
from harness.stats.onset import onset_interval

GRID = np.arange(1, 51, dtype=np.int64) * 100


def side(values):
    return Curves("loss", GRID, values, tuple(range(len(values))))


def pair(seed=0, n=10, height=4.0, width=10, start=20):
    generator = np.random.default_rng(seed)
    mine, reference = generator.normal(size=(2, n, 50))
    mine += height * np.clip((np.arange(50) - start + 1) / width, 0.0, 1.0)
    return side(mine), side(reference)


P_SIGNIFICANT = np.where(np.arange(50) >= 26, 0.001, 0.5)


def test_onset_interval_when_nothing_significant_then_none():
    assert onset_interval(*pair(), p_adjusted=np.full(50, 0.2), alpha=0.05) is None
    assert onset_interval(*pair(), p_adjusted=np.full(50, np.nan), alpha=0.05) is None


@pytest.mark.parametrize("shape", GROWTHS)
def test_onset_interval_covers_true_onsets_of_growing_differences_in_growing_noise(shape):
    rng = np.random.default_rng(1)
    noise = Noise(rho=0.8, doubles_every=7.0)
    effect = 4.0 * growth(shape, 20)
    found = []
    for _ in range(40):
        mine, reference = (
            side(curves(rng, 5, noise=noise) + effect),
            side(curves(rng, 5, noise=noise)),
        )
        test = family_test({"loss": (mine, reference)}, rng=rng)
        p_adjusted = test.p_adjusted["loss"]
        found.append(onset_interval(mine, reference, p_adjusted=p_adjusted, alpha=0.05))
    intervals = [interval for interval in found if interval is not None]
    covered = sum(one.low <= 2001 <= one.high for one in intervals)
    assert len(intervals) >= 35
    assert covered >= len(intervals) - 8  # at 90 % fewer than 2 of 100 tests of 40 miss more


def test_onset_interval_when_jump_is_clear_then_narrow():
    p_adjusted = np.where(np.arange(50) >= 20, 0.001, 0.5)
    found = onset_interval(*pair(width=1, height=100.0), p_adjusted=p_adjusted, alpha=0.05)
    assert (found.low, found.high) == (2001, 2100)
    assert found.level == 0.9


def test_onset_interval_when_level_is_higher_then_not_narrower():
    narrow, wide = (
        onset_interval(*pair(height=60.0), p_adjusted=P_SIGNIFICANT, alpha=0.05, level=level)
        for level in (0.5, 0.9499)
    )
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert wide.high - wide.low > narrow.high - narrow.low


def test_onset_interval_when_sides_swap_or_units_change_then_same():
    mine, reference = pair()
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    moved = [side(-3.0 * curve.values + 1e3) for curve in (reference, mine)]
    assert onset_interval(*moved, p_adjusted=P_SIGNIFICANT, alpha=0.05) == found


def test_onset_interval_when_level_leaves_no_error_for_the_band_then_from_step_one():
    found = onset_interval(
        *pair(width=1, height=100.0), p_adjusted=P_SIGNIFICANT, alpha=0.05, level=0.95
    )
    assert found.low == 1


def test_onset_interval_when_no_noise_then_exact():
    values = np.zeros((3, 50))
    values[:, 30:] = 1.0
    values[:, :30] += np.arange(30) / 100  # both sides: measured, not carried over
    reference = np.zeros((3, 50))
    reference[:, :30] = values[:, :30]
    p_adjusted = np.where(np.arange(50) >= 30, 0.001, 0.5)
    found = onset_interval(side(values), side(reference), p_adjusted=p_adjusted, alpha=0.05)
    assert (found.low, found.high) == (3001, 3100)


def test_onset_interval_when_values_are_carried_over_then_they_exclude_nothing_of_their_own():
    mine, reference = pair(width=1, height=100.0)
    for curve in (mine, reference):
        curve.values[:, 15:20] = curve.values[:, 14:15]
    p_adjusted = np.where(np.arange(50) >= 20, 0.001, 0.5)
    found = onset_interval(mine, reference, p_adjusted=p_adjusted, alpha=0.05)
    assert (found.low, found.high) == (1501, 2100)


def test_onset_interval_when_difference_is_there_from_the_first_testable_point_then_from_step_one():
    mine, reference = pair(start=0, width=1, height=30.0)
    mine.values[:, :5] = np.nan
    p_adjusted = np.where(np.arange(50) >= 5, 0.001, np.nan)
    found = onset_interval(mine, reference, p_adjusted=p_adjusted, alpha=0.05)
    assert (found.low, found.high) == (1, 600)


def test_onset_interval_when_holes_then_still_covers():
    mine, reference = pair(height=10.0)
    mine.values[0, [3, 19, 33]] = np.nan
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    assert found.low <= 2001 <= found.high


def test_onset_interval_when_one_testable_point_then_its_bin_and_before():
    mine, reference = pair()
    mine.values[0, np.arange(50) != 30] = np.nan
    p_adjusted = np.where(np.arange(50) == 30, 0.001, np.nan)
    found = onset_interval(mine, reference, p_adjusted=p_adjusted, alpha=0.05)
    assert (found.low, found.high) == (1, 3100)


def test_onset_interval_when_too_few_seeds_then_names_side():
    mine, reference = pair()
    with pytest.raises(TooFewSeeds, match="mine has 1 seed"):
        onset_interval(side(mine.values[:1]), reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)


def test_onset_interval_when_p_has_other_length_then_refuses():
    with pytest.raises(ValueError, match="expected 50 checkpoints"):
        onset_interval(*pair(), p_adjusted=np.zeros(3), alpha=0.05)
