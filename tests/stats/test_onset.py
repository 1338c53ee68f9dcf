import numpy as np
import pytest

from harness.errors import TooFewSeeds
from harness.records import Curves
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


@pytest.mark.parametrize("width", [1, 10, 25])
def test_onset_interval_covers_most_true_onsets_and_is_no_bare_guess(width):
    covered = 0
    for seed in range(60):
        found = onset_interval(*pair(seed, width=width), p_adjusted=P_SIGNIFICANT, alpha=0.05)
        assert 1 <= found.low <= found.high <= 5000
        covered += found.low <= 2001 <= found.high
    assert covered >= 48  # 90 % nominal; 48 of 60 or fewer has probability < 1 % at 90 %


def test_onset_interval_when_jump_is_clear_then_narrow():
    found = onset_interval(*pair(width=1, height=30.0), p_adjusted=P_SIGNIFICANT, alpha=0.05)
    assert (found.low, found.high) == (2001, 2100)
    assert found.level == 0.9


def test_onset_interval_when_level_is_higher_then_not_narrower():
    narrow, wide = (
        onset_interval(*pair(), p_adjusted=P_SIGNIFICANT, alpha=0.05, level=level)
        for level in (0.5, 0.99)
    )
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert wide.high - wide.low > narrow.high - narrow.low


def test_onset_interval_when_sides_swap_or_units_change_then_same():
    mine, reference = pair()
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    moved = [side(-3.0 * curve.values + 1e3) for curve in (reference, mine)]
    assert onset_interval(*moved, p_adjusted=P_SIGNIFICANT, alpha=0.05) == found


def test_onset_interval_when_no_noise_then_exact():
    values = np.zeros((3, 50))
    values[:, 30:] = 1.0
    found = onset_interval(
        side(values), side(np.zeros((3, 50))), p_adjusted=P_SIGNIFICANT, alpha=0.05
    )
    assert (found.low, found.high) == (3001, 3100)


def test_onset_interval_when_difference_is_there_from_the_first_testable_point_then_from_step_one():
    mine, reference = pair(start=0, width=1, height=30.0)
    mine.values[:, :5] = np.nan
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    assert (found.low, found.high) == (1, 600)


def test_onset_interval_when_holes_then_still_covers():
    mine, reference = pair(height=10.0)
    mine.values[0, [3, 19, 33]] = np.nan
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    assert found.low <= 2001 <= found.high


def test_onset_interval_when_one_testable_point_then_its_bin_and_before():
    mine, reference = pair()
    mine.values[0, np.arange(50) != 30] = np.nan
    found = onset_interval(mine, reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)
    assert (found.low, found.high) == (1, 3100)


def test_onset_interval_when_too_few_seeds_then_names_side():
    mine, reference = pair()
    with pytest.raises(TooFewSeeds, match="mine has 1 seed"):
        onset_interval(side(mine.values[:1]), reference, p_adjusted=P_SIGNIFICANT, alpha=0.05)


def test_onset_interval_when_p_has_other_length_then_refuses():
    with pytest.raises(ValueError, match="expected 50 checkpoints"):
        onset_interval(*pair(), p_adjusted=np.zeros(3), alpha=0.05)
