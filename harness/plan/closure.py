"""The transitive local source of a Python file: what it imports, and the data files it names.

Found by reading, never by running: static imports (absolute, relative, of packages) of modules that
lie beside the file, under its project, or in folders that are neither the standard library nor
site-packages (editable installs, PYTHONPATH); and string constants that name a file beside the
source. Modules named in strings (`importlib.import_module("x")`) are not followed.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Covered by the version of the trace schema: they do nothing but hand values on.
_CONTRACT = ("harness.tap", "harness.side")
_PROJECT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_MAX_NAME = 255  # characters of a file name on common file systems


@dataclass(frozen=True)
class Closure:
    """What a file is made of.

    Attributes:
        files: absolute paths, sorted; the start file and everything local that it reaches.
        packages: top-level names of installed packages that it imports, sorted.
    """

    files: tuple[Path, ...]
    packages: tuple[str, ...]


def closure(start: Path) -> Closure:
    """Return the transitive local source of the Python file `start`."""
    start = start.resolve()
    roots = _roots(start)
    seen: set[Path] = set()
    packages: set[str] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for found in _reached_from(file, roots):
            if isinstance(found, str):
                packages.add(found)
            else:
                waiting.append(found)
    return Closure(tuple(sorted(seen)), tuple(sorted(packages)))


def _reached_from(file: Path, roots: tuple[Path, ...]) -> Iterator[Path | str]:
    """Yield the local files, and the names of the installed packages, that one file refers to."""
    tree = _parse(file)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(file, node, roots)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _data_file(file, node.value)


def _imported(
    file: Path, node: ast.Import | ast.ImportFrom, roots: tuple[Path, ...]
) -> Iterator[Path | str]:
    if isinstance(node, ast.ImportFrom) and node.level:
        yield from _relative(file, node)
        return
    base = node.module if isinstance(node, ast.ImportFrom) else None
    names = [alias.name for alias in node.names]
    for name in [base, *(f"{base}.{name}" for name in names)] if base else names:
        yield from _absolute(name, roots)


def _absolute(module: str, roots: tuple[Path, ...]) -> Iterator[Path | str]:
    """Yield the files of a dotted module and its packages, or its top-level name if installed."""
    if module in _CONTRACT or module.startswith(tuple(f"{name}." for name in _CONTRACT)):
        return
    top, *rest = module.split(".")
    for root in roots:
        files = tuple(_module_files(root, (top, *rest)))
        if files:
            yield from files
            return
    if top in sys.stdlib_module_names:
        return
    local = _local_root(top)
    if local is None:
        yield top
    else:
        yield from _module_files(local, (top, *rest))


def _relative(file: Path, node: ast.ImportFrom) -> Iterator[Path]:
    """Yield the files of `from ..x import y`, counted from the folder of `file`."""
    folder = file.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    yield from _existing(folder / "__init__.py")
    parts = tuple(node.module.split(".")) if node.module else ()
    for names in (parts, *((*parts, alias.name) for alias in node.names)):
        if names:
            yield from _module_files(folder, names)


def _module_files(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield the `__init__` files on the way and the module's own file, where they exist."""
    for depth, name in enumerate(names):
        yield from _existing(folder / f"{name}.py")
        yield from sorted(path.resolve() for path in folder.glob(f"{name}.*.so"))
        folder = folder / name
        yield from _existing(folder / "__init__.py")
        if not folder.is_dir() and depth < len(names) - 1:
            return


def _data_file(file: Path, text: str) -> Iterator[Path]:
    if 0 < len(text) <= _MAX_NAME and text.isprintable():
        yield from _existing(file.parent / text)


def _existing(path: Path) -> Iterator[Path]:
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # names that no file system holds
        return
    if is_file:
        yield path.resolve()


def _parse(file: Path) -> ast.Module | None:
    if file.suffix != ".py":
        return None
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):  # hashed as it is; running it will say what is wrong
        return None


def _roots(start: Path) -> tuple[Path, ...]:
    """Return where absolute imports of local modules are looked up, nearest first."""
    top = start.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    marked = (p for p in start.parents if any((p / mark).exists() for mark in _PROJECT_MARKS))
    project = next(marked, top)
    roots = dict.fromkeys((start.parent, top, project, project / "src"))
    # An installed side counts its own package as local, and its neighbours there as installed.
    return tuple(root for root in roots if not is_installed(root) or root == start.parent)


@cache
def _local_root(top: str) -> Path | None:
    """Return the folder that holds the importable `top`; None for an installed package."""
    try:
        spec = importlib.util.find_spec(top) if top.isidentifier() else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else [])]
    if not places or spec.origin in ("built-in", "frozen"):
        return None
    place = Path(places[0])
    return None if is_installed(place) else place.resolve().parent


@cache
def _installed_folders() -> tuple[Path, ...]:
    keys = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(key)).resolve() for key in keys})


def is_installed(place: Path) -> bool:
    """Return whether a path lies in the standard library or among installed packages."""
    resolved = place.resolve()
    if "site-packages" in resolved.parts or "dist-packages" in resolved.parts:
        return True
    return any(resolved.is_relative_to(folder) for folder in _installed_folders())
