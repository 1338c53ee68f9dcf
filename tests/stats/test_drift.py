"""Bands from nudged runs, and where a run leaves them."""

import numpy as np
import pytest

from harness.stats import drift


def run(distances, *, env_steps=None):
    n = len(distances)
    steps = np.arange(n) if env_steps is None else np.asarray(env_steps)
    return np.column_stack([steps, np.arange(n), np.asarray(distances, dtype=float)])


def test_band_is_the_largest_distance_so_far_with_room_and_a_look_ahead():
    band = drift.band_of([run([0.0] * 40 + [1e-3] * 60)])
    allowed = band.at(np.array([0, 23, 24, 99]))
    # Event 24 looks ahead to 1.25 * 24 + 10 = 40, where the nudged run jumped.
    assert allowed == pytest.approx([drift.NEAREST, drift.NEAREST, 1e-2, 1e-2])


def test_band_of_several_runs_is_the_widest_of_them_and_never_falls():
    band = drift.band_of([run([1e-4, 3e-4, 1e-4]), run([2e-4, 1e-4, 1e-4])])
    assert band.at(np.array([0])) == pytest.approx([3e-3])


def test_infinite_distances_widen_no_band():
    band = drift.band_of([run([np.inf, 1e-5])])
    assert band.at(np.array([0])) == pytest.approx([1e-4])


def test_run_inside_its_band_departs_nowhere():
    band = drift.band_of([run(np.linspace(0, 1e-3, 50))])
    assert drift.departure_of("loss", run(np.linspace(0, 2e-3, 50)), band) is None
    assert drift.departure_of("loss", run([]), band) is None


def test_departure_is_the_first_event_outside():
    band = drift.band_of([run([1e-6] * 5)])
    found = drift.departure_of("loss", run([0, 0, 1e-3, 1e-2, 0], env_steps=[5, 5, 6, 6, 7]), band)
    assert (found.index, found.env_step, found.update) == (2, 6, 2)
    assert found.distance == 1e-3
    assert found.band == pytest.approx(1e-5)


def test_counts_part_where_a_sequence_first_differs_or_ends():
    same = np.array([3.0, 6.0, 9.0])
    assert drift.departed_count("updates", same, same) is None
    late = drift.departed_count("updates", np.array([3.0, 7.0, 9.0]), same)
    assert (late.index, late.env_step) == (1, 6)
    short = drift.departed_count("updates", same[:2], same)
    assert (short.index, short.env_step) == (2, 9)


def test_distance_is_measured_by_the_size_of_the_quantity():
    measured = np.array([[0, 0, 1e-9, 1e-9], [1, 1, 1e-9, 1.0], [2, 2, 1e-3, 1.0]])
    assert drift.relative(measured)[:, 2] == pytest.approx([1e-9, 1e-9, 1e-3])
    nothing = np.array([[0, 0, 0.0, 0.0], [1, 1, 1e-9, 0.0]])
    assert drift.relative(nothing)[:, 2].tolist() == [0.0, np.inf]


def test_agreement_says_nothing_once_everything_trained_is_far_away():
    near, far = run([0.0] * 4), run([0.0, 0.05, 0.2, 0.2], env_steps=[1, 2, 3, 4])
    assert drift.informative_until([far]) == 3
    assert drift.informative_until([far, near]) == np.inf
    assert drift.informative_until([]) == np.inf


def chosen(ours, theirs):
    return np.column_stack([np.arange(len(ours)), ours, theirs]).astype(float)


def test_own_actions_that_are_greedy_too_rarely_depart_by_the_exact_sign_test():
    ours, theirs = np.ones(40), np.ones(40)
    ours[5:19] = 0  # 14 of 14: 2 / 2^14 = 1.2e-4 is above the level, 15 of 15 below
    assert drift.departed_choices("greedy", chosen(ours, theirs)) is None
    ours[30] = 0
    found = drift.departed_choices("greedy", chosen(ours, theirs))
    assert (found.env_step, found.index) == (30, 14)
    assert found.distance == pytest.approx(15 / 40)
    theirs, ours = ours, theirs
    assert drift.departed_choices("greedy", chosen(ours, theirs)).env_step == 30


def test_sides_that_choose_alike_depart_at_the_stated_level():
    rng = np.random.default_rng(5)
    found = [
        drift.departed_choices("greedy", chosen(*(rng.random((2, 400)) < 0.7))) for _ in range(300)
    ]
    assert found == [None] * 300


def test_no_choices_say_nothing():
    assert drift.departed_choices("greedy", np.empty((0, 3))) is None
