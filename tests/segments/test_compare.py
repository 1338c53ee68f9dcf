"""Two tapes to rows: what passes, what fails, and what cannot be compared."""

import numpy as np
import pytest

from harness.segments.compare import Quantity, compare_tapes, difference_of
from harness.segments.tape import Event, Tape

LOSS = Quantity("loss", "loss", "loss")
ROWS = Quantity("rows", "sampling", "sample", is_random=True)
UPDATES = Quantity("update_env_step", "update-schedule", "sample")


def tape(**quantities):
    events = {
        name: {
            slot: Event({"": np.asarray(value)}, slot[0], index)
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
    assert row.size == pytest.approx(0.2 / (2.0 * 1e-5))
    assert row.share == 0.5
    assert row.mine_place == "loss.py:1"


def test_axes_of_size_one_do_not_matter_and_a_broadcast_does():
    reference = np.ones(3)
    assert difference_of(np.ones((3, 1)), reference, relative=1e-5) is None
    assert difference_of(np.ones((3, 3)), reference, relative=1e-5).size == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_equal_only_themselves(value):
    assert difference_of(np.array([value]), np.array([value]), relative=1e-5) is None
    assert difference_of(np.array([1.0]), np.array([value]), relative=1e-5) is not None


def test_whole_numbers_must_be_equal():
    assert difference_of(np.array([1000001]), np.array([1000000]), relative=1e-5) is not None


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
    reference = tape(update_env_step={(5, 0, 0): 5}, loss={(5, 0, 0): 1.0})
    both = {(5, 0, 0): 5, (5, 1, 0): 5}
    mine = tape(update_env_step=both, loss={(5, 0, 0): 1.0, (5, 1, 0): 9.0})
    rows = {row.tap: row for row in compare_tapes(mine, reference, [UPDATES, LOSS])}
    assert (rows["update_env_step"].status, rows["update_env_step"].extra) == ("failed", 1)
    assert (rows["loss"].status, rows["loss"].extra) == ("passed", 0)


def test_place_is_the_stretch_from_the_tap_before():
    mine = tape(loss={(0,): 1.0})
    mine.sites = {"batch": "mine.py:10", "loss": "mine.py:14", "step": "mine.py:20"}
    (row,) = compare_tapes(mine, tape(loss={(0,): 1.0}), [LOSS])
    assert row.mine_place == "mine.py:11-14"


def test_failing_step_with_an_agreeing_gradient_points_at_the_optimiser():
    quantities = [Quantity(name, "gradient-optimiser", "step") for name in ("grad", "params")]
    reference = tape(grad={(1, 0, 0): [1.0]}, params={(1, 0, 0): [0.1]})
    rows = compare_tapes(
        tape(grad={(1, 0, 0): [1.0]}, params={(1, 0, 0): [0.2]}), reference, quantities
    )
    assert (
        "the gradient agrees: the optimiser's constants or the learning rate differ"
        in rows[1].hints
    )
