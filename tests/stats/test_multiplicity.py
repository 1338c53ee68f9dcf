import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.multiplicity import holm, holm_levels

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


def test_holm_equals_hand_worked_case():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_when_nan_then_stays_nan_and_counts():
    adjusted = holm([0.01, np.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.03)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)


def test_holm_when_empty_then_empty():
    assert holm([]).shape == (0,)
    assert holm_levels([], 0.05).shape == (0,)


@pytest.mark.parametrize("p", [[-0.1], [1.1], [0.5, np.inf]])
def test_holm_when_outside_unit_interval_then_refuses(p):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        holm(p)


def test_holm_levels_when_first_fails_then_all_at_first_level():
    assert holm_levels([0.04, 0.03], 0.05).tolist() == [0.025, 0.025]


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_and_its_levels_reject_the_same(p, alpha):
    adjusted, levels = holm(p), holm_levels(p, alpha)
    clear = np.abs(adjusted - alpha) > 1e-9
    assert ((adjusted <= alpha) == (np.array(p) <= levels))[clear].all()
    assert (adjusted >= np.array(p)).all()
