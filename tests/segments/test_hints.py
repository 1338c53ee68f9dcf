"""Hints come from the numbers: each planted relation is named, and nothing when none fits."""

import numpy as np
import pytest

from harness.segments.hints import Failing, hints_of
from harness.segments.tape import Event

REFERENCE = np.array([1.0, -2.0, 3.5, 0.25])
BATCH = Event({"terminated": np.array([0, 1, 0, 1]), "rewards": np.array([1.0, 2, 3, 4])}, 0, 0)


def failing(mine, *, reference=REFERENCE, before=None, batch=BATCH):
    earlier = None if before is None else Event({"": before}, 0, 0)
    events = Event({"": np.asarray(mine)}, 1, 1), Event({"": reference}, 1, 1)
    return [Failing((1,), "", 10.0, 0.5, *events, batch, earlier)]


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        (0.5 * REFERENCE, "constant factor 0.5"),
        (-REFERENCE, "the sign is turned"),
        (REFERENCE + 3, "constant offset +3"),
        (REFERENCE[::-1], "the same values in another order"),
        (REFERENCE + np.array([0, 1, 0, -2]), "only rows with terminated = 1 are off"),
        (REFERENCE + np.array([1, 0, 0, 0]), "only rows with terminated = 0 are off"),
        (np.ones((4, 4)), "shape (4, 4) where the reference has (4,)"),
    ],
)
def test_planted_relation_is_named(mine, words):
    assert words in hints_of(failing(mine))


def test_lag_of_one_is_named():
    before = np.array([9.0, 8.0, 7.0, 6.0])
    assert "a lag of one" in " ".join(hints_of(failing(before, before=before)))


def test_noise_gives_no_hint():
    mine = REFERENCE + np.array([0.3, -0.1, 0.25, 0.7])
    assert hints_of(failing(mine)) == ()


def test_two_relations_that_fit_are_both_named():
    reference = np.array([2.0, 2.0])
    found = hints_of(failing([1.0, 1.0], reference=reference, batch=None))
    assert found == ("constant factor 0.5", "constant offset -1")
