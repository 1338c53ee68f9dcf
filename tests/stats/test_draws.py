from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.stats import draw_worlds as worlds
from harness.stats.draws import DRAW_ALPHA, FEATURES, draw_tests
from harness.stats.draws_flip import Feature
from harness.stats.draws_record import DrawRecord

PER_EPOCH = worlds.ROLLOUT // worlds.BATCH
WORLDS = {**worlds.NULLS, "continuous noise of one row": worlds.ou_noises}


def rng(seed=0):
    return np.random.default_rng(seed)


def rejected(*records, alpha=DRAW_ALPHA):
    return {test.feature: test for test in draw_tests(records, alpha=alpha) if test.is_rejected}


def events_of(name):
    return 2 if "weights" in name else 160


def is_unit_swapped(record, name, swapped):
    """Say, per event, whether its draws are to be exchanged: whole units only."""
    if record.kind == "permutation" or name == "Ornstein-Uhlenbeck noise":
        return [bool(swapped[group]) for group in record.groups]
    return [bool(x) for x in swapped[: len(record.known)]]


def exchange(record, swaps):
    pairs = [
        (a, m) if swap else (m, a)
        for m, a, swap in zip(record.mine, record.again, swaps, strict=True)
    ]
    return replace(record, mine=tuple(p[0] for p in pairs), again=tuple(p[1] for p in pairs))


@pytest.mark.parametrize("name", [name for name in worlds.NULLS if "weights" not in name])
def test_features_when_some_units_are_exchanged_then_exactly_their_signs_flip(name):
    record = worlds.NULLS[name](rng(), 160)
    swapped = rng(1).random(160) < 0.5
    swaps = is_unit_swapped(record, name, swapped)
    before, after = (FEATURES[record.kind](r) for r in (record, exchange(record, swaps)))
    compared = 0
    for one, other in zip(before, after, strict=True):
        assert one.name == other.name
        if isinstance(one, Feature):
            signs = np.where(swapped[: len(one.differences)], -1.0, 1.0)
            assert other.differences == pytest.approx(signs * one.differences, abs=1e-12)
            compared += 1
    assert compared >= 5


def test_features_of_weights_when_elements_are_exchanged_then_exactly_their_signs_flip():
    record = worlds.networks(rng(), 1)
    swaps = [rng(100 + i).random(known.shape) < 0.5 for i, known in enumerate(record.known)]
    other = replace(
        record,
        mine=tuple(
            np.where(s, a, m) for m, a, s in zip(record.mine, record.again, swaps, strict=True)
        ),
        again=tuple(
            np.where(s, m, a) for m, a, s in zip(record.mine, record.again, swaps, strict=True)
        ),
    )
    signs = {
        label: 1.0 - 2.0 * swap.reshape(-1)
        for label, swap in zip(record.labels, swaps, strict=True)
    }
    pairs = zip(FEATURES["weights"](record), FEATURES["weights"](other), strict=True)
    for one, two in pairs:
        sign = signs[one.family.partition(":")[0]]
        assert two.differences == pytest.approx(sign * one.differences, abs=1e-12)


@pytest.mark.parametrize("name", worlds.NULLS)
def test_draw_tests_when_sides_swap_then_statistics_flip_and_p_stays(name):
    record = worlds.NULLS[name](rng(2), events_of(name))
    swapped = replace(record, mine=record.again, again=record.mine)
    for one, other in zip(draw_tests([record]), draw_tests([swapped]), strict=True):
        if "commonest step" not in one.feature:  # that one looks at mine alone
            assert other.statistic == pytest.approx(-one.statistic, abs=1e-9)
            assert other.p == pytest.approx(one.p)
            assert (other.mine, other.reference) == pytest.approx((one.reference, one.mine))


def test_draw_tests_when_nothing_differs_then_no_alarm_in_many_comparisons():
    alarms = 0
    for seed in range(25):
        records = [source(rng(seed), events_of(name)) for name, source in WORLDS.items()]
        alarms += any(test.is_rejected for test in draw_tests(records, alpha=0.05))
    assert alarms <= 2  # of 25 at 5 %; the bound and Holm's step make it about 1 %


@pytest.mark.slow
@pytest.mark.parametrize("name", worlds.NULLS)
def test_draw_tests_when_nothing_differs_then_level_holds(name):
    alarms = sum(
        bool(rejected(worlds.NULLS[name](rng(seed), events_of(name)), alpha=0.05))
        for seed in range(1000)
    )
    assert alarms <= 50


FOUND = {
    "one action too frequent": (
        partial(worlds.actions, draw=partial(worlds.epsilon_greedy, extra=0.27)),
        "frequency of action 0",
    ),
    "never explores": (
        partial(worlds.actions, draw=partial(worlds.epsilon_greedy, epsilon=0.0)),
        "agreement with the reference's own draw",
    ),
    "Gumbel noise of the wrong sign": (
        partial(
            worlds.actions,
            draw=partial(worlds.gumbel, sign=-1.0),
            truth=worlds.gumbel,
        ),
        "frequency of action",
    ),
    "sticky actions": (
        partial(
            worlds.actions,
            draw=partial(worlds.sticky, stay=0.4),
            truth=partial(worlds.sticky, stay=0.0),
        ),
        "agreement with its own draw before",
    ),
    "wide policy": (
        partial(worlds.boxes, draw=partial(worlds.gaussian_policy, sd=1.0)),
        "distance to the reference's own draw, dimension",
    ),
    "shifted policy": (
        partial(worlds.boxes, draw=partial(worlds.gaussian_policy, shift=0.4)),
        "mean of dimension",
    ),
    "correlated policy": (
        partial(worlds.boxes, draw=partial(worlds.gaussian_policy, rho=0.95)),
        "correlation of dimensions 0 and 1",
    ),
    "wide noise": (
        partial(worlds.noises, draw=partial(worlds.white_noise, sd=1.1)),
        "standard deviation of dimension",
    ),
    "uniform noise": (
        partial(worlds.noises, draw=partial(worlds.white_noise, law="uniform")),
        "share beyond 2 standard deviations from the mean, dimension",
    ),
    "noise shared by rows": (
        partial(worlds.noises, draw=partial(worlds.broadcast_noise, axis=1)),
        "standard deviation between the rows of an event",
    ),
    "noise shared by dimensions": (
        partial(worlds.noises, draw=partial(worlds.broadcast_noise, axis=2)),
        "correlation of dimensions 0 and 1",
    ),
    "wide Ornstein-Uhlenbeck noise": (
        partial(worlds.ou_noises, draw=partial(worlds.ornstein_uhlenbeck, scale=2.0)),
        "standard deviation of dimension",
    ),
    "noise not reset at episode ends": (
        partial(worlds.ou_noises, draw=partial(worlds.ornstein_uhlenbeck, is_reset=False)),
        "lag-1 autocovariance across episode starts, share of the variance, dimension",
    ),
    "old rows only": (
        partial(worlds.replays, draw=partial(worlds.uniform_rows, share=0.9)),
        "mean row drawn, as a share of what is stored",
    ),
    "newest row never drawn": (
        partial(worlds.replays, draw=partial(worlds.uniform_rows, lacks_newest=True)),
        "newest row",
    ),
    "rows without replacement": (
        partial(worlds.replays, draw=partial(worlds.uniform_rows, is_distinct=True)),
        "repeated rows in a minibatch, share",
    ),
    "neighbouring rows": (
        partial(worlds.replays, draw=worlds.consecutive_rows),
        "correlation of successive rows in a minibatch",
    ),
    "rows beyond the last": (
        partial(worlds.replays, draw=partial(worlds.uniform_rows, share=1.02)),
        "rows that are not stored",
    ),
    "order not shuffled": (
        partial(worlds.permutations, draw=partial(worlds.orders, how="sorted")),
        "commonest step between successive rows, occurrences in the first epoch",
    ),
    "first half of the rows first": (
        partial(worlds.permutations, draw=partial(worlds.orders, how="halves")),
        "correlation of a row with its place in the order",
    ),
    "order drawn with replacement": (
        partial(worlds.permutations, draw=partial(worlds.orders, how="replaced")),
        "each row once per epoch",
    ),
}

MANY = {
    "wide Ornstein-Uhlenbeck noise": 1500,
    "Gumbel noise of the wrong sign": 7000,
    "noise not reset at episode ends": 2500,
}


@pytest.mark.parametrize("mistake", FOUND)
def test_draw_tests_when_a_mistake_is_planted_then_found_by_its_feature(mistake):
    source, feature = FOUND[mistake]
    n = MANY.get(mistake, 640)
    found = rejected(source(rng(5), n))
    assert [name for name in found if name.startswith(feature)], list(found)


def test_draw_tests_when_one_permutation_serves_several_epochs_then_no_alarm():
    reused = partial(worlds.orders, epochs_per_rollout=10)
    for seed in range(5):
        assert rejected(worlds.permutations(rng(seed), 80 * PER_EPOCH, draw=reused)) == {}


def test_draw_tests_when_epoch_ends_early_then_rows_used_are_judged():
    record = worlds.permutations(rng(), 2 * PER_EPOCH)
    keep = PER_EPOCH + 3  # the second epoch stops after three minibatches
    cut = {name: getattr(record, name)[:keep] for name in ("mine", "again", "known", "groups")}
    assert rejected(replace(record, capacity=record.capacity[:keep], **cut)) == {}


def pairs(order, n_envs):
    return np.stack([order // n_envs, order % n_envs], axis=1)


def test_draw_tests_when_rows_are_pairs_then_environments_are_looked_at():
    def by_env(generator, n):  # one environment after the other, shuffled within
        orders = [generator.permutation(64) * 4 + env for _ in range(n) for env in range(4)]
        return [np.concatenate(orders[4 * i : 4 * i + 4]) for i in range(n)]

    def shuffled(generator, n):
        return [generator.permutation(256) for _ in range(n)]

    record = worlds.record(
        "rows", "permutation", (by_env, shuffled), rng=rng(), n=60, capacity=(256,) * 60
    )
    two = {side: tuple(pairs(o, 4) for o in getattr(record, side)) for side in ("mine", "again")}
    record = replace(record, **two, known=tuple(pairs(o, 4) for o in record.known))
    assert "successive rows of the same environment, share" in rejected(record)


def test_draw_tests_when_several_sources_then_only_the_wrong_one_is_named():
    wrong = worlds.replays(rng(), 500, draw=partial(worlds.uniform_rows, share=0.9))
    right = [worlds.actions(rng(), 500), worlds.noises(rng(), 100), worlds.networks(rng(), 2)]
    assert {test.source for test in rejected(*right, wrong).values()} == {"rows"}


def test_draw_tests_when_few_events_then_not_rejected_with_the_reason():
    record = worlds.boxes(rng(), 12, draw=partial(worlds.gaussian_policy, shift=50.0))
    mean = next(t for t in draw_tests([record]) if t.feature.startswith("mean"))
    assert not mean.is_rejected
    assert mean.n == 12
    assert mean.reason == "12 differing draws cannot reach this level; at least 25 can"


def test_draw_tests_when_mine_repeats_the_record_then_said_and_not_judged():
    record = worlds.boxes(rng(), 50)
    [test] = draw_tests([replace(record, mine=record.known)])
    assert not test.is_rejected
    assert "same generator and seed" in test.reason


def test_draw_tests_when_no_event_then_said():
    [test] = draw_tests([DrawRecord("noise", "noise", (), (), ())])
    assert test.reason == "no draw of this source was seen on both sides"
    assert (test.n, test.is_rejected) == (0, False)


def test_draw_tests_when_nothing_is_random_then_said():
    zeros = (np.zeros(8),) * 2
    [test] = draw_tests(
        [DrawRecord("q_net", "weights", zeros, zeros, zeros, labels=("bias", "bias"))]
    )
    assert test.reason == "nothing is random here: compared exactly, and equal"


def test_draw_tests_when_mine_is_not_finite_then_exact_finding():
    record = worlds.boxes(rng(), 50)
    broken = tuple(np.where(i == 3, np.nan, draw) for i, draw in enumerate(record.mine))
    found = rejected(replace(record, mine=broken))
    assert found["finite values"].reason == "2 drawn values are NaN or infinite"


def test_draw_tests_when_reference_is_not_finite_then_untested():
    record = worlds.boxes(rng(), 50)
    broken = tuple(np.full_like(draw, np.inf) for draw in record.again)
    [test] = draw_tests([replace(record, again=broken)])
    assert test.reason == "some draws are NaN or infinite"
    assert not test.is_rejected


def test_draw_tests_when_mine_draws_once_for_all_then_exact_finding():
    record = worlds.boxes(rng(), 50)
    found = rejected(replace(record, mine=record.mine[:1] * 50))
    assert found["a new draw each time"].mine == 49.0


def test_draw_tests_when_reference_leaves_the_range_too_then_no_exact_finding():
    record = worlds.replays(rng(), 100)
    shifted = replace(record, capacity=tuple(c // 2 for c in record.capacity))
    assert "rows that are not stored" not in rejected(shifted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mine": ()}, "expected one value of mine per event, 5, seen 0"),
        ({"capacity": ()}, "expected one value of capacity per event, 5, seen 0"),
        ({"capacity": (1,)}, "expected one value of capacity per event, 5, seen 1"),
        ({"mine": (np.zeros(3),) * 5}, "leave out events whose shapes differ"),
    ],
)
def test_record_when_parts_do_not_fit_then_refused(change, message):
    record = worlds.replays(rng(), 5)
    with pytest.raises(ValueError, match=message):
        replace(record, **change)


def test_record_when_event_is_empty_or_dimensions_vary_then_refused():
    nothing = (np.empty(0),)
    with pytest.raises(ValueError, match="event 0 is empty"):
        DrawRecord("noise", "noise", nothing, nothing, nothing)
    mixed = (np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"expected one number of dimensions, seen \[2, 3\]"):
        draw_tests([DrawRecord("noise", "noise", mixed, mixed, mixed)])


def test_draw_tests_when_parallel_environments_share_one_draw_then_found():
    def independent(generator, n):
        return list(generator.integers(5, size=(n, 4)))

    def shared(generator, n):
        return list(np.repeat(generator.integers(5, size=(n, 1)), 4, axis=1))

    record = worlds.record("action", "categorical", (shared, independent), rng=rng(), n=200)
    assert list(rejected(record)) == ["same action in all parallel environments"]


def test_draw_tests_when_only_even_actions_are_drawn_more_then_found():
    def draw(generator, n, odd):
        return list(generator.integers(6, size=n) * 2 + (generator.random(n) < odd))

    draws = partial(draw, odd=0.2), partial(draw, odd=0.5)
    record = worlds.record("action", "categorical", draws, rng=rng(), n=500)
    assert "frequency of actions with an even number" in rejected(record)


def irregular(draw):
    """Return a draw whose every third event has one row less."""
    return lambda generator, n: [
        rows[:-1] if i % 3 == 0 else rows for i, rows in enumerate(draw(generator, n))
    ]


@pytest.mark.parametrize(
    ("kind", "draw"),
    [
        ("categorical", partial(worlds.epsilon_greedy, n_envs=3)),
        ("noise", worlds.white_noise),
        ("indices", worlds.uniform_rows),
    ],
)
def test_draw_tests_when_events_have_other_numbers_of_rows_then_tested_without_lags(kind, draw):
    draws, extra = (irregular(draw),) * 2, {"groups": worlds.episodes(100)}
    if kind == "indices":
        extra["capacity"] = worlds.capacities(100)
    tests = draw_tests([worlds.record("x", kind, draws, rng=rng(), n=100, **extra)])
    assert len(tests) >= 3
    assert not [t for t in tests if t.is_rejected or "lag" in t.feature or "before" in t.feature]


def test_draw_tests_when_reference_is_not_shuffled_either_then_order_is_no_finding():
    record = worlds.permutations(rng(), 4 * PER_EPOCH, draw=partial(worlds.orders, how="sorted"))
    record = replace(record, again=record.mine, known=tuple(x[::-1] for x in record.mine))
    assert not [test for test in draw_tests([record]) if "commonest step" in test.feature]


def test_draw_tests_when_noise_of_episodes_is_white_then_steps_are_the_units():
    draw = partial(worlds.white_noise, rows=1)
    record = worlds.record(
        "noise", "noise", (draw, draw), rng=rng(), n=100, groups=worlds.episodes(100)
    )
    assert {test.n for test in draw_tests([record]) if "mean" in test.feature[:4]} == {100}
    grouped = replace(record, is_grouped=True)
    assert {test.n for test in draw_tests([grouped]) if "mean" in test.feature[:4]} == {5}
    correlated = worlds.ou_noises(rng(), 100)
    assert {test.n for test in draw_tests([correlated]) if "mean" in test.feature[:4]} == {5}
