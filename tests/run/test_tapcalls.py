import pytest

from harness.run.tapcalls import COMPUTED, called_taps


@pytest.mark.parametrize(
    ("spelling", "call"),
    [
        ("from harness.tap import tap", "tap"),
        ("from harness.tap import tap as mark", "mark"),
        ("from harness.tap import *", "tap"),
        ("from harness import tap", "tap.tap"),
        ("from harness import tap as t", "t.tap"),
        ("import harness.tap", "harness.tap.tap"),
        ("import harness.tap as t", "t.tap"),
        ("from .contract import tap", "tap"),
        ("try:\n    from harness.tap import tap\nexcept ImportError:\n    pass", "tap"),
    ],
)
def test_tap_in_every_spelling_is_found(tmp_path, spelling, call):
    file = tmp_path / "side.py"
    file.write_text(f"{spelling}\n\n\ndef f(x):\n    return {call}('loss', x)\n")
    (line,) = called_taps(file)
    assert (line.name, line.file, line.text) == ("loss", file, f"return {call}('loss', x)")
    assert file.read_text().splitlines()[line.line - 1].strip() == line.text


def test_other_function_of_the_same_name_is_no_tap(tmp_path):
    file = tmp_path / "side.py"
    file.write_text("def tap(x):\n    return x\n\n\ntap('loss')\nbeer.tap('loss', 1)\n")
    assert called_taps(file) == ()


def test_name_that_is_computed_is_listed_without_one(tmp_path):
    file = tmp_path / "side.py"
    file.write_text("from harness.tap import tap\ntap(f'q{1}', 0)\ntap(name='loss', value=(\n1))\n")
    computed, named = called_taps(file)
    assert computed.name == COMPUTED
    assert (named.name, named.text) == ("loss", "tap(name='loss', value=( ...")


@pytest.mark.parametrize("name", ["side.py", "side.toml", "absent.py"])
def test_file_that_is_no_python_has_no_taps(tmp_path, name):
    (tmp_path / "side.py").write_text("def (:\n")
    (tmp_path / "side.toml").write_text("tap = 1\n")
    assert called_taps(tmp_path / name) == ()
