import pytest

from harness.errors import UnknownName, UsageError
from harness.spec.settings import read_settings


def _write(folder, text):
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_read_settings_takes_long_option_names_with_hyphen_or_underscore(tmp_path):
    _write(tmp_path, "[tool.compare]\nalgo = 'dqn'\ntotal-timesteps = 10\nkeep_going = true\n")
    expected = {"algo": "dqn", "total_timesteps": 10, "keep_going": True}
    assert read_settings(tmp_path) == expected


def test_read_settings_reads_the_nearest_file_upward(tmp_path):
    _write(tmp_path, "[tool.compare]\nbudget = 'quick'\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert read_settings(inner) == {"budget": "quick"}


def test_read_settings_without_table_is_empty(tmp_path):
    assert read_settings(_write(tmp_path, "[project]\nname = 'x'\n")) == {}


def test_read_settings_relative_paths_count_from_the_file(tmp_path):
    _write(
        tmp_path,
        "[tool.compare]\nmine = 'algos/dqn.py:side'\nreference = 'sb3'\nmine-taps = 'm.toml'\n",
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    assert read_settings(inner) == {
        "mine": str(tmp_path / "algos/dqn.py:side"),
        "reference": "sb3",
        "mine_taps": str(tmp_path / "m.toml"),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alpha = 'low'", "[tool.compare].alpha: expected a number, got 'low'"),
        ("algo = 3", "[tool.compare].algo: expected text in quotes, got 3"),
        ("algo = ''", "[tool.compare].algo: expected text that is not empty, got ''"),
        ("jobs = 1.5", "[tool.compare].jobs: expected a whole number, got 1.5"),
        ("quiet = 'yes'", "[tool.compare].quiet: expected true or false, got 'yes'"),
        ("total-timesteps = '9'", "[tool.compare].total-timesteps: expected a whole number"),
        ("seeds = [1.5]", "[tool.compare].seeds: expected a number, a text such as '0,1,7'"),
        ("set = 'gamma=0.9'", "[tool.compare].set: expected a table of hyperparameters"),
    ],
)
def test_read_settings_wrong_value_names_file_and_key(tmp_path, text, words):
    _write(tmp_path, f"[tool.compare]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        read_settings(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_read_settings_unknown_key_names_the_nearest(tmp_path):
    _write(tmp_path, "[tool.compare]\ntotal-timestep = 5\n")
    with pytest.raises(
        UnknownName, match=r"key 'total-timestep' in .*did you mean 'total-timesteps'"
    ):
        read_settings(tmp_path)


def test_read_settings_broken_toml_says_where(tmp_path):
    _write(tmp_path, "[tool.compare\n")
    with pytest.raises(UsageError, match=r"cannot be read as TOML.*line 1"):
        read_settings(tmp_path)


def test_read_settings_entry_that_is_no_table_is_refused(tmp_path):
    _write(tmp_path, "[tool]\ncompare = 3\n")
    with pytest.raises(UsageError, match=r"expected a table, got 3"):
        read_settings(tmp_path)
