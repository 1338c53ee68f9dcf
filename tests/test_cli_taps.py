"""`compare taps check`: tap -> file:line, with an exit code that says whether all are there."""

from pathlib import Path

import pytest

from tests.cli_driver import ask

ROOT = Path(__file__).parents[1]
SIDE = "def side(call):\n    pass\n"
FOREIGN = """
class Agent:
    def train(self, batch):
        target = batch * 2
        if target > 1:
            target = target + 1
        loss = target
        return loss


def side(call):
    Agent().train(call)
"""


@pytest.fixture
def foreign(tmp_path):
    """Return a function: text of a map -> the words that check it on a file without taps."""
    (tmp_path / "side.py").write_text(FOREIGN)

    def words(lines):
        (tmp_path / "map.toml").write_text("[taps]\n" + lines)
        map_word = str(tmp_path / "map.toml")
        side_word = str(tmp_path / "side.py")
        return ("taps", "check", side_word, "--algo", "dqn", "--tap-map", map_word)

    return words


def rows(text):
    """Return tap -> (place, statement) of the table."""
    table = text[text.index("\ntap  ") :].strip().split("\n\n")[0].splitlines()[1:]
    return {row.split()[0]: row.split(maxsplit=2)[1:] for row in table}


def test_reference_lists_every_tap_with_its_line_in_the_library(capsys):
    done = ask(capsys, "taps", "check", "sb3", "--algo", "dqn")
    assert done.code == 0, done.err
    assert "11 of 11 taps of dqn are placed" in done.out
    assert "seen at the optimiser, without a tap: target_params" in done.out
    found = rows(done.out)
    order = ["q_net", "target_net", "obs", "epsilon", "action", "transition", "rows", "batch"]
    assert list(found) == [*order, "td_target", "q_values", "loss"]
    place, text = found["td_target"]
    assert place.startswith("stable_baselines3/dqn/dqn.py:")
    assert text.startswith("target_q_values = ")


def test_own_implementation_lists_the_calls_in_its_source(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = ask(capsys, "taps", "check", "my_impls/dqn.py", "--algo", "dqn")
    assert done.code == 0, done.err
    place, text = rows(done.out)["td_target"]
    lines = (ROOT / "my_impls/dqn.py").read_text().splitlines()
    assert place.startswith("my_impls/dqn.py:")
    assert lines[int(place.split(":")[1]) - 1].strip() == text == 'y = tap("td_target", y)'


def test_side_without_taps_says_what_each_would_buy(tmp_path, capsys):
    (tmp_path / "side.py").write_text(SIDE)
    done = ask(capsys, "taps", "check", str(tmp_path / "side.py"), "--algo", "dqn")
    assert done.code == 3, done.err
    assert "0 of 11 taps of dqn are placed" in done.out
    assert "not tapped; a tap there would test, and name the line of:" in done.out
    (row,) = [line for line in done.out.splitlines() if line.startswith("  td_target")]
    assert row.split()[1] == "bootstrapping-termination"


def test_file_that_is_not_edited_is_tapped_by_a_map(foreign, capsys):
    done = ask(
        capsys,
        *foreign(
            'td_target = { at = "side.py:Agent.train:target", which = "last" }\n'
            'batch = { at = "side.py:Agent.train", expression = "batch", before = "loss" }\n'
        ),
    )
    assert done.code == 3, done.err
    found = rows(done.out)
    assert list(found) == ["batch", "td_target"]
    assert found["batch"][0].endswith("side.py:7")
    assert found["batch"][1] == "batch before loss = target"
    assert found["td_target"][0].endswith("side.py:6")
    assert "2 of 11 taps of dqn are placed" in done.out


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('loss = "side.py:Agent.train:los"', "assigns or calls no 'los'; did you mean 'loss'?"),
        ('loss = "side.py:Agent.trian:loss"', "no function 'Agent.trian' in"),
        ('loss = "side.py:Agent.train:target"', "in lines 4, 6; say which = 'first', 'last' or n"),
        ('los = "side.py:Agent.train:loss"', "'los' is no tap of dqn; did you mean 'loss'"),
        ('loss = "sid.py:Agent.train:loss"', "expected a file beside the map, saw nothing at"),
        ('loss = "no_such_xyz:f:loss"', "expected an importable module, saw 'no_such_xyz'"),
    ],
)
def test_map_that_does_not_fit_is_wrong_usage(foreign, capsys, lines, message):
    done = ask(capsys, *foreign(lines))
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_map_over_a_file_that_is_no_python_is_wrong_usage(foreign, tmp_path, capsys):
    (tmp_path / "other.py").write_text("def (:\n")
    done = ask(capsys, *foreign('loss = "other.py:f:loss"'))
    assert done.code == 2
    assert "tap 'loss' in" in done.err
    assert "expected Python source in" in done.err


def test_call_with_an_unknown_name_is_answered_with_the_nearest(tmp_path, capsys):
    side = tmp_path / "side.py"
    calls = "".join(f"    tap('los{n}', 1)\n" for n in range(5))
    side.write_text(f"from harness.tap import tap\n\n\ndef side(call):\n{calls}")
    done = ask(capsys, "taps", "check", str(side), "--algo", "dqn")
    assert done.code == 2
    assert f"{side}:5: 'los0' is no tap of dqn; did you mean 'loss'" in done.err
    assert "and 2 more" in done.err


def test_taps_of_other_algorithms_and_computed_names_are_notes(tmp_path, capsys):
    side = tmp_path / "side.py"
    body = "    tap('advantages', 1)\n    tap(str(1), 1)\n"
    side.write_text(f"from harness.tap import tap\n\n\ndef side(call):\n{body}")
    done = ask(capsys, "taps", "check", str(side), "--algo", "dqn")
    assert done.code == 3
    assert f"note: {side}:5: advantages is a tap of another algorithm" in done.out
    assert f"note: {side}:6: the tap's name is computed; it is not checked" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.py", "--algo", "dqn"), "SIDE none.py: no such file"),
        (("sb4", "--algo", "dqn"), "unknown reference 'sb4' in SIDE; did you mean 'sbx' or 'sb3'?"),
        (("sb3", "--algo", "dpn"), "unknown algorithm 'dpn'"),
        (("sb3",), "Missing option '--algo'"),
        (("sb3", "--algo", "dqn", "--tap-map", "none.toml"), "expected a TOML tap map at"),
    ],
)
def test_wrong_words_are_answered_in_words(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    done = ask(capsys, "taps", "check", *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("option", ["--mine-taps", "--reference-taps"])
def test_map_of_a_comparison_is_checked_before_anything_runs(foreign, tmp_path, capsys, option):
    words = ["--algo", "dqn", "--envs", "CartPole-v1", "--mine", str(tmp_path / "side.py")]
    words += ["--results", str(tmp_path / "results"), "--dry-run", option]
    foreign('loss = "side.py:Agent.train:los"')
    done = ask(capsys, *words, str(tmp_path / "map.toml"))
    assert done.code == 2
    assert "assigns or calls no 'los'; did you mean 'loss'?" in done.err
    foreign('loss = "side.py:Agent.train:loss"')
    done = ask(capsys, *words, str(tmp_path / "map.toml"))
    assert done.code == 0, done.err


def test_map_that_is_missing_is_answered_with_the_nearest(foreign, tmp_path, capsys):
    foreign('loss = "side.py:Agent.train:loss"')
    words = ("--mine", str(tmp_path / "side.py"), "--mine-taps", str(tmp_path / "mpa.toml"))
    for command in ((), ("segments",)):
        done = ask(capsys, *command, "--algo", "dqn", *words)
        assert done.code == 2
        assert "mpa.toml: no such file" in done.err
        assert "did you mean 'map.toml'?" in done.err


def test_algorithm_without_taps_says_so_and_what_is_compared_instead(capsys):
    done = ask(capsys, "taps", "check", "sb3-contrib", "--algo", "crossq")
    assert done.code == 0, done.err
    assert "the card of crossq has no taps, so none has to be placed" in done.out
    assert "compared instead: facts, probes and curves" in done.out
