import math
import typing

import pytest

from harness.judgement import EndpointTest, Interval, Onset, Verdict
from harness.records import Outcome
from harness.report import words


def test_meanings_cover_every_verdict():
    assert set(words.MEANINGS) == set(words.MARKS) == set(typing.get_args(Verdict))


def test_outcomes_cover_every_outcome():
    assert set(words.OUTCOMES) == {str(outcome) for outcome in Outcome}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (0.0, "0"),
        (-0.0, "0"),
        (12345.678, "12,346"),
        (-1.5, "−1.5"),
        (1e-7, "1.000e-07"),
        (-2.5e12, "−2.500e+12"),
        (0.05, "0.05"),
        (100, "100"),
    ],
)
def test_number_of_any_float_is_short_and_unambiguous(value, shown):
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (Interval(487.26, 460.1, 500.0, 0.95), "487 [460, 500]"),
        (Interval(0.123, -0.13, 0.37, 0.9), "0.12 [−0.13, 0.37]"),
        (Interval(5.0, 5.0, 5.0, 0.9), "5.000 [5.000, 5.000]"),
        (Interval(5.0, math.nan, math.nan, 0.9), "5 [no interval]"),
        (Interval(math.nan, math.nan, math.nan, 0.9), "NaN [no interval]"),
        (Interval(5.0, -math.inf, math.inf, 0.9), "5 [no interval]"),
        (Interval(-0.001, -20, 20, 0.9), "0 [−20, 20]"),
        (Interval(0, 0, 0, 0.9), "0 [0, 0]"),
    ],
)
def test_interval_of_any_width_shows_fitting_decimals(found, shown):
    assert words.interval(found) == shown


def test_onset_is_an_interval_with_its_level():
    shown = words.onset(Onset(2000, 3500, 0.95))
    assert shown == "begins between env steps 2,000 and 3,500 (95 % interval)"


@pytest.mark.parametrize(
    ("p", "is_equivalent", "shown"),
    [(0.01, True, "yes"), (0.3, False, "not shown"), (None, False, "unknown")],
)
def test_within_margin_never_calls_an_unshown_difference_equal(p, is_equivalent, shown):
    one = Interval(0.0, -1.0, 1.0, 0.9)
    test = EndpointTest("final", one, one, one, 5.0, p, is_equivalent, None, None)
    assert words.within_margin(test) == shown
