"""Actions of several choices: every dimension is tested, and each two of them together."""

import numpy as np
import pytest

from harness.segments.drawing import Tapes, draw_records
from harness.segments.tape import Event, Tape
from harness.spec.cards import card
from harness.stats.draws import draw_tests

N_STEPS, N_ENVS = 80, 10
# Of a choice of three and of a switch.
CHANCES = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.4])


def drawn(seed, *, chances=CHANCES, is_shared=False, dtype=np.int64):
    """Return (N_STEPS, N_ENVS, 2) choices; shared: one random number makes both."""
    rng = np.random.default_rng(seed)
    numbers = rng.random((N_STEPS, N_ENVS, 2))
    if is_shared:
        numbers[..., 1] = numbers[..., 0]
    parts = [
        np.searchsorted(np.cumsum(p), numbers[..., d], side="right") for d, p in enumerate(chances)
    ]
    return np.stack(parts, axis=-1).astype(dtype)


def tape(actions):
    return Tape({"action": {(i, 0): Event({"": one}, i, 0) for i, one in enumerate(actions)}})


def rejected(mine, *, dtype=np.int64):
    plays = (drawn(1, dtype=dtype), drawn(2, dtype=dtype), mine)
    records = draw_records(card("ppo"), Tapes(*map(tape, plays)), [])
    assert {record.part for record in records} == {
        "dimension 0",
        "dimension 1",
        "dimensions 0 and 1 together",
    }
    return [test.feature for test in draw_tests(records) if test.is_rejected]


@pytest.mark.parametrize("dtype", [np.int64, np.float32])  # a Bernoulli's draws are floats
def test_same_law_is_not_rejected(dtype):
    assert rejected(drawn(3, dtype=dtype), dtype=dtype) == []


@pytest.mark.parametrize(
    ("dimension", "chances"),
    [(0, (np.array([0.4, 0.3, 0.3]), CHANCES[1])), (1, (CHANCES[0], np.array([0.4, 0.6])))],
)
def test_dimension_with_other_frequencies_is_named(dimension, chances):
    found = rejected(drawn(3, chances=chances))
    assert any(name.endswith(f", dimension {dimension}") for name in found)
    assert not any(name.endswith(f", dimension {1 - dimension}") for name in found)


def test_dimensions_that_share_a_random_number_are_found_together_alone():
    found = rejected(drawn(3, is_shared=True))
    assert found
    assert all(name.endswith(", dimensions 0 and 1 together") for name in found)


def test_continuous_actions_stay_one_record():
    plays = (np.random.default_rng(seed).normal(size=(N_STEPS, N_ENVS, 2)) for seed in range(3))
    (record,) = draw_records(card("ppo"), Tapes(*map(tape, plays)), [])
    assert (record.kind, record.part) == ("continuous", "")
