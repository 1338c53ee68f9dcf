"""Rows that are each taken once: any order will do, a row that comes twice will not."""

import numpy as np
import pytest

from harness.stats.draws import draw_tests
from harness.stats.draws_record import DrawRecord

N_STEPS, N_ENVS, N_EVENTS = 5, 3, 4
EVERY = np.stack(np.indices((N_STEPS, N_ENVS)).reshape(2, -1), axis=-1)


def shuffled(seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.permutation(EVERY) for _ in range(N_EVENTS))


def outcome_of(mine):
    size = (len(EVERY),) * N_EVENTS
    record = DrawRecord("rows", "once", mine, shuffled(1), shuffled(2), size, tuple(range(4)))
    (test,) = draw_tests([record])
    return test


@pytest.mark.parametrize("mine", [(EVERY,) * N_EVENTS, (EVERY[::-1],) * N_EVENTS, shuffled(3)])
def test_any_order_is_no_difference_and_the_reason_says_so(mine):
    test = outcome_of(mine)
    assert not test.is_rejected
    assert (
        test.reason == "each row is taken once, as by the reference; the order is of no consequence"
    )


def test_row_taken_twice_in_place_of_another_is_a_finding():
    rows = EVERY.copy()
    rows[0] = rows[1]
    test = outcome_of((EVERY, EVERY, rows, EVERY))
    assert test.is_rejected
    assert (test.feature, test.mine, test.reference) == ("each row once per epoch", 1.0, 0.0)


def test_row_that_does_not_exist_is_a_finding():
    rows = EVERY.copy()
    rows[0] = (0, N_ENVS)
    assert outcome_of((rows, EVERY, EVERY, EVERY)).is_rejected
