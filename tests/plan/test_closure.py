from pathlib import Path

import pytest

from harness.plan.closure import closure


def _write(folder, files):
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def _names(folder, start):
    found = closure(folder / start)
    return {file.relative_to(folder).as_posix() for file in found.files}


def test_closure_follows_modules_beside_the_file_transitively(tmp_path):
    _write(tmp_path, {"a.py": "import b\n", "b.py": "from c import x\n", "c.py": "x = 1\n"})
    assert _names(tmp_path, "a.py") == {"a.py", "b.py", "c.py"}


def test_closure_of_a_cycle_ends(tmp_path):
    _write(tmp_path, {"a.py": "import b\n", "b.py": "import a\n"})
    assert _names(tmp_path, "a.py") == {"a.py", "b.py"}


def test_closure_leaves_out_neighbours_that_nothing_imports(tmp_path):
    _write(tmp_path, {"a.py": "import json\n", "b.py": ""})
    assert _names(tmp_path, "a.py") == {"a.py"}


def test_closure_follows_relative_imports_and_package_files(tmp_path):
    files = {
        "pkg/__init__.py": "",
        "pkg/a.py": "from . import b\nfrom .sub.c import y\nfrom ..outer import z\n",
        "pkg/b.py": "",
        "pkg/sub/__init__.py": "",
        "pkg/sub/c.py": "",
        "outer.py": "",
    }
    assert _names(_write(tmp_path, files), "pkg/a.py") == set(files)


def test_closure_follows_absolute_imports_from_the_project_root(tmp_path):
    files = {
        "pyproject.toml": "",
        "algos/dqn.py": "import shared.nets.mlp as mlp\nfrom shared import buffers\n",
        "shared/__init__.py": "",
        "shared/nets/mlp.py": "",
        "shared/buffers.py": "",
        "src/unused.py": "",
    }
    expected = set(files) - {"pyproject.toml", "src/unused.py"}
    assert _names(_write(tmp_path, files), "algos/dqn.py") == expected


def test_closure_follows_imports_inside_functions_and_conditions(tmp_path):
    text = "def f():\n    import b\nif 0:\n    import c\n"
    _write(tmp_path, {"a.py": text, "b.py": "", "c.py": ""})
    assert _names(tmp_path, "a.py") == {"a.py", "b.py", "c.py"}


def test_closure_holds_data_files_that_the_source_names(tmp_path):
    text = "from pathlib import Path\nCONFIG = Path(__file__).parent / 'config.yaml'\n"
    _write(tmp_path, {"a.py": text, "config.yaml": "lr: 1\n", "other.yaml": ""})
    assert _names(tmp_path, "a.py") == {"a.py", "config.yaml"}


def test_closure_holds_compiled_modules(tmp_path):
    _write(tmp_path, {"a.py": "import fast\n", "fast.cpython-311-x86_64-linux-gnu.so": ""})
    assert len(_names(tmp_path, "a.py")) == 2


def test_closure_names_installed_packages_but_does_not_enter_them(tmp_path):
    _write(tmp_path, {"a.py": "import torch.nn as nn\nimport numpy\nimport os\nimport nowhere\n"})
    found = closure(tmp_path / "a.py")
    assert found.files == (tmp_path / "a.py",)
    assert set(found.packages) >= {"torch", "numpy"}
    assert "os" not in found.packages


def test_closure_leaves_out_the_contract_of_the_harness(tmp_path):
    _write(tmp_path, {"a.py": "from harness.tap import tap\nfrom harness.side import Call\n"})
    assert closure(tmp_path / "a.py").files == (tmp_path / "a.py",)


def test_closure_follows_local_packages_on_the_path(tmp_path, monkeypatch):
    _write(tmp_path, {"lib/my_local_lib/__init__.py": "", "lib/my_local_lib/nets.py": ""})
    _write(tmp_path, {"project/a.py": "import my_local_lib.nets\n"})
    monkeypatch.syspath_prepend(tmp_path / "lib")
    expected = {"project/a.py", "lib/my_local_lib/__init__.py", "lib/my_local_lib/nets.py"}
    assert _names(tmp_path, "project/a.py") == expected


@pytest.mark.parametrize("text", ["def f(:\n", "x = '\0'\n", "import \n"])
def test_closure_of_source_that_does_not_parse_is_the_file_alone(tmp_path, text):
    _write(tmp_path, {"a.py": text})
    assert _names(tmp_path, "a.py") == {"a.py"}


def test_closure_of_odd_strings_ignores_them(tmp_path):
    _write(tmp_path, {"a.py": f"x = ['', '/', '..', {'y' * 300!r}, 'a' + chr(0), 'sub']\n"})
    (tmp_path / "sub").mkdir()
    assert _names(tmp_path, "a.py") == {"a.py"}


def test_closure_of_my_impls_dqn_is_that_file_alone():
    file = Path("my_impls/dqn.py").resolve()
    assert closure(file).files == (file,)


def test_closure_of_names_that_no_file_system_holds_ignores_them(tmp_path):
    text = f"NAME = {'é' * 250!r}\nimport __main__\n"
    _write(tmp_path, {"a.py": text})
    assert _names(tmp_path, "a.py") == {"a.py"}
