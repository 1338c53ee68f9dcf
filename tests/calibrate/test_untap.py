"""Copies without taps: nothing of the harness is left, and every line is where it was."""

from pathlib import Path

import pytest

from harness.calibrate.untap import without_taps
from harness.run.tapcalls import called_taps

MY_IMPLS = sorted((Path(__file__).parents[2] / "my_impls").glob("[a-z]*.py"))


@pytest.mark.parametrize("file", MY_IMPLS, ids=lambda file: file.stem)
def test_implementation_without_taps_has_none_and_as_many_lines(file, tmp_path):
    source = file.read_text(encoding="utf-8")
    stripped = without_taps(source)
    copied = tmp_path / file.name
    copied.write_text(stripped, encoding="utf-8")
    compile(stripped, file.name, "exec")
    assert called_taps(file)
    assert not called_taps(copied)
    assert "harness.tap" not in stripped
    assert len(stripped.splitlines()) == len(source.splitlines())


def test_taps_inside_taps_and_over_lines_are_replaced_by_their_values():
    source = 'x = tap("a", f(tap("b", 1),\n    2))\ny = 3\n'
    found = {}
    stripped = without_taps(source)
    exec(stripped, {"f": lambda a, b: a + b}, found)
    assert found == {"x": 3, "y": 3}
    assert stripped.splitlines()[2] == "y = 3"
