from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.stats import draw_worlds as worlds
from harness.stats.draws import draw_tests
from harness.stats.draws_record import DrawRecord
from harness.stats.draws_weights import weight_features

ORTHOGONAL = partial(worlds.weights, init="orthogonal")


def rng(seed=0):
    return np.random.default_rng(seed)


def rejected(record):
    return {test.feature: test for test in draw_tests([record]) if test.is_rejected}


def layer(mine, again, known, label="bias"):
    sides = (tuple(np.asarray(x, dtype=np.float32) for x in side) for side in (mine, again, known))
    return DrawRecord("q_net", "weights", *sides, labels=(label,) * len(known))


def test_weights_when_orthogonal_instead_of_uniform_then_named():
    found = rejected(worlds.networks(rng(), 1, draw=ORTHOGONAL))
    assert "mine is orthogonal" in found["body.2.weight: spread of the singular values"].reason


def test_weights_when_uniform_instead_of_orthogonal_then_named():
    found = rejected(worlds.networks(rng(), 1, draw=worlds.weights, truth=ORTHOGONAL))
    reason = found["body.2.weight: spread of the singular values"].reason
    assert reason == "the reference's matrix is orthogonal, mine is not"


def test_weights_when_gain_of_orthogonal_differs_then_named_with_both_gains():
    record = worlds.networks(rng(), 1, draw=partial(ORTHOGONAL, gain=2**0.5), truth=ORTHOGONAL)
    found = rejected(record)["head.weight: gain of the orthogonal matrix"]
    assert (found.mine, found.reference) == pytest.approx((2**0.5, 1.0), rel=1e-5)


def test_weights_when_single_row_has_another_length_then_named():
    def rows(length, seed):
        drawn = rng(seed).normal(size=(3, 1, 64))
        return length * drawn / np.linalg.norm(drawn, axis=2, keepdims=True)

    found = rejected(layer(rows(1.0, 0), rows(0.01, 1), rows(0.01, 2), label="value"))
    assert found["value: gain of the orthogonal matrix"].mine == pytest.approx(1.0)
    assert rejected(layer(rows(0.01, 0), rows(0.01, 1), rows(0.01, 2), label="value")) == {}


def test_weights_when_wider_then_scale_is_named():
    found = rejected(worlds.networks(rng(), 1, draw=partial(worlds.weights, gain=1.1)))
    assert "body.2.weight: root mean square" in found


def test_weights_when_normal_instead_of_uniform_then_distribution_is_named():
    found = rejected(worlds.networks(rng(), 1, draw=partial(worlds.weights, init="normal")))
    assert any(name.startswith("body.2.weight: distribution") for name in found)
    assert "body.2.weight: root mean square" not in found


@pytest.mark.parametrize(("value", "is_found"), [(0.0, False), (0.1, True)])
def test_weights_when_reference_is_constant_then_compared_exactly(value, is_found):
    zeros = np.zeros((2, 64))
    found = rejected(layer(zeros + value, zeros, zeros))
    assert list(found) == (["bias: initial value"] if is_found else [])


def test_weights_when_only_mine_is_constant_then_named():
    drawn = rng().normal(size=(4, 64))
    found = rejected(layer(np.zeros((2, 64)), drawn[:2], drawn[2:]))
    assert found["bias: initial value"].reason == "mine starts at 0 throughout, the reference draws"


def test_weights_when_reference_is_fixed_but_not_constant_then_compared_exactly():
    fixed = np.tile(np.arange(4.0), (2, 1))
    found = rejected(layer(fixed[:, ::-1], fixed, fixed))
    reason = "the reference starts at fixed, differing values, mine does not"
    assert found["bias: initial value"].reason == reason


def test_weights_when_mine_starts_alike_in_every_seed_then_named():
    drawn = rng().normal(size=(5, 64))
    found = rejected(layer(drawn[[0, 0]], drawn[1:3], drawn[3:]))
    assert "bias: one draw per seed" in found


def test_weights_when_two_critics_start_as_copies_then_named():
    def critics(seed, is_copy):
        one, other = rng(seed).normal(size=(2, 8, 8))
        return (one, one if is_copy else other)

    record = DrawRecord(
        "critic", "weights", critics(0, True), critics(1, False), critics(2, False),
        labels=("q1.weight", "q2.weight"),
    )  # fmt: skip
    found = rejected(record)["q1.weight and q2.weight: equal at the start"]
    assert found.reason == "only in mine do the two start as copies of one another"
    swapped = replace(record, mine=record.again, again=critics(3, True), known=critics(4, True))
    found = rejected(swapped)["q1.weight and q2.weight: equal at the start"]
    assert found.reason == "only in the reference do the two start as copies of one another"


def test_weights_when_a_layer_has_a_random_factor_then_its_scale_is_not_tested():
    def scaled(factor, seed):
        return factor * rng(seed).normal(size=(1, 64, 64))

    record = layer(scaled(1.5, 0), scaled(1.0, 1), scaled(0.7, 2), label="w")
    assert not [f for f in weight_features(record) if f.family == "w: scale"]


def test_weights_when_shape_changes_between_seeds_then_refused():
    mixed = (np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="bias has another shape in another seed"):
        draw_tests([layer(mixed, mixed, mixed)])


def test_weights_when_all_elements_share_an_offset_then_their_mean_is_not_tested():
    def moved(offset, seed):
        return offset + rng(seed).normal(size=(1, 64, 64))

    record = layer(moved(0.0, 0), moved(1.0, 1), moved(-1.0, 2), label="w")
    assert not [f for f in weight_features(record) if f.family == "w: mean"]


def test_weights_when_single_rows_have_any_length_then_no_exact_finding():
    rows = rng().normal(size=(9, 1, 64))
    assert rejected(layer(rows[:3], rows[3:6], rows[6:], label="value")) == {}


def test_weights_when_both_sides_start_as_copies_then_no_finding():
    pairs = [(x, x) for x in rng().normal(size=(3, 8, 8))]
    record = DrawRecord("critic", "weights", *pairs, labels=("q1.weight", "q2.weight"))
    assert rejected(record) == {}


def test_weights_when_biases_are_drawn_alike_then_no_finding():
    drawn = rng().normal(size=(3, 1, 64))
    assert rejected(layer(*drawn)) == {}
