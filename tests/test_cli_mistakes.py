"""Common mistakes: each is answered with cause and fix in a few lines, exit 2, no traceback."""

import pytest

from tests.cli_driver import ask

DQN = ["--algo", "dqn"]
EASY = [*DQN, "--envs", "easy"]

# argv -> words of the cause, words of the fix.
MISTAKES = {
    "no options at all": ([], "--algo is missing", "compare --algo dqn --envs easy"),
    "misspelt algorithm": (["--algo", "dpn"], "unknown algorithm 'dpn'", "'dqn'"),
    "algorithm in capitals": (["--algo", "DQN"], "unknown algorithm 'DQN'", "'dqn'"),
    "algorithm as a word": (["dqn"], "No such command 'dqn'", "--algo"),
    "misspelt option": (["--alog", "dqn"], "No such option: --alog", "--algo"),
    "misspelt sub-command": (["reprot", "x"], "No such command 'reprot'", "report"),
    "option without value": (["--algo"], "--algo", "compare --help"),
    "misspelt tier": ([*DQN, "--envs", "esay"], "'esay'", "'easy'"),
    "misspelt environment": ([*DQN, "--envs", "CartPol-v1"], "'CartPol-v1'", "'CartPole-v1'"),
    "environment of old": ([*DQN, "--envs", "LunarLander-v2"], "not in the installed", "-v3"),
    "blank in the list": ([*DQN, "--envs", "easy,", "medium"], "'medium'", "without blanks"),
    "continuous actions": ([*DQN, "--envs", "Pendulum-v1"], "continuous", "Suitable: CartPole-v1"),
    "empty list": ([*DQN, "--envs", ","], "names no environment", "probe, easy"),
    "missing extra": ([*DQN, "--envs", "ALE/Pong-v5"], "'ale_py'", "pip install 'ale-py"),
    "missing file": ([*EASY, "--mine", "nope.py"], "no such file", "path of a Python file"),
    "missing callable": ([*EASY, "--mine", "mine.py:train"], "no callable 'train'", "'trainer'"),
    "syntax error in the side": ([*EASY, "--mine", "broken.py"], "line 2", "py_compile"),
    "side without the argument": ([*EASY, "--mine", "bare.py"], "`def side(call)`", "one argument"),
    "folder as side": ([*EASY, "--mine", "."], "is a folder", "path.py:callable"),
    "unknown reference": ([*EASY, "--reference", "sb33"], "unknown reference 'sb33'", "'sb3'"),
    "unknown module": ([*EASY, "--mine", "no_mod:side"], "'no_mod' is not found", "path.py"),
    "git revision": ([*EASY, "--mine", "git:main"], "cannot be attached yet", "Supported"),
    "misspelt hyperparameter": ([*EASY, "--set", "gama=0.9"], "'gama'", "'gamma'"),
    "other library's name": ([*EASY, "--set", "lr=1e-3"], "stable-baselines3", "learning_rate="),
    "wrong type": ([*EASY, "--set", "gamma=high"], "expected a number", "got 'high'"),
    "out of range": ([*EASY, "--set", "gamma=1.5"], "from 0 to 1", "got 1.5"),
    "no equals sign": ([*EASY, "--set", "gamma", "0.9"], "0.9", ""),
    "set without value": ([*EASY, "--set", "gamma"], "name=value", "--set gamma=0.9"),
    "alpha as percent": ([*EASY, "--alpha", "5"], "below 0.5, got 5.0", "--alpha 0.05"),
    "alpha as a word": ([*EASY, "--alpha", "low"], "'low'", "compare --help"),
    "negative margin": ([*EASY, "--margin", "-1"], "positive number", "1sd"),
    "one seed": ([*EASY, "--seeds", "1"], "2 to 1000 seeds", "adaptive"),
    "seeds as a range": ([*EASY, "--seeds", "0-4"], "0,1,7", "got '0-4'"),
    "repeated seed": ([*EASY, "--seeds", "3,3"], "different seeds", "got '3,3'"),
    "steps with a unit": ([*EASY, "--total-timesteps", "10k"], "got '10k'", "20000"),
    "too short a run": ([*EASY, "--total-timesteps", "100"], "before learning", "learning_starts"),
    "misspelt budget": ([*EASY, "--budget", "fast"], "unknown budget 'fast'", "quick"),
    "no jobs": ([*EASY, "--jobs", "0"], "at least 1, got 0", "one job per core"),
    "unknown device": ([*EASY, "--device", "gpu"], "unknown device 'gpu'", "cpu"),
    "results is a file": ([*EASY, "--results", "mine.py"], "is a file", "folder"),
    "results inside a file": ([*EASY, "--results", "mine.py/x"], "mine.py is a file", "folder"),
    "results without name": ([*EASY, "--results", ""], "names no folder", "./results"),
    "results with a long name": ([*EASY, "--results", "a" * 300], "too long", "another folder"),
    "too many jobs": ([*EASY, "--jobs", "9999999999"], "at most 1000", "one job per core"),
    "side without name": ([*EASY, "--mine", ""], "--mine names nothing", "path.py:callable"),
    "side with a long name": ([*EASY, "--mine", f"{'a' * 5000}.py"], "too long", "path.py"),
    "tier in capitals": ([*DQN, "--envs", "Easy"], "'Easy'", "'easy'"),
    "environment without version": ([*DQN, "--envs", "CartPole"], "its version", "CartPole-v1"),
    "semicolons in the list": ([*DQN, "--envs", "CartPole-v1;x"], "'CartPole-v1;x'", "mean"),
    "module of no environment": ([*DQN, "--envs", "no_mod:X-v0"], "'no_mod'", "PYTHONPATH"),
    "tuple observations": ([*DQN, "--envs", "Blackjack-v1"], "are Tuple", "Flatten"),
    "path as environment": ([*DQN, "--envs", "../x"], "'../x'", "probe, easy"),
    "seeds as a fraction": ([*EASY, "--seeds", "2.5"], "got '2.5'", "0,1,7"),
    "negative seed": ([*EASY, "--seeds", "-1,2"], "from 0 to", "got '-1,2'"),
    "more seeds than sense": ([*EASY, "--seeds", "9" * 20], "2 to 1000", "Leave it out"),
    "alpha that is no number": ([*EASY, "--alpha", "nan"], "got nan", "--alpha 0.05"),
    "margin in percent": ([*EASY, "--margin", "5%"], "got '5%'", "1sd"),
    "infinite margin": ([*EASY, "--margin", "inf"], "got 'inf'", "1sd"),
    "no steps": ([*EASY, "--total-timesteps", "0"], "positive", "20000"),
    "infinite steps": ([*EASY, "--total-timesteps", "1e400"], "got '1e400'", "20000"),
    "unknown test": ([*EASY, "--difference-test", "t"], "unknown test 't'", "max-t"),
    "value that is no number": ([*EASY, "--set", "gamma=nan"], "got nan", "from 0 to 1"),
    "empty value": ([*EASY, "--set", "gamma="], "got ''", "from 0 to 1"),
    "capital hyperparameter": ([*EASY, "--set", "Gamma=0.8"], "'Gamma'", "'gamma'"),
    "number for a list": ([*EASY, "--set", "net_arch=64"], "got 64", "[64, 64]"),
    "open list": ([*EASY, "--set", "net_arch=[64"], "got '[64'", "[64, 64]"),
    "schedule without start": ([*EASY, "--set", "learning_rate=lin_"], "got 'lin_'", '"lin_X"'),
    "value for a flag": ([*EASY, "--dry-run=yes"], "does not take a value", "--help"),
    "help as a word": (["help"], "No such command 'help'", "Sub-commands: report"),
    "report without a name": (["report"], "Missing argument", "--help"),
    "report outside": (["report", "../../etc"], "no stored comparison", "--results"),
    "report of nothing": (["report", "dqn-1"], "no stored comparison", "--results"),
    "export to no format": (["export", "x", "--format", "xlsx"], "'xlsx'", "csv"),
    "options before a sub-command": ([*DQN, "list"], "cannot stand before", "compare list"),
}

# Mistakes in pyproject.toml: text -> words of the cause, words of the fix.
PYPROJECTS = {
    "unknown key": ("[tool.compare]\nenv = 'easy'\n", "unknown key 'env'", "'envs'"),
    "wrong type": ("[tool.compare]\nalpha = 'x'\n", "[tool.compare].alpha", "a number, got 'x'"),
    "broken file": ("[tool.compare\n", "cannot be read as TOML", "Correct it"),
    "wrong hyperparameter": ("[tool.compare.set]\ngama = 0.9\n", "'gama'", "'gamma'"),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def sidecar(call): pass\ndef trainer(call): pass\n")
    (tmp_path / "broken.py").write_text("def side(call):\n    return (\n")
    (tmp_path / "bare.py").write_text("def side(): pass\n")


def _check(answer, cause, fix):
    assert answer.code == 2
    assert answer.out == ""
    assert cause in answer.err
    assert fix in answer.err
    assert 0 < len(answer.err.strip().splitlines()) <= 5
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_on_the_command_line_is_answered_with_cause_and_fix(name, capsys):
    words, cause, fix = MISTAKES[name]
    _check(ask(capsys, *words), cause, fix)


@pytest.mark.parametrize("name", PYPROJECTS)
def test_mistake_in_pyproject_is_answered_with_cause_and_fix(name, capsys, tmp_path):
    text, cause, fix = PYPROJECTS[name]
    (tmp_path / "pyproject.toml").write_text(text)
    _check(ask(capsys, "--algo", "dqn"), cause, fix)


def test_mistakes_are_at_least_twenty_five():
    assert len(MISTAKES) + len(PYPROJECTS) >= 25


@pytest.mark.parametrize(
    "hostile", ["[/red]x", "[bold]", "\x1b[31mred", "a\nb", "$\\frac{", "é" * 999]
)
def test_mistake_with_hostile_text_is_shown_as_it_is_and_stays_short(hostile, capsys):
    answer = ask(capsys, "--algo", "dqn", "--envs", hostile)
    assert answer.code == 2
    assert "\x1b" not in answer.err
    assert len(answer.err.strip().splitlines()) <= 5
    if hostile.startswith("["):
        assert hostile in answer.err
