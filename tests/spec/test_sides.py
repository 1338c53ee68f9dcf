import tomllib
from pathlib import Path

import pytest

from harness.errors import MissingExtra, UnknownName, UsageError
from harness.modules import locate_module
from harness.spec import references as registered
from harness.spec.references import Reference, find_reference, is_supported, references
from harness.spec.sides import find_side, implementations, with_taps

ROOT = Path(__file__).parents[2]


@pytest.fixture
def side_file(tmp_path):
    file = tmp_path / "algo.py"
    file.write_text("def side(call):\n    raise SystemExit('never run')\n\ndef other(call): pass\n")
    return file


def _mine(word):
    return find_side(str(word), algo="dqn", role="mine")


def test_find_side_file_without_callable_means_side(side_file):
    side = _mine(side_file)
    assert (side.file, side.module, side.callable) == (str(side_file), None, "side")


def test_find_side_file_with_callable(side_file):
    assert _mine(f"{side_file}:other").callable == "other"


def test_find_side_default_of_mine_is_in_my_impls():
    side = find_side(None, algo="dqn", role="mine")
    assert side.name == "my_impls/dqn.py:side"
    assert Path(side.file).name == "dqn.py"


def test_find_side_default_of_reference_is_sb3_with_version_and_tap_map():
    side = find_side(None, algo="dqn", role="reference")
    assert (side.name, side.module) == ("sb3", "baselines.sb3.dqn")
    assert set(side.versions) == {"stable-baselines3"}
    assert Path(side.tap_map).is_file()


def test_find_side_default_without_file_says_how_to_attach(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.spec.sides._my_impls", lambda: tmp_path)
    with pytest.raises(
        UsageError, match=r"there is no my_impls/dqn.py.*\n.*--mine path.py:callable"
    ):
        find_side(None, algo="dqn", role="mine")


def test_find_side_module_is_located_without_import(tmp_path, monkeypatch):
    package = tmp_path / "boom_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "algo.py").write_text("side = print\n")
    monkeypatch.syspath_prepend(tmp_path)
    side = _mine("boom_package.algo:side")
    assert (side.file, side.module, side.callable) == (None, "boom_package.algo", "side")
    assert locate_module("boom_package.algo") == package / "algo.py"


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("def train(call): pass\n", "train_", "did you mean 'train'"),
        ("x = 1\n", "side", "it defines no function"),
        ("def side(): pass\n", "side", "expected `def side(call)`, got `def side()`"),
        ("def side(call, seed): pass\n", "side", "got `def side(call, seed)`"),
        ("def side(call, *, seed): pass\n", "side", "got `def side(call, *, seed)`"),
        ("async def side(call): pass\n", "side", "is async"),
        ("def side(call)\n    pass\n", "side", "not valid Python, line 1"),
        ("x = '\0'\n", "side", "Python"),
    ],
)
def test_find_side_file_that_cannot_be_a_side_says_why(tmp_path, source, name, words):
    file = tmp_path / "algo.py"
    file.write_text(source)
    with pytest.raises(UsageError) as caught:
        _mine(f"{file}:{name}")
    assert words in str(caught.value)
    assert "\n" in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "def side(call, verbose=0): pass\n",
        "def side(*calls): pass\n",
        "side = lambda call: None\n",
        "from elsewhere import side\n",
        "from elsewhere import *\n",
        "try:\n    import torch\nexcept ImportError:\n    pass\nelse:\n    def side(call): pass\n",
        "class side:\n    def __init__(self, call): pass\n",
    ],
)
def test_find_side_file_that_defines_the_callable_in_other_ways_passes(tmp_path, source):
    file = tmp_path / "algo.py"
    file.write_text(source)
    assert _mine(file).callable == "side"


def test_find_side_file_with_latin_bytes_says_that_it_cannot_be_read(tmp_path):
    file = tmp_path / "algo.py"
    file.write_bytes(b"# caf\xe9\ndef side(call): pass\n")
    with pytest.raises(UsageError, match=r"algo.py"):
        _mine(file)


def test_find_side_missing_file_names_the_nearest_beside_it(side_file):
    with pytest.raises(UsageError, match=r"no such file .looked in .*did you mean 'algo.py'"):
        _mine(side_file.with_name("alog.py"))


@pytest.mark.parametrize("word", ["git:HEAD~1", "git:main:algo.py", "logs:runs/"])
def test_find_side_spelling_of_later_says_what_is_supported(word):
    with pytest.raises(UsageError, match=r"cannot be attached yet\nSupported: path.py"):
        _mine(word)


def test_find_side_unknown_reference_names_the_nearest_and_the_file_spelling():
    with pytest.raises(UnknownName, match=r"'sb4' in --mine; did you mean .*'sb3'.*\n.*path.py"):
        _mine("sb4")


def test_find_side_folder_says_that_it_is_one(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder\nSupported"):
        _mine(tmp_path)


def test_find_side_missing_module_hints_at_the_path():
    with pytest.raises(UsageError, match=r"module 'no_such_module' is not found"):
        _mine("no_such_module:side")


def test_implementations_lists_my_impls():
    assert "dqn" in implementations()


@pytest.mark.parametrize(
    ("version", "supported", "expected"),
    [
        ("2.9.2", ">=2.7,<3", True),
        ("2.6.0", ">=2.7,<3", False),
        ("3.0.0", ">=2.7,<3", False),
        ("2.7", ">=2.7", True),
        ("2.7.0a1", ">=2.7", True),
        ("2.8.0+cpu", ">=2.8,<2.14", True),
        ("2.13.0", "<2.14", True),
        ("1.0", "==1.0.0", True),
        ("anything", "", True),
    ],
)
def test_is_supported_compares_release_numbers(version, supported, expected):
    assert is_supported(version, supported) is expected


def _register(monkeypatch, tmp_path, **changes):
    row = {"dqn": {"module": "baselines.sb3.dqn"}}
    values = {"name": "toy", "title": "", "folder": tmp_path, "distribution": "numpy"}
    reference = Reference(**{**values, "supported": ">=1", "algos": row, **changes})
    monkeypatch.setattr(registered, "references", lambda: {"toy": reference})


def test_find_reference_not_installed_holds_the_pip_line(monkeypatch, tmp_path):
    _register(monkeypatch, tmp_path, distribution="no-such-library")
    with pytest.raises(MissingExtra, match=r"pip install 'no-such-library>=1'"):
        find_reference("toy", algo="dqn")


def test_find_reference_unsupported_version_says_expected_and_found(monkeypatch, tmp_path):
    _register(monkeypatch, tmp_path, supported=">=999")
    with pytest.raises(UsageError, match=r"expected numpy>=999, found version"):
        find_reference("toy", algo="dqn")


def test_find_reference_without_the_algorithm_lists_what_it_has(monkeypatch, tmp_path):
    _register(monkeypatch, tmp_path)
    with pytest.raises(UsageError, match=r"has no 'ppo'; it has dqn"):
        find_reference("toy", algo="ppo")


def test_find_reference_of_a_project_extra_names_the_extra(monkeypatch, tmp_path):
    _register(monkeypatch, tmp_path, distribution="no-such-library", extra="toys")
    with pytest.raises(MissingExtra, match=r"Install it: pip install 'rl-parity\[toys\]'"):
        find_reference("toy", algo="dqn")


def test_find_reference_without_a_name_takes_the_lowest_rank_that_has_the_algorithm(
    monkeypatch, tmp_path
):
    shared = {"title": "", "folder": tmp_path, "distribution": "numpy", "supported": ""}
    rows = [("a", 2, ("dqn", "new")), ("b", 0, ("dqn",)), ("c", 1, ("new",))]
    found = {
        name: Reference(name, algos={algo: {"module": name} for algo in algos}, rank=rank, **shared)
        for name, rank, algos in rows
    }
    monkeypatch.setattr(registered, "references", lambda: found)
    assert find_reference(None, algo="dqn").name == "b"
    assert find_reference(None, algo="new").name == "c"
    assert find_reference("a", algo="new").name == "a"


def test_find_reference_of_an_algorithm_that_none_has_says_so(monkeypatch):
    monkeypatch.setattr(registered, "references", dict)
    with pytest.raises(UsageError, match=r"expected a reference that has 'dqn', saw none among"):
        find_reference(None, algo="dqn")


@pytest.mark.parametrize("reference", references().values(), ids=references())
def test_extra_of_a_reference_installs_its_library(reference):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    offered = project["optional-dependencies"]
    lines = offered[reference.extra] if reference.extra else project["dependencies"]
    assert reference.wanted in lines


def test_with_taps_puts_another_map_in_and_none_keeps_the_own(tmp_path):
    side = find_side("sb3", algo="dqn", role="reference")
    assert with_taps(side, None, where="--mine-taps") == side
    file = tmp_path / "map.toml"
    file.write_text("")
    assert with_taps(side, str(file), where="--mine-taps").tap_map == str(file.resolve())


def test_with_taps_without_the_file_names_the_nearest(tmp_path):
    (tmp_path / "map.toml").write_text("")
    side = find_side("sb3", algo="dqn", role="reference")
    with pytest.raises(UsageError, match=r"--mine-taps .*mpa.toml: no such file .*'map.toml'\?"):
        with_taps(side, str(tmp_path / "mpa.toml"), where="--mine-taps")
