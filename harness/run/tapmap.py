"""Insert the taps of a map into functions of code that must not be edited, by rewriting their AST.

The functions are rewritten in place, code object for code object, after their module has been
imported: references to them, their closures and `super()` keep working, line numbers stay. So a map
serves modules that were imported long before (a forkserver preloads the reference). The format of a
map and the search for its places: harness/run/tapplaces.py.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from harness.errors import UsageError
from harness.run.tapplaces import ANSWER, Entry, fail, find_places, read_tap_map
from harness.tap import tap

# The global under which rewritten functions find `tap`.
TAP_GLOBAL = "__harness_tap__"


# Functions that the map in force rewrote -> their own code.
_REWRITTEN: dict[FunctionType, CodeType] = {}


def apply_tap_map(path: Path) -> None:
    """Insert every tap of the map at `path` into the functions of this process.

    Functions that an earlier map rewrote are put back first: one side is tapped at a time.

    Raises:
        UsageError: the file cannot be read, or an entry is malformed or matches nothing; the
            message names the file, the entry, and the nearest functions or variables.
    """
    entries = read_tap_map(path)
    modules = {name: _module_of(name, path, entries) for name in {e.module for e in entries}}
    while _REWRITTEN:
        function, code = _REWRITTEN.popitem()
        function.__code__ = code
    for name, module in modules.items():
        _rewrite_module(module, [entry for entry in entries if entry.module == name])


def _module_of(name: str, path: Path, entries: tuple[Entry, ...]) -> ModuleType:
    where = next(entry.where for entry in entries if entry.module == name)
    if name.endswith(".py"):
        file = (path.parent / name).resolve()
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) and Path(str(module.__file__)).resolve() == file:
                return module
        fail(f"{where}: expected an imported file, saw {str(file)!r} not imported by the side")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"{where}: expected an importable module, saw {name!r} ({error})"
        raise UsageError(message) from error


def _rewrite_module(module: ModuleType, entries: list[Entry]) -> None:
    """Compile the module's source with taps inserted, and swap the code of the tapped functions."""
    file = inspect.getsourcefile(module) or ""
    codes = _tapped(Path(file).read_text(encoding="utf-8"), file, tuple(entries))
    for name in {entry.function.partition(".<locals>")[0] for entry in entries}:
        function = _function_of(module, name)
        if function.__code__.co_firstlineno != codes[name].co_firstlineno:
            fail(f"{entries[0].where}: {file} has changed since it was imported; run again")
        vars(module)[TAP_GLOBAL] = tap
        _REWRITTEN.setdefault(function, function.__code__)
        function.__code__ = codes[name]


@cache
def _tapped(source: str, file: str, entries: tuple[Entry, ...]) -> Mapping[str, CodeType]:
    """Return qualified name -> code, of a module's source with taps inserted."""
    tree = ast.parse(source, filename=file)
    # Find every place before inserting anywhere: an inserted tap is itself an assignment.
    places = find_places(tree, entries, file)
    # The longest first: it may hold another one.
    for entry, _, statement in sorted(places, key=lambda place: -len(place.entry.expression)):
        if entry.wraps:
            _Wrapping(entry).visit(statement)
    for entry, block, statement in places:
        if entry.wraps:
            continue
        at = block.index(statement) + (not entry.is_before)
        block[at:at] = [ast.fix_missing_locations(one) for one in _tapping(entry, statement)]
    return dict(_codes(compile(tree, file, "exec", dont_inherit=True)))


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def _function_of(module: ModuleType, name: str) -> FunctionType:
    """Return the plain function behind decorators, methods and properties."""
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    function: FunctionType = inspect.unwrap(found)
    return function


class _Wrapping(ast.NodeTransformer):
    """Puts a tap around every expression of a statement that reads like the entry's."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def visit(self, node: ast.AST) -> ast.AST:
        is_meant = isinstance(node, ast.expr) and ast.unparse(node) == self._entry.expression
        if not is_meant:
            return self.generic_visit(node)
        call = f"{TAP_GLOBAL}({self._entry.name!r}, {self._entry.expression})"
        if self._entry.when:
            call = f"{call} if {self._entry.when} else {self._entry.expression}"
        tapped = ast.parse(call, mode="eval").body
        for part in ast.walk(tapped):
            ast.copy_location(part, node)
        return tapped


def _tapping(entry: Entry, statement: ast.stmt) -> list[ast.stmt]:
    """Return `expression = tap(name, expression)`, and `back`, on the line of `statement`.

    With `when`, the same inside `if when:`.
    """
    call = f"{TAP_GLOBAL}({entry.name!r}, {entry.expression})"
    expression = ast.parse(entry.expression, mode="eval").body
    is_assignable = isinstance(expression, (ast.Name, ast.Attribute))
    if entry.back:
        source = f"{ANSWER} = {call}\n{entry.back}"
    else:
        source = f"{entry.expression} = {call}" if is_assignable else call
    inserted = ast.parse(source).body
    if entry.when:
        condition = ast.parse(entry.when, mode="eval").body
        inserted = [ast.If(test=condition, body=inserted, orelse=[])]
    for node in (node for one in inserted for node in ast.walk(one)):
        ast.copy_location(node, statement)
    return inserted
