"""Hints come from the numbers: a planted relation is named, all that fit are, noise has none."""

import numpy as np
import pytest

from harness.segments.hints import agreed, hints_of
from tests.segments.hints_planted import planted

RNG = np.random.default_rng(5)
ROWS = [RNG.normal(size=16) for _ in range(4)]
BATCH = [{"rewards": RNG.normal(size=16)} for _ in range(4)]


def hints(mine, reference=ROWS, **named):
    return hints_of(*planted(mine, reference, **named))


def said(mine, reference=ROWS, **named):
    return " / ".join(hints(mine, reference, **named))


def each(change, arrays=ROWS):
    return [change(array) for array in arrays]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x: 1.7 * x, "constant factor 1.7"),
        (lambda x: 0.5 * x, "constant factor 0.5: 1/2"),
        (lambda x: x / 16, "constant factor 0.0625: 1/B with B = 16"),
        (lambda x: 0.93 * x, "constant factor 0.93: gamma = 0.93"),
        (lambda x: x / 0.93, "constant factor 1.07527: 1/gamma with gamma = 0.93"),
        (lambda x: 0.7 * x, "constant factor 0.7: 1 - tau with tau = 0.3"),
        (lambda x: -0.37 * x, "constant factor -0.37: -(vf_coef = 0.37)"),
        (lambda x: 0.93 * 0.37 * x, "constant factor 0.3441: gamma * vf_coef"),
        (lambda x: -x, "the sign is turned"),
        (lambda x: x + 2.75, "constant offset +2.75"),
        (lambda x: x - 0.37, "constant offset -0.37: -vf_coef"),
        (lambda x: x * 0 + 3, "mine is 3 everywhere"),
        (np.abs, "mine is the absolute value of the reference"),
        (np.square, "mine is the square of the reference"),
        (np.sign, "mine is the sign of the reference"),
        (lambda x: 0.99 / 0.93 * x, "constant factor 1.06452: 0.99 in place of gamma = 0.93"),
        (np.exp, "mine is exp of the reference"),
        (np.tanh, "mine is tanh of the reference"),
        (np.trunc, "mine is the reference cut to whole numbers"),
        (lambda x: np.maximum(x, 0), "mine is the reference above 0 and 0 below"),
        (lambda x: np.clip(x, -0.41, 0.41), "clipped to [-0.41, 0.41] (max_grad_norm = 0.41)"),
        (lambda x: np.minimum(x, 0.6), "mine is the reference clipped from above at 0.6"),
        (lambda x: x[::-1], "the same rows in reverse order"),
        (lambda x: np.roll(x, 3), "the same values in another order"),
        (lambda x: 2 * x + x.mean(), "the reference scaled and shifted: normalised differently"),
        (lambda x: x - x.mean(), "one offset in each event"),
        (lambda x: x / x.std(), "one factor in each event"),
        (lambda x: x.astype(np.float16), "mine is the reference in half precision"),
    ],
)
def test_planted_relation_is_named(change, sentence):
    assert sentence in said(each(change), others={"batch": BATCH})


def test_relation_of_both_sides_is_named_from_the_other_side():
    assert "the reference is tanh of mine" in said(ROWS, each(np.tanh))
    clipped = each(lambda x: np.clip(x, -0.5, 0.9))
    assert "the reference is clipped to [-0.5, 0.9], mine is not" in said(ROWS, clipped)


def test_noise_gives_no_hint():
    noisy = [x + RNG.normal(size=x.size) for x in ROWS]
    small = [x * (1 + 2e-5 * RNG.normal(size=x.size)) for x in ROWS]
    batch = {"batch": BATCH, "q": [RNG.normal(size=16) for _ in ROWS]}
    assert hints(noisy, others=batch) == ()
    assert hints(small, others=batch) == ()


@pytest.mark.parametrize("factor", [0.94123, 0.51234, 1.97654, 1 / 15.3])
def test_factor_beside_a_named_one_is_given_without_a_name(factor):
    found = hints(each(lambda x: factor * x), others={"batch": BATCH})
    assert found == (f"constant factor {factor:.6g}",)


def test_factor_and_offset_that_fit_equally_are_both_named():
    assert hints([[1.0, 1.0]], [[2.0, 2.0]]) == (
        "either constant factor 0.5: 1/2 or constant offset -1",
    )


def test_names_that_fit_equally_are_all_named():
    found = said(each(lambda x: 0.5 * x), hyperparameters={"vf_coef": 0.5, "gamma": 0.9})
    assert found == "constant factor 0.5: 1/2 or vf_coef = 0.5 or 1 - vf_coef with vf_coef = 0.5"


def test_sign_and_absolute_value_that_fit_equally_are_both_named():
    negative = each(lambda x: -np.abs(x))
    assert "either the sign is turned or mine is the absolute value" in said(
        each(np.negative, negative), negative
    )


def test_number_with_too_many_names_has_none():
    many = {f"h{i}": 0.6 for i in range(9)}
    assert said(each(lambda x: 0.6 * x), hyperparameters=many) == "constant factor 0.6"


def test_factor_that_follows_the_size_of_the_minibatch_is_named():
    sizes = (14, 14, 9)
    rows = [RNG.normal(size=n) for n in sizes]
    batch = {"minibatch": [{"returns": RNG.normal(size=n)} for n in sizes]}
    deviation = [x * (x.size / (x.size - 1)) ** 0.5 for x in rows]
    assert "sqrt(B/(B - 1)) of every minibatch" in said(deviation, rows, others=batch)
    assert "factor 1/B of every minibatch" in said([x / x.size for x in rows], rows, others=batch)


def test_scaling_of_actions_is_read_off_the_environment():
    ranges, middle = np.array([1.25, 2.0]), np.array([0.75, -1.0])
    actions = [RNG.uniform(-1, 1, size=(1, 2)) for _ in range(6)]
    others = {"action": actions, "env_action": [(a * ranges + middle)[0] for a in actions]}
    rows = [RNG.normal(size=3) for _ in range(6)]
    assert "half the range of action dimension 0" in said(
        [1.25 * x for x in rows], rows, others=others
    )
    assert "sum of the logarithms of the half action ranges" in said(
        [x - np.log(ranges).sum() for x in rows], rows, others=others
    )


def test_lag_of_one_either_way_is_named():
    assert "mine is the reference's previous value: a lag of one" in said(
        [ROWS[0], *ROWS[:-1]], ROWS
    )
    assert "it runs ahead by one" in said([*ROWS[1:], ROWS[-1]], ROWS)


def test_sums_over_events_are_named():
    two = [ROWS[0], *(a + b for a, b in zip(ROWS[1:], ROWS[:-1], strict=True))]
    assert "mine is the sum of this value and the one before: it accumulates" in said(two)
    assert "running sum of the reference over events" in said(list(np.cumsum(ROWS, axis=0)))


def test_mixture_with_the_value_before_is_named():
    online, target = RNG.normal(size=(2, 12))
    reference, mine = [target], [target]
    for _ in range(4):
        before = reference[-1]
        reference.append(0.3 * online + 0.7 * before)
        mine.append(0.7 * online + 0.3 * before)
    found = said([{"0": x} for x in mine], [{"0": x} for x in reference], tap="target_params")
    assert found == "mine moved 2.33333 times as far from the value before: " + (
        "(1 - tau)/tau with tau = 0.3"
    )


def test_moves_at_other_times_are_named():
    a, b, c = RNG.normal(size=(3, 12))
    reference = [{"0": x} for x in (a, b, b, c)]
    assert "mine did not move where the reference did" in said(
        [{"0": x} for x in (a, a, b, b)], reference, tap="target_params"
    )
    late = [{"0": x} for x in (a, a, c, c)]
    assert "of 2 events looked at, 1 times mine alone, 1 times the reference alone" in said(
        late, reference, tap="target_params"
    )


def test_rows_and_axes_in_another_order_are_told_apart():
    grids = [RNG.normal(size=(6, 3)) for _ in range(3)]
    shuffled = [x[RNG.permutation(6)] for x in grids]
    assert "the same rows in another order" in said(shuffled, grids)
    assert "the same columns in reverse order" in said([x[:, ::-1] for x in grids], grids)
    turned = [x.T.reshape(6, 3) for x in grids]
    assert "transposed: its axes are exchanged" in said(turned, grids)


def test_bounds_of_single_columns_are_named():
    actions = [RNG.normal(size=(8, 2)) for _ in range(4)]
    clipped = [np.clip(x, [-0.5, -9], [0.4, 9]) for x in actions]
    assert "the reference is clipped to [-0.5, 0.4] in column 0, mine is not" in said(
        actions, clipped
    )


def test_exchanged_fields_are_named():
    reference = [{"obs": x, "next_obs": x + RNG.normal(size=16)} for x in ROWS]
    mine = [{"obs": e["obs"], "next_obs": e["obs"]} for e in reference]
    assert "mine is the reference's obs" in said(mine, reference)


def test_another_quantity_of_the_update_is_named():
    others = {"q1": [RNG.normal(size=16) for _ in ROWS]}
    assert said(others["q1"], others=others) == "mine is the reference's q1"
    assert said([x + 1e-2 for x in others["q1"]], others=others) == ""


def test_term_that_is_missing_or_scaled_is_named():
    others = {"next_log_prob": [RNG.normal(size=16) for _ in ROWS], "batch": BATCH}
    missing = [x + 0.93 * y for x, y in zip(ROWS, others["next_log_prob"], strict=True)]
    assert "the difference is 0.93 (gamma = 0.93) times next_log_prob" in said(
        missing, others=others
    )
    rewards = [row["rewards"] for row in BATCH]
    scaled = [r + 0.93 * (x - r) for x, r in zip(ROWS, rewards, strict=True)]
    assert "less rewards, mine is 0.93 (gamma = 0.93) times the reference" in said(
        scaled, others=others
    )


def test_term_with_a_multiple_of_its_own_in_each_event_is_named():
    others = {"next_log_prob": [RNG.normal(size=16) for _ in ROWS]}
    mine = [
        x + c * y
        for x, y, c in zip(ROWS, others["next_log_prob"], (0.1, 0.2, 0.3, 0.4), strict=True)
    ]
    assert "the difference is 0.1 to 0.4 times next_log_prob" in said(mine, others=others)


def test_fields_of_a_record_are_explained_one_by_one():
    reference = [{"a": x, "b": x + 9, "c": x} for x in ROWS]
    mine = [{"a": -x, "b": 1.5 * (x + 9), "c": x} for x in ROWS]
    found = hints(mine, reference)
    assert "a: the sign is turned" in found
    assert "b: constant factor 1.5" in found


@pytest.mark.parametrize(
    ("mine", "reference", "words"),
    [
        ((4, 4), (4,), "a broadcast of (4,) and (4, 1)"),
        ((3, 2), (2, 3), "shape (3, 2) where the reference has (2, 3)"),
        ((5,), (4,), "shape (5,) where the reference has (4,)"),
    ],
)
def test_other_shape_is_said(mine, reference, words):
    assert words in said([RNG.normal(size=mine)], [RNG.normal(size=reference)])


def test_same_numbers_in_another_shape_are_named():
    x = RNG.normal(size=(2, 3))
    assert "its axes are exchanged" in said([x.T], [x])
    assert "the same numbers in the same order" in said([x.reshape(3, 2)], [x])


def test_reduction_that_is_missing_is_named():
    x = RNG.normal(size=(6, 3))
    assert "the sum over the last axis is missing" in said([x], [x.sum(1)])
    assert "the minimum over the last axis is missing" in said([x], [x.min(1)])
    assert "mine is its mean" in said([x[:, 0].mean()], [x[:, 0]])


def test_elements_that_differ_alone_are_explained():
    mine = [np.where(np.arange(16) % 5 == 0, 1.5 * x, x) for x in ROWS]
    assert "where they differ: constant factor 1.5" in said(mine)


def test_difference_to_one_side_is_said_when_nothing_else_is():
    mine = [x + np.abs(RNG.normal(size=16)) + 0.01 for x in ROWS]
    assert said(mine) == "wherever they differ, mine is larger"


def test_values_that_are_not_finite_break_nothing():
    assert hints([np.full(4, np.nan)], [np.arange(4.0)]) == ()
    assert isinstance(hints([np.arange(4.0)], [np.full(4, np.inf)]), tuple)


def test_names_that_another_scenario_does_not_give_are_coincidences():
    one = ("constant factor 0.1: 1/B with B = 10 or 1 - gamma with gamma = 0.9",)
    other = ("constant factor 0.1: 1/B with B = 10 or tau = 0.1",)
    assert agreed([one, other]) == ("constant factor 0.1: 1/B with B = 10",)
    assert agreed([one, ("constant factor 0.1: tau = 0.1",)]) == ("constant factor 0.1",)
    assert agreed([(), one, ("constant factor 0.2: tau = 0.2",)]) == one
    assert agreed([(), ()]) == ()


def test_what_explains_all_elements_leaves_out_which_ones_are_off():
    assert hints([np.clip(x, -1, 1) for x in ROWS]) == ("mine is the reference clipped to [-1, 1]",)


def test_steady_offset_is_named_beside_the_term_that_it_may_come_from():
    terms = [1.3 + 1e-6 * RNG.normal(size=16) for _ in ROWS]
    mine = [x + 0.5 * t for x, t in zip(ROWS, terms, strict=True)]
    found = said(mine, others={"entropy_loss": terms})
    assert found == "either constant offset +0.65 or the difference is 0.5 (1/2) times entropy_loss"
