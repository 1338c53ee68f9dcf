"""Taps that a side calls itself, found by reading: `tap("name", value)` in its own source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.run.tapplaces import TapLine, first_line

_TAP = "tap"
_HARNESS = "harness"
_MODULE = f"{_HARNESS}.{_TAP}"
# Name of a tap whose name is computed, so that reading cannot tell it.
COMPUTED = ""


def called_taps(file: Path) -> tuple[TapLine, ...]:
    """Return every call of `harness.tap.tap` in a Python file, in the order of its lines.

    A call whose name is no text in quotes has the name `COMPUTED`. Empty for what is no Python.
    """
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source) if file.suffix == ".py" else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # running it says what is wrong
        return ()
    spellings = set(_spellings(tree))
    lines = source.splitlines()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [node for node in calls if _is_tap(node, spellings)]
    return tuple(_line(node, file, lines) for node in sorted(found, key=lambda n: n.lineno))


def _is_tap(node: ast.Call, spellings: set[str]) -> bool:
    return ast.unparse(node.func) in spellings and bool(node.args or node.keywords)


def _line(node: ast.Call, file: Path, lines: Sequence[str]) -> TapLine:
    given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "name")]
    value = given[0].value if given and isinstance(given[0], ast.Constant) else None
    name = value if isinstance(value, str) else COMPUTED
    return TapLine(name, file, node.lineno, first_line(node, lines))


def _spellings(tree: ast.Module) -> Iterator[str]:
    """Yield how this file spells the function: "tap", "harness.tap.tap", "t.tap" ..."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _of_import(node)
        elif isinstance(node, ast.ImportFrom):
            yield from _of_import_from(node)


def _of_import(node: ast.Import) -> Iterator[str]:
    for alias in node.names:
        if alias.name == _MODULE:
            yield f"{alias.asname or _MODULE}.{_TAP}"


def _of_import_from(node: ast.ImportFrom) -> Iterator[str]:
    """Yield the spelling by `from harness import tap`, or `from anything import tap`.

    The function may come by way of a module of the side's own.
    """
    for alias in node.names:
        name = alias.asname or alias.name
        if alias.name == _TAP:
            yield f"{name}.{_TAP}" if node.module == _HARNESS and not node.level else name
        elif alias.name == "*" and node.module == _MODULE:
            yield _TAP
