"""Mistakes of the user: what was expected, seen, and what to do; exit code 2, no traceback."""

import pytest

from harness.errors import EXIT_USAGE
from tests.cli_driver import ask


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("false-alarm",), "unknown part 'false-alarm' in compare calibrate; did you mean"),
        (("page", "--scale", "0"), "--scale 0.0 and --jobs 1: expected more than 0"),
        (("page", "--plan", "none.toml"), "--plan none.toml: expected [pool] with `seeds`"),
        (("page", "--bugs", "none"), "none holds no TOML file of planted mistakes"),
        (("page", "--algo", "dqm"), "did you mean 'dqn'"),
    ],
)
def test_mistake_is_answered_in_words(words, said, capsys, tmp_path):
    folders = (
        "--work",
        str(tmp_path / "w"),
        "--output",
        str(tmp_path),
        "--docs",
        str(tmp_path / "p"),
    )
    answer = ask(capsys, "calibrate", *words, *folders)
    assert answer.code == EXIT_USAGE
    assert said in answer.err.replace("\n", " ")
    assert "Traceback" not in answer.err


def test_parts_that_need_mistakes_say_so_when_there_are_none(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = ask(capsys, "calibrate", "detection")
    assert answer.code == 0
    assert answer.out == "detection: no planted mistakes; give a folder with --bugs\n"
