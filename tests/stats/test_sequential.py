import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Margin
from harness.stats.equivalence import smallest_p_equivalence
from harness.stats.permutation import smallest_p
from harness.stats.sequential import (
    DEFAULT_LOOKS,
    look_levels,
    spend_on_difference,
    spend_on_equivalence,
)


def test_look_levels_when_all_reachable_then_sum_is_alpha():
    levels = look_levels(DEFAULT_LOOKS, 0.05, [0.0] * 5)
    assert math.fsum(levels) == pytest.approx(0.05)
    assert levels[0] == pytest.approx(0.05 * math.log(1 + (math.e - 1) * 3 / 20))
    assert min(levels) > 0.0


def test_look_levels_when_early_look_unreachable_then_its_part_is_carried_on():
    least = [smallest_p(n, n, is_paired=False) for n in DEFAULT_LOOKS]
    levels = look_levels(DEFAULT_LOOKS, 0.05, least)
    assert levels[0] == 0.0
    assert levels[1] == pytest.approx(spend_on_difference(5 / 20, 0.05))


def test_look_levels_when_holm_shares_the_level_then_more_looks_are_unreachable():
    least = [smallest_p(n, n, is_paired=False) for n in DEFAULT_LOOKS]
    levels = look_levels(DEFAULT_LOOKS, 0.05, least, n_hypotheses=4)
    assert levels[:2] == (0.0, 0.0)
    assert levels[2] == pytest.approx(spend_on_difference(8 / 20, 0.05))
    assert math.fsum(levels) == pytest.approx(0.05)


def test_look_levels_when_nothing_reachable_then_nothing_spent():
    assert look_levels((3,), 0.05, [0.1]) == (0.0,)
    assert look_levels((3, 4), 0.05, [1.0, 1.0]) == (0.0, 0.0)


def test_look_levels_for_equivalence_leave_the_error_rate_to_late_looks():
    least = [smallest_p_equivalence(n, n, margin=Margin(1.0)) for n in DEFAULT_LOOKS]
    levels = look_levels(DEFAULT_LOOKS, 0.05, least, spending=spend_on_equivalence)
    assert levels == (0.0, 0.0, 0.0, 0.0, 0.05)


@pytest.mark.parametrize(
    ("looks", "least", "n", "message"),
    [((), (), 1, "increasing"), ((5, 5), (0, 0), 1, "increasing"),
     ((0, 5), (0, 0), 1, "increasing"), ((3, 5), (0.0,), 1, "seen 1 for 2 looks"),
     ((3,), (0.0,), 0, "n_hypotheses")],
)  # fmt: skip
def test_look_levels_when_misused_then_says_what_was_seen(looks, least, n, message):
    with pytest.raises(ValueError, match=message):
        look_levels(looks, 0.05, least, n_hypotheses=n)


@pytest.mark.parametrize("spend", [spend_on_difference, spend_on_equivalence])
def test_spending_rises_from_zero_to_alpha(spend):
    spent = [spend(k / 20, 0.05) for k in range(21)]
    assert spent == sorted(spent)
    assert spent[0] == 0.0
    assert spent[-1] == 0.05
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        spend(1.1, 0.05)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=7, unique=True).map(sorted),
    st.floats(0.0, 1.0), st.integers(1, 9), st.data(),
)  # fmt: skip
def test_look_levels_never_sum_beyond_alpha_nor_open_an_unreachable_look(looks, alpha, n, data):
    least = [data.draw(st.floats(0.0, 1.0)) for _ in looks]
    for spending in (spend_on_difference, spend_on_equivalence):
        levels = look_levels(looks, alpha, least, n_hypotheses=n, spending=spending)
        assert math.fsum(levels) <= alpha * (1 + 1e-12)
        assert all(level == 0.0 or p * n <= level for level, p in zip(levels, least, strict=True))
