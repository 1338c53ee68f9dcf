"""The catalogue itself: every change can be made, and says what must be found."""

import pytest

from harness.calibrate import bugs
from harness.errors import UsageError
from harness.records import COMPONENTS
from tests.bugs.catalogue import (
    ALGOS,
    FOLDER,
    changed_lines,
    clean_source,
    everything,
    planted,
    table,
)

KINDS = {"bug", "benign", "convention"}
LEVELS = {"segment", "draw", "twin", "fact"}


@pytest.mark.parametrize("row", everything(), ids=lambda row: row.name)
def test_change_fits_the_clean_file_and_compiles(row):
    source = row.patched()
    compile(source, row.name, "exec")
    assert changed_lines(clean_source(row.algo), source)


@pytest.mark.parametrize("row", everything(), ids=lambda row: row.name)
def test_row_says_what_must_be_found_by_the_closed_lists(row):
    assert row.kind in KINDS
    assert row.level in LEVELS
    assert row.title
    assert row.source
    if row.kind != "benign":
        assert {*row.components} <= {*COMPONENTS}
    assert bool(row.also) == bool(row.why)


@pytest.mark.parametrize("algo", ALGOS)
def test_ids_are_there_once_and_each_algorithm_has_enough(algo):
    rows = planted(algo)
    left_out = table(algo)["not_injectable"]
    ids = [row.id for row in rows] + [row["id"] for row in left_out]
    assert len(ids) == len({*ids})
    assert sum(row.kind == "bug" for row in rows) >= 25
    assert sum(row.kind == "benign" for row in rows) >= 10
    assert all(row["reason"] for row in left_out)


@pytest.mark.parametrize("row", bugs.load_folder(FOLDER / "foreign"), ids=lambda row: row.name)
def test_change_of_a_foreign_side_fits_and_compiles(row, tmp_path):
    copied = row.plant(tmp_path)
    assert copied.is_file()
    compile(row.patched(), row.name, "exec")
    assert {*row.components} <= {*COMPONENTS}
    assert bool(row.also) == bool(row.why)


def test_text_that_is_not_there_once_is_refused():
    row = planted("dqn")[0]
    with pytest.raises(UsageError, match=r"dqn/.*: 0 places hold"):
        row.patched("nothing")
