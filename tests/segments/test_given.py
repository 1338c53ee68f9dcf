"""A reference that taps in part: what depends on weights it cannot show is never passed."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.run.tapplaces import given_in, read_tap_map
from harness.segments.compare import GIVEN, Limits, compare_tapes
from harness.segments.quantities import quantities_of
from harness.segments.tape import Event, Tape, put
from harness.spec.cards import card

CARD = card("ppo")


def tape_of(**values):
    tape = Tape(capacity=0)
    for name, value in values.items():
        put(tape, name, (3, 0), Event({"": np.asarray(value)}, 3, 0))
    return tape


def rows_of(mine, reference, *, given):
    limits = Limits(given=frozenset(given))
    quantities = quantities_of(CARD, reference, mine, is_partial=bool(given))
    return {row.tap: row for row in compare_tapes(mine, reference, quantities, limits)}


@pytest.mark.parametrize("value", [0.5, 7.0])
def test_given_value_is_unobserved_whether_it_agrees_or_not(value):
    mine = tape_of(value=[value], learning_rate=0.1, action=[1])
    reference = tape_of(value=[0.5], learning_rate=0.1, action=[1])
    rows = rows_of(mine, reference, given=["value", "action"])
    assert (rows["value"].status, rows["value"].hints) == ("unobserved", (GIVEN,))
    assert rows["action"].status == "unobserved"
    assert rows["learning_rate"].status == "passed"


def test_what_is_not_given_is_compared():
    mine = tape_of(value=[0.5], learning_rate=0.2, action=[1])
    reference = tape_of(value=[0.5], learning_rate=0.1, action=[1])
    assert rows_of(mine, reference, given=["value"])["learning_rate"].status == "failed"


def test_taps_that_the_reference_lacks_are_listed_as_unobserved():
    tapes = tape_of(value=[0.5], learning_rate=0.1, action=[1])
    rows = rows_of(tapes, tapes, given=["value"])
    assert rows["policy"].status == rows["new_values"].status == "unobserved"
    assert rows["new_values"].hints == ("the reference does not tap it",)
    assert "normalized_advantages" not in rows  # optional


def test_whole_map_lists_no_tap_that_the_reference_lacks():
    tapes = tape_of(value=[0.5], learning_rate=0.1, action=[1])
    rows = rows_of(tapes, tapes, given=[])
    assert rows["value"].status == "passed"
    assert "new_values" not in rows


def test_given_tap_that_the_map_lacks_is_refused_with_the_nearest(tmp_path):
    file = tmp_path / "map.toml"
    file.write_text('given = ["valued"]\n[taps]\nvalue = "m:f:v"\n')
    with pytest.raises(UsageError, match="'valued' is no tap of it; did you mean 'value'"):
        given_in(file)


def test_map_with_given_taps_is_read_as_any_other(tmp_path):
    file = tmp_path / "map.toml"
    file.write_text('given = ["value"]\n[taps]\nvalue = "m:f:v"\n')
    assert [entry.name for entry in read_tap_map(file)] == ["value"]
    assert given_in(file) == {"value"}
