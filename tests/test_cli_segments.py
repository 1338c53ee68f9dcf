"""`compare segments`: each stretch of code alone, with an exit code and a line to open."""

from pathlib import Path

from tests.cli_driver import ask

ROOT = Path(__file__).parents[1]


def test_segments_of_the_clean_implementation_all_pass(tmp_path, capsys):
    done = ask(capsys, "segments", "--algo", "dqn", "--results", str(tmp_path / "results"))
    assert done.code == 0, done.err
    assert "19 stretches of code: 19 passed" in done.out


def test_segments_of_a_wrong_gamma_fail_with_the_line_to_open(tmp_path, capsys):
    source = (ROOT / "my_impls/dqn.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace('batch["discounts"] * (1', "0.99 * (1"))
    words = ("--mine", str(tmp_path / "mine.py"), "--results", str(tmp_path / "results"))
    done = ask(capsys, "segments", "--algo", "dqn", *words)
    assert done.code == 1, done.err
    line = 1 + source[: source.index('y = tap("td_target"')].count("\n")
    (opened,) = [text for text in done.out.splitlines() if text.startswith("open first:")]
    first, last = opened.split("mine.py:")[1].split()[0].split("-")
    assert int(first) <= line - 1 < line == int(last)
    assert "stable_baselines3/dqn/dqn.py:" in opened


def test_segments_of_a_side_that_makes_no_env_step_compare_nothing_and_say_why(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def side(call):\n    pass\n")
    words = ("--mine", str(tmp_path / "mine.py"), "--results", str(tmp_path / "results"))
    done = ask(capsys, "segments", "--algo", "dqn", *words)
    assert done.code == 4
    assert "mine could not begin a scenario: made no env step" in done.out


def test_segments_without_taps_compare_what_is_seen_from_outside(tmp_path, capsys):
    words = ("--mine", str(ROOT / "tests/foreign/script.py"))
    done = ask(capsys, "segments", "--algo", "dqn", *words, "--results", str(tmp_path / "results"))
    assert done.code == 3, done.err
    assert "15 unobserved, 8 passed" in done.out
    assert "mine has no taps" in done.out
    assert "td_target: would test bootstrapping-termination alone and name its lines" in done.out


DOUBLED = """
[[waiver]]
what = "td_target"
reason = "another discount on purpose"
expires = {expires}
"""


def test_segments_under_a_waiver_are_not_passed_and_an_expired_one_fails(tmp_path, capsys):
    source = (ROOT / "my_impls/dqn.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace('batch["discounts"] * (1', "0.99 * (1"))
    file = tmp_path / "waivers.toml"
    words = ("--mine", str(tmp_path / "mine.py"), "--results", str(tmp_path / "results"))
    words = ("segments", "--algo", "dqn", *words, "--waivers", str(file))
    file.write_text(DOUBLED.format(expires="2999-12-31"))
    done = ask(capsys, *words)
    assert done.code == 3, done.err
    assert "another discount on purpose" in done.out
    file.write_text(DOUBLED.format(expires="2020-01-31"))
    done = ask(capsys, *words)
    assert done.code == 1, done.err
    assert "waiver of 'td_target': expired after 2020-01-31 and it differs" in done.out


def test_missing_file_of_waivers_is_wrong_usage(tmp_path, capsys):
    words = ("--waivers", str(tmp_path / "none.toml"), "--results", str(tmp_path / "results"))
    done = ask(capsys, "segments", "--algo", "dqn", *words)
    assert done.code == 2
    assert "expected a TOML file of waivers" in done.err
