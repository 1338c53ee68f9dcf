"""Two tapes to rows: what passes, what fails, and what cannot be compared."""

import numpy as np
import pytest

from harness.segments import compare
from harness.segments.compare import NOISE_MULTIPLES, Limits, compare_tapes, difference_of
from harness.segments.noise import FLOAT32_UNIT, Floor
from harness.segments.quantities import Quantity
from harness.segments.tape import Event, Tape

LOSS = Quantity("loss", "loss", "loss")
ROWS = Quantity("rows", "sampling", "sample", is_random=True)
UPDATES = Quantity("q_updates", "update-schedule", "sample", counts=True)
FLOOR = 1e-7


def tape(field="", **quantities):
    events = {
        name: {
            slot: Event({field: np.asarray(value)}, slot[0], index)
            for index, (slot, value) in enumerate(slots.items())
        }
        for name, slots in quantities.items()
    }
    return Tape(events, {name: f"{name}.py:1" for name in events})


def status(mine, reference, *quantities):
    return {row.tap: row.status for row in compare_tapes(mine, reference, quantities)}


def test_equal_values_pass_and_rounding_passes():
    reference = tape(loss={(0,): [1.0, 2.0]})
    assert status(reference, reference, LOSS) == {"loss": "passed"}
    assert status(tape(loss={(0,): [1.0, 2.0 + 1e-6]}), reference, LOSS) == {"loss": "passed"}


def test_value_beyond_the_tolerance_fails_with_its_size_and_place():
    reference = tape(loss={(0,): [1.0, 2.0], (1,): [1.0, 2.0]})
    (row,) = compare_tapes(tape(loss={(0,): [1.0, 2.0], (1,): [1.0, 2.2]}), reference, [LOSS])
    assert row.status == "failed"
    assert (row.n_events, row.n_failed, row.update) == (2, 1, 1)
    assert row.size == pytest.approx(0.2 / (2.0 * FLOAT32_UNIT))
    assert row.share == 0.5
    assert row.mine_place == "loss.py:1"


def test_hint_that_raises_costs_the_hint_and_not_the_finding(monkeypatch):
    def broken(*_args):
        message = "no such row"
        raise IndexError(message)

    monkeypatch.setattr(compare, "hints_of", broken)
    (row,) = compare_tapes(tape(loss={(0,): 1.0}), tape(loss={(0,): 2.0}), [LOSS])
    assert (row.status, row.n_failed) == ("failed", 1)
    assert row.hints == ("no hint: looking for one raised IndexError: no such row",)


def test_axes_of_size_one_do_not_matter_and_a_broadcast_does():
    reference = np.ones(3)
    assert difference_of(np.ones((3, 1)), reference, floor=FLOOR) is None
    assert difference_of(np.ones((3, 3)), reference, floor=FLOOR).size == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_equal_only_themselves(value):
    assert difference_of(np.array([value]), np.array([value]), floor=FLOOR) is None
    assert difference_of(np.array([1.0]), np.array([value]), floor=FLOOR) is not None


def test_whole_numbers_must_be_equal():
    assert difference_of(np.array([1000001]), np.array([1000000]), floor=FLOOR) is not None


def test_quantity_that_mine_never_taps_is_unobserved_not_passed():
    assert status(tape(), tape(loss={(0,): 1.0}), LOSS) == {"loss": "unobserved"}


def test_quantity_that_nobody_taps_is_not_exercised():
    assert status(tape(), tape(), LOSS) == {"loss": "not exercised"}


def test_drawn_quantity_is_compared_by_shape_alone():
    reference = tape(rows={(0,): [1, 2, 3]})
    assert status(tape(rows={(0,): [7, 8, 9]}), reference, ROWS) == {"rows": "passed"}
    assert status(tape(rows={(0,): [7, 8]}), reference, ROWS) == {"rows": "failed"}


def test_missing_draw_leaves_everything_unobserved_and_names_the_tap():
    reference = tape(rows={(0,): [1]}, loss={(0,): 1.0})
    rows = compare_tapes(tape(loss={(0,): 5.0}), reference, [ROWS, LOSS])
    assert {row.status for row in rows} == {"unobserved"}
    assert rows[1].hints == ("needs the tap rows",)


def test_updates_of_one_side_only_are_said_once():
    reference = tape(q_updates={(5, 0): 5}, loss={(5, 0): 1.0})
    both = {(5, 0): 5, (5, 1): 5}
    mine = tape(q_updates=both, loss={(5, 0): 1.0, (5, 1): 9.0})
    rows = {row.tap: row for row in compare_tapes(mine, reference, [UPDATES, LOSS])}
    assert (rows["q_updates"].status, rows["q_updates"].extra) == ("failed", 1)
    assert (rows["loss"].status, rows["loss"].extra) == ("passed", 0)


def test_measured_floor_is_what_a_difference_is_counted_in():
    reference, mine = tape(loss={(0,): 1.0, (1,): 1.0}), tape(loss={(0,): 1.0, (1,): 1.003})
    limits = Limits({"loss": Floor(1e-4)})
    (row,) = compare_tapes(mine, reference, [LOSS], limits)
    assert (row.status, row.noise_floor) == ("passed", 1e-4)
    tighter = Limits({"loss": Floor(0.003 / NOISE_MULTIPLES * 0.99)})
    (row,) = compare_tapes(mine, reference, [LOSS], tighter)
    assert row.status == "failed"
    assert row.size == pytest.approx(NOISE_MULTIPLES / 0.99)


def test_floor_of_one_event_allows_that_event_alone():
    reference, mine = tape(loss={(0,): 1.0, (1,): 1.0}), tape(loss={(0,): 1.01, (1,): 1.01})
    floors = {"loss": Floor(0.0, {(0,): 1e-3})}
    (row,) = compare_tapes(mine, reference, [LOSS], Limits(floors))
    assert (row.n_events, row.n_failed, row.env_step) == (2, 1, 1)


def test_quantity_that_is_zero_on_the_reference_may_not_be_anything():
    (row,) = compare_tapes(tape(loss={(0,): 1e-3}), tape(loss={(0,): 0.0}), [LOSS])
    assert row.status == "failed"


def test_perturbed_quantity_is_handed_on_and_not_compared():
    reference, mine = tape(loss={(0,): 1.0}), tape(loss={(0,): 2.0})
    (row,) = compare_tapes(mine, reference, [LOSS], Limits(skipped=frozenset({"loss"})))
    assert row.status == "not exercised"


def test_events_beyond_the_common_env_steps_are_not_compared():
    reference, mine = tape(loss={(3,): 1.0, (9,): 1.0}), tape(loss={(3,): 1.0, (9,): 5.0})
    (row,) = compare_tapes(mine, reference, [LOSS], Limits(env_steps=5))
    assert (row.status, row.n_events) == ("passed", 1)


def test_event_that_only_one_side_has_matters_only_where_events_are_counted():
    reference, mine = tape(loss={(0,): 1.0, (1,): 1.0}), tape(loss={(0,): 1.0})
    (row,) = compare_tapes(mine, reference, [LOSS])
    assert (row.status, row.missing) == ("passed", 0)
    counted = Quantity("loss", "loss", "loss", counts=True)
    (row,) = compare_tapes(mine, reference, [counted])
    assert (row.status, row.missing, row.env_step) == ("failed", 1, 1)


def test_silent_quantity_is_listed_only_when_it_differs():
    silent = Quantity("loss", "loss", "loss", is_silent=True)
    reference = tape(loss={(0,): 1.0})
    assert compare_tapes(reference, reference, [silent]) == ()
    assert status(tape(loss={(0,): 2.0}), reference, silent) == {"loss": "failed"}


def test_minibatch_without_rows_is_looked_up_in_what_was_stored():
    stored = {"obs": [1.0, 2.0, 3.0], "reward": [10.0, 20.0, 30.0]}

    def record(pairs):
        events = {
            (i,): Event({"obs": np.array([o]), "reward": np.array([r])}, i, 0)
            for i, (o, r) in enumerate(zip(*stored.values(), strict=True))
        }
        arrays = {
            "obs": np.array([o for o, _ in pairs]),
            "rewards": np.array([r for _, r in pairs]),
        }
        batch = {(3, 0): Event(arrays, 3, 0)}
        return Tape({"transition": events, "batch": batch}, {})

    reference = record([(1.0, 10.0), (2.0, 20.0)])
    reference.events["rows"] = {(3, 0): Event({"": np.array([0, 1])}, 3, 0)}
    batch = Quantity("batch", "sampling", "sample", gathers="transition")
    rows = Quantity("rows", "sampling", "sample", is_random=True)
    assert status(record([(3.0, 30.0), (1.0, 10.0)]), reference, rows, batch)["batch"] == "passed"
    assert status(record([(3.0, 30.0), (1.0, 20.0)]), reference, rows, batch)["batch"] == "failed"


def test_failing_step_with_an_agreeing_gradient_points_at_the_optimiser():
    quantities = [Quantity(name, "gradient-optimiser", "step") for name in ("q_grad", "q_step")]
    reference = tape(q_grad={(1, 0): [1.0]}, q_step={(1, 0): [0.1]})
    mine = tape(q_grad={(1, 0): [1.0]}, q_step={(1, 0): [0.2]})
    reference.constants["q_"], mine.constants["q_"] = {"eps": 1e-8}, {"eps": 1e-5}
    rows = compare_tapes(mine, reference, quantities)
    said = "the gradient agrees: the optimiser's constants differ (eps 1e-05, reference 1e-08)"
    assert said in rows[1].hints


def test_updates_that_never_happen_fail_where_the_optimisers_of_mine_are_seen():
    updates = Quantity("q_updates", "update-schedule", "sample", counts=True, owner="q")
    reference = tape(q_updates={(1, 0): 1, (2, 0): 2})
    mine = tape(q={(0,): [0.0]}, pi_updates={(1, 0): 1}, update_rounds={(1, 0): 1})
    (row,) = compare_tapes(mine, reference, [updates])
    assert (row.status, row.missing, row.env_step) == ("failed", 2, 1)
    # What it trains lies in no tapped module, so that this one may be among it.
    elsewhere = tape(q={(0,): [0.0]}, updates={(1, 0): 1}, update_rounds={(1, 0): 1})
    assert status(elsewhere, reference, updates) == {"q_updates": "unobserved"}
    assert status(tape(q={(0,): [0.0]}), reference, updates) == {"q_updates": "unobserved"}
