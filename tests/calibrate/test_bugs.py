"""Tables of planted mistakes: what may be written, and what is said where it is wrong."""

import pytest

from harness.calibrate.bugs import interleaved, load_file, load_folder, sampled
from harness.errors import UsageError
from tests.bugs.catalogue import everything

ROW = """
[[planted]]
id = "one"
title = "t"
source = "own"
kind = "bug"
component = "loss"
severity = "fails"
"""
CHANGE = 'changes = [["x = 1", "x = 2"]]\n'


@pytest.fixture
def write(tmp_path):
    (tmp_path / "mine.py").write_text("import part\nx = 1\n")
    (tmp_path / "part.py").write_text("y = 1\n")

    def written(text):
        file = tmp_path / "dqn.toml"
        file.write_text(text)
        return file

    return written


def test_copy_is_changed_and_the_file_itself_is_not(write, tmp_path):
    (row,) = load_file(write(f'file = "mine.py"\n{ROW}{CHANGE}'))
    copied = row.plant(tmp_path / "copies")
    assert copied.read_text() == "import part\nx = 2\n"
    assert (tmp_path / "mine.py").read_text() == "import part\nx = 1\n"
    assert row.algo == "dqn"


def test_change_in_another_file_of_the_folder_is_made_in_a_copy_of_the_folder(write, tmp_path):
    head = 'file = "mine.py"\ncopies = "folder"\n'
    text = f'{head}{ROW}in = "part.py"\nchanges = [["y = 1", "y = 2"]]\n'
    (row,) = load_file(write(text))
    copied = row.plant(tmp_path.parent / f"{tmp_path.name}-copies")
    assert copied.with_name("part.py").read_text() == "y = 2\n"
    assert copied.read_text() == "import part\nx = 1\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'file = "none.py"\n{ROW}{CHANGE}', "expected `file`, the implementation"),
        (f'file = "mine.py"\n{ROW}', "either `changes` or a `mutation`"),
        (f'file = "mine.py"\n{ROW}{CHANGE}colour = 1\n', "unexpected keyword argument 'colour'"),
        ("file = ", "is no TOML"),
    ],
)
def test_table_that_is_wrong_says_where_and_how(write, text, words):
    file = write(text)
    with pytest.raises(UsageError, match=words) as raised:
        load_file(file)
    assert str(file) in str(raised.value)


def test_change_without_a_place_names_the_row(write, tmp_path):
    (row,) = load_file(write(f'file = "mine.py"\n{ROW}changes = [["z", "y"]]\n'))
    with pytest.raises(UsageError, match=r"dqn/one: 0 places hold 'z', expected 1"):
        row.plant(tmp_path / "copies")


def test_folder_without_tables_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="--bugs"):
        load_folder(tmp_path)


def test_sample_is_spread_over_algorithms_and_severities():
    chosen = sampled(everything(), 5)
    for algo in {row.algo for row in everything()}:
        mine = [row for row in chosen if row.algo == algo]
        assert len(mine) == 5
        assert len({row.severity for row in mine}) == 5
    assert all(row.kind == "bug" for row in chosen)


def test_any_beginning_of_the_order_is_spread_over_the_algorithms():
    rows = everything()
    ordered = interleaved(rows, block=5)
    assert sorted(row.name for row in ordered) == sorted(row.name for row in rows)
    algos = {row.algo for row in rows}
    assert {row.algo for row in ordered[: 5 * len(algos)]} == algos
