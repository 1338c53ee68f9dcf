import sys

import pytest

from harness.errors import UsageError
from harness.records import SideSpec
from harness.run.load import load_side


def a_side(*, file=None, module=None, name="side", tap_map=None):
    return SideSpec("s", file and str(file), module, name, tap_map and str(tap_map), "")


def written(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_file_side_is_executed_as_a_module_of_its_own_name(tmp_path):
    path = written(
        tmp_path,
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 1\n"
        "def side(call): return call + A().x\n",
    )
    side = load_side(a_side(file=path))
    assert side(2) == 3
    assert sys.modules[side.__module__].side is side


def test_file_side_may_import_siblings_absolutely_and_relatively(tmp_path):
    written(tmp_path, "X = 5\n", "sibling_of_mine.py")
    path = written(
        tmp_path,
        "from sibling_of_mine import X\nfrom .sibling_of_mine import X as Y\n"
        "def side(call): return X + Y\n",
    )
    assert load_side(a_side(file=path))(None) == 10


def test_file_named_like_an_installed_module_does_not_clash(tmp_path):
    import json

    path = written(tmp_path, "def side(call): return 'mine'\n", "json.py")
    assert load_side(a_side(file=path))(None) == "mine"
    assert sys.modules["json"] is json


def test_two_files_of_one_name_in_two_folders_are_two_modules(tmp_path):
    loaded = []
    for k in (1, 2):
        (tmp_path / str(k)).mkdir()
        path = written(tmp_path / str(k), f"def side(call): return {k}\n")
        loaded.append(load_side(a_side(file=path))(None))
    assert loaded == [1, 2]


def test_module_side_may_name_a_nested_callable():
    assert load_side(a_side(module="fractions", name="Fraction.from_float"))(0.5) == 0.5


def test_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(UsageError, match=r"expected a Python file at .*saw nothing; give path/to"):
        load_side(a_side(file=tmp_path / "absent.py"))
    with pytest.raises(UsageError, match="saw a folder"):
        load_side(a_side(file=tmp_path))


def test_file_that_is_not_python_is_refused(tmp_path):
    path = written(tmp_path, "hello", "notes.txt")
    with pytest.raises(UsageError, match=r"expected a Python file \(.py\), saw 'notes.txt'"):
        load_side(a_side(file=path))


def test_missing_callable_lists_the_nearest(tmp_path):
    path = written(tmp_path, "import os\ndef train(call): ...\ndef _train(call): ...\n")
    with pytest.raises(UsageError, match=r"no callable 'trian' in .*did you mean 'train'"):
        load_side(a_side(file=path, name="trian"))
    with pytest.raises(UsageError, match=r"no callable 'zzz' in .*valid: train$"):
        load_side(a_side(file=path, name="zzz"))


def test_file_without_callables_says_so(tmp_path):
    with pytest.raises(UsageError, match="it defines no callable"):
        load_side(a_side(file=written(tmp_path, "x = 1\n")))


def test_attribute_that_is_not_callable_is_refused(tmp_path):
    path = written(tmp_path, "side = 3\n")
    with pytest.raises(UsageError, match=r"takes a Call, saw int; write def side\(call\)"):
        load_side(a_side(file=path))


@pytest.mark.parametrize("parameters", ["", "call, more", "*, call"])
def test_callable_of_other_arity_is_refused(tmp_path, parameters):
    path = written(tmp_path, f"def side({parameters}): ...\n")
    with pytest.raises(UsageError, match=r"to take one argument, the Call, saw side\("):
        load_side(a_side(file=path))


def test_missing_module_says_what_to_do():
    with pytest.raises(UsageError, match=r"expected an importable module 'no_such_module_x.y'"):
        load_side(a_side(module="no_such_module_x.y"))


def test_dependency_missing_inside_a_side_is_the_sides_own_error(tmp_path):
    path = written(tmp_path, "import no_such_dependency_x\ndef side(call): ...\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency_x"):
        load_side(a_side(file=path))


def test_side_with_a_tap_map_is_tapped(tmp_path):
    from harness import tap

    path = written(tmp_path, "def side(call):\n    x = call * 2\n    return x\n")
    tap_map = written(tmp_path, '[taps]\nq = "mine.py:side:x"\n', "map.toml")
    side = load_side(a_side(file=path, tap_map=tap_map))
    seen = []
    tap.set_handler(lambda name, value: seen.append((name, value)) or value)
    try:
        assert side(4) == 8
    finally:
        tap.set_handler(None)
    assert seen == [("q", 8)]
