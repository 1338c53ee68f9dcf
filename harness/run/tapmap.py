"""Tap maps: insert taps into functions of code that must not be edited, by rewriting their AST.

A map is a TOML file with one table; each entry names a tap and where it goes:

    [taps]
    td_target = "stable_baselines3.dqn.dqn:DQN.train:target_q_values"
    q_values = { at = "stable_baselines3.dqn.dqn:DQN.train:current_q_values", which = "last" }
    epsilon = { at = "m:C.f", expression = "self.rate", after = "self.rate", which = 1 }
    obs = { at = "m:C.g", expression = "self.obs", before = "self.act" }

`at` is "module-or-file.py:qualified.function:variable"; files are relative to the map. `which`
picks an assignment: "first", "last" or a number from 1; without it there must be exactly one.
After it, `variable = tap(name, variable)` is inserted. With `expression` the third part of `at` is
left out, and `after` or `before` names a statement by the target that it assigns or the function
that it calls; an expression that can be assigned to (a name, an attribute) is assigned back. For
any other one, `back` may hold the assignment that undoes it, with the tap's answer as `tapped`:

    rows = { at = "m:C.h", expression = "i - self.n", after = "i", back = "i = tapped + self.n" }

`when` is a Python expression: the tap fires only where it holds, so that one function that serves
two purposes can have two taps:

    noise = { at = "m:C.draw:eps", when = "torch.is_grad_enabled()" }

The functions are rewritten in place, code object for code object, after their module has been
imported: references to them, their closures and `super()` keep working, line numbers stay. So a map
serves modules that were imported long before (a forkserver preloads the reference).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

from harness.errors import UsageError, nearest_sentence
from harness.tap import tap

# The global under which rewritten functions find `tap`.
TAP_GLOBAL = "__harness_tap__"
# The name of a tap's answer in `back`.
ANSWER = "tapped"

KEYS = ("at", "which", "expression", "after", "before", "back", "when")


@dataclass(frozen=True)
class Entry:
    """One line of a map. `anchor`: the statement's assigned target, or called function.

    `back`: the assignment that takes the tap's answer over, or "" (see the module). `when`: the
    condition of the tap, or "".
    """

    name: str
    module: str
    function: str
    expression: str
    anchor: str
    is_before: bool
    which: str | int | None
    where: str
    back: str = ""
    when: str = ""


def apply_tap_map(path: Path) -> None:
    """Insert every tap of the map at `path` into the functions of this process.

    Raises:
        UsageError: the file cannot be read, or an entry is malformed or matches nothing; the
            message names the file, the entry, and the nearest functions or variables.
    """
    entries = read_tap_map(path)
    modules = {name: _module_of(name, path, entries) for name in {e.module for e in entries}}
    for name, module in modules.items():
        _rewrite_module(module, [entry for entry in entries if entry.module == name])


def read_tap_map(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a map in the order of the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"expected a TOML tap map at {str(path)!r}, saw: {error}"
        raise UsageError(message) from error
    if not isinstance(table.get("taps"), dict) or set(table) != {"taps"}:
        message = f"expected one table [taps] in {path}, saw {', '.join(table) or 'nothing'}"
        raise UsageError(message)
    return tuple(_entry(name, value, path) for name, value in table["taps"].items())


def _entry(name: str, value: object, path: Path) -> Entry:
    where = f"tap {name!r} in {path}"
    if not isinstance(value, (str, dict)):
        _fail(f"{where}: expected a string or a table, saw {value!r}")
    fields: Mapping[str, Any] = {"at": value} if isinstance(value, str) else value
    for key in fields:
        if key not in KEYS:
            _fail(f"{where}: unknown key {key!r}; {nearest_sentence(key, KEYS)}")
    parts = str(fields.get("at", "")).split(":")
    expression = fields.get("expression")
    if len(parts) != (2 if expression else 3) or not all(parts):
        form = "module:function" if expression else "module:function:variable"
        _fail(f"{where}: expected at = '{form}', saw {fields.get('at')!r}")
    anchors = [key for key in ("after", "before") if key in fields]
    if len(anchors) != (1 if expression else 0):
        need = "exactly one of after and before" if expression else "neither after nor before"
        _fail(f"{where}: expected {need}, saw {', '.join(anchors) or 'none'}")
    which = fields.get("which")
    if which not in (None, "first", "last") and not (type(which) is int and which >= 1):
        _fail(f"{where}: expected which = 'first', 'last' or a number from 1, saw {which!r}")
    return Entry(
        name=name,
        module=parts[0],
        function=parts[1],
        expression=_canonical(expression or parts[2], where),
        anchor=_canonical(fields[anchors[0]] if anchors else parts[2], where),
        is_before=anchors == ["before"],
        which=which,
        where=where,
        back=_assignment(fields.get("back", ""), where),
        when=_canonical(fields["when"], f"{where}: when") if "when" in fields else "",
    )


def _assignment(source: object, where: str) -> str:
    """Return the text of `back` after checking that it is one assignment that uses `tapped`."""
    if source == "":
        return ""
    try:
        parsed = ast.parse(str(source)).body
    except SyntaxError:
        parsed = []
    names = {node.id for node in ast.walk(ast.Module(parsed, [])) if isinstance(node, ast.Name)}
    if len(parsed) != 1 or not isinstance(parsed[0], ast.Assign) or ANSWER not in names:
        _fail(f"{where}: expected back = one assignment with {ANSWER!r} in it, saw {source!r}")
    return str(source)


def _canonical(source: object, where: str) -> str:
    try:
        return ast.unparse(ast.parse(str(source), mode="eval"))
    except SyntaxError:
        _fail(f"{where}: expected a Python expression, saw {source!r}")


def _fail(message: str) -> NoReturn:
    raise UsageError(message)


def _module_of(name: str, path: Path, entries: tuple[Entry, ...]) -> ModuleType:
    where = next(entry.where for entry in entries if entry.module == name)
    if name.endswith(".py"):
        file = (path.parent / name).resolve()
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) and Path(str(module.__file__)).resolve() == file:
                return module
        _fail(f"{where}: expected an imported file, saw {str(file)!r} not imported by the side")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"{where}: expected an importable module, saw {name!r} ({error})"
        raise UsageError(message) from error


def _rewrite_module(module: ModuleType, entries: list[Entry]) -> None:
    """Compile the module's source with taps inserted, and swap the code of the tapped functions."""
    file = inspect.getsourcefile(module) or ""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"), filename=file)
    definitions = dict(_definitions(tree, ""))
    for entry in entries:
        if entry.function not in definitions:
            near = nearest_sentence(entry.function, definitions)
            _fail(f"{entry.where}: no function {entry.function!r} in {file}; {near}")
    # Find every place before inserting anywhere: an inserted tap is itself an assignment.
    places = [(entry, *_place(entry, definitions[entry.function], file)) for entry in entries]
    for entry, block, statement in places:
        at = block.index(statement) + (not entry.is_before)
        block[at:at] = [ast.fix_missing_locations(one) for one in _tapping(entry, statement)]
    codes = dict(_codes(compile(tree, file, "exec", dont_inherit=True)))
    for name in {entry.function.partition(".<locals>")[0] for entry in entries}:
        function = _function_of(module, name)
        if function.__code__.co_firstlineno != codes[name].co_firstlineno:
            _fail(f"{entries[0].where}: {file} has changed since it was imported; run again")
        vars(module)[TAP_GLOBAL] = tap
        function.__code__ = codes[name]


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield qualified name -> definition of every function, named as `__qualname__` is."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
            yield from _definitions(child, f"{prefix}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _definitions(child, f"{prefix}{child.name}.")
        else:
            yield from _definitions(child, prefix)


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


def _place(entry: Entry, function: ast.FunctionDef, file: str) -> tuple[list[ast.stmt], ast.stmt]:
    """Return the block and the statement in it that the entry means."""
    every = [(block, s, anchor) for block, s in _statements(function) for anchor in _anchors(s)]
    found = [(block, statement) for block, statement, anchor in every if anchor == entry.anchor]
    where = f"{entry.where}: {entry.function} in {file}"
    if not found:
        near = nearest_sentence(entry.anchor, dict.fromkeys(anchor for _, _, anchor in every))
        _fail(f"{where} assigns or calls no {entry.anchor!r}; {near}")
    if entry.which is None and len(found) > 1:
        lines = ", ".join(str(statement.lineno) for _, statement in found)
        _fail(f"{where} has {entry.anchor!r} in lines {lines}; say which = 'first', 'last' or n")
    number = len(found) if entry.which == "last" else entry.which
    number = number if isinstance(number, int) else 1
    if number > len(found):
        _fail(f"{where} has {entry.anchor!r} {len(found)} time(s), saw which = {number}")
    return found[number - 1]


def _statements(node: ast.AST) -> Iterator[tuple[list[ast.stmt], ast.stmt]]:
    """Yield (block, statement) in the order of the source, without entering inner functions."""
    for name in ("body", "handlers", "orelse", "finalbody"):
        for child in getattr(node, name, []):
            if isinstance(child, ast.stmt):
                yield getattr(node, name), child
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(child)


def _anchors(statement: ast.stmt) -> set[str]:
    """Return what a simple statement assigns and which functions it calls, as source text."""
    is_only_declared = isinstance(statement, ast.AnnAssign) and statement.value is None
    if hasattr(statement, "body") or isinstance(statement, ast.Return) or is_only_declared:
        return set()
    nodes = list(ast.walk(statement))
    stored = [n for n in nodes if isinstance(getattr(n, "ctx", None), ast.Store)]
    called = [n.func for n in nodes if isinstance(n, ast.Call)]
    return {ast.unparse(n) for n in [*stored, *called]}


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
