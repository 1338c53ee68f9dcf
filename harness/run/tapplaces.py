"""Tap maps, read: where each tap goes in code that must not be edited. Nothing is imported or run.

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

A value without a name of its own is tapped where it stands with `wraps`: inside the one statement
that holds it, the expression is replaced by `tap(name, expression)`:

    noise = { at = "m:C.act", wraps = "self.noise()" }

`given` may stand before [taps] in the map of a reference whose weights cannot be tapped: names of
taps that depend on them. Their values are handed on, and not compared.

A tap with several places is a list of such tables, of which one fires at a time: `[[taps.rows]]`.
"""

from __future__ import annotations

import ast
import builtins
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from harness.errors import UsageError, nearest_sentence

# The name of a tap's answer in `back`.
ANSWER = "tapped"

KEYS = ("at", "which", "expression", "after", "before", "back", "when", "wraps")

# A longer expression hides the statement that it stands beside.
MAX_EXPRESSION = 25

# What `from module import *` binds: anything.
STAR = "*"

# Module name of a map -> its file, or None; `harness.modules.locate_module` is one.
Locate = Callable[[str], Path | None]


@dataclass(frozen=True)
class Entry:
    """One line of a map. `anchor`: the statement's assigned target, or called function.

    `back`: the assignment that takes the tap's answer over, or "" (see the module). `when`: the
    condition of the tap, or "". `wraps`: whether the expression is tapped where it stands.
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
    wraps: bool = False


class Place(NamedTuple):
    """Where an entry goes: the statement, and the block of statements that holds it."""

    entry: Entry
    block: list[ast.stmt]
    statement: ast.stmt


@dataclass(frozen=True)
class TapLine:
    """One tap as it stands in the source. `text`: the statement, with what the map says of it."""

    name: str
    file: Path
    line: int
    text: str


def map_lines(path: Path, locate: Locate) -> tuple[TapLine, ...]:
    """Return where every tap of the map at `path` stands in the source, in the map's order.

    Raises:
        UsageError: the file cannot be read, or an entry is malformed or matches nothing; the
            message names the file, the entry, and the nearest functions or variables.
    """
    entries = read_tap_map(path)
    found: dict[Entry, TapLine] = {}
    for name in dict.fromkeys(entry.module for entry in entries):
        wanted = [entry for entry in entries if entry.module == name]
        found |= _lines_in(_file_of(wanted[0], path, locate), wanted)
    return tuple(found[entry] for entry in entries)


def _lines_in(file: Path, entries: Sequence[Entry]) -> dict[Entry, TapLine]:
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source, filename=str(file))
    except (OSError, SyntaxError, ValueError) as error:
        fail(f"{entries[0].where}: expected Python source in {file}, saw: {error}")
    lines = source.splitlines()
    return {
        entry: TapLine(entry.name, file, statement.lineno, _said(entry, statement, lines))
        for entry, _, statement in find_places(tree, entries, str(file))
    }


def _said(entry: Entry, statement: ast.stmt, lines: Sequence[str]) -> str:
    """Return the statement's first line, and what is tapped beside it where the map says so."""
    text = first_line(statement, lines)
    side = "in" if entry.wraps else "before" if entry.is_before else "after"
    short = f"{entry.expression} " if len(entry.expression) <= MAX_EXPRESSION else ""
    is_named = entry.anchor == entry.expression and not entry.wraps
    placed = text if is_named else f"{short}{side} {text}"
    return f"when {entry.when}: {placed}" if entry.when else placed


def first_line(node: ast.stmt | ast.expr, lines: Sequence[str]) -> str:
    """Return the first line of a statement or expression; dots say that it goes on."""
    is_whole = node.end_lineno in (None, node.lineno)
    return lines[node.lineno - 1].strip() + ("" if is_whole else " ...")


def _file_of(entry: Entry, path: Path, locate: Locate) -> Path:
    is_file = entry.module.endswith(".py")
    file = (path.parent / entry.module).resolve() if is_file else locate(entry.module)
    if file is None or not file.is_file():
        if is_file:
            fail(f"{entry.where}: expected a file beside the map, saw nothing at {str(file)!r}")
        fail(f"{entry.where}: expected an importable module, saw {entry.module!r} (not found)")
    return file


def read_tap_map(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a map in the order of the file."""
    return tuple(
        _entry(name, value, path)
        for name, values in _table_of(path)["taps"].items()
        for value in (values if isinstance(values, list) else [values])
    )


def given_in(path: Path) -> frozenset[str]:
    """Return the taps of a map that are handed on and not compared.

    Raises:
        UsageError: the file cannot be read, or one of them is no tap of the map.
    """
    table = _table_of(path)
    given = table.get("given", [])
    for name in given:
        if name not in table["taps"]:
            near = nearest_sentence(name, table["taps"])
            fail(f"given in {path}: {name!r} is no tap of it; {near}")
    return frozenset(given)


def _table_of(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"expected a TOML tap map at {str(path)!r}, saw: {error}"
        raise UsageError(message) from error
    if not isinstance(table.get("taps"), dict) or not set(table) <= {"taps", "given"}:
        message = f"expected one table [taps] in {path}, saw {', '.join(table) or 'nothing'}"
        raise UsageError(message)
    return table


def _entry(name: str, value: object, path: Path) -> Entry:
    where = f"tap {name!r} in {path}"
    if not isinstance(value, (str, dict)):
        fail(f"{where}: expected a string or a table, saw {value!r}")
    fields: Mapping[str, Any] = {"at": value} if isinstance(value, str) else value
    for key in fields:
        if key not in KEYS:
            fail(f"{where}: unknown key {key!r}; {nearest_sentence(key, KEYS)}")
    parts = str(fields.get("at", "")).split(":")
    expression = fields.get("expression") or fields.get("wraps")
    if len(parts) != (2 if expression else 3) or not all(parts):
        form = "module:function" if expression else "module:function:variable"
        fail(f"{where}: expected at = '{form}', saw {fields.get('at')!r}")
    anchors = _checked_anchors(fields, where)
    which = fields.get("which")
    if which not in (None, "first", "last") and not (type(which) is int and which >= 1):
        fail(f"{where}: expected which = 'first', 'last' or a number from 1, saw {which!r}")
    return Entry(
        name=name,
        module=parts[0],
        function=parts[1],
        expression=_canonical(expression or parts[2], where),
        anchor=_canonical(fields[anchors[0]] if anchors else expression or parts[2], where),
        is_before=anchors == ["before"],
        which=which,
        where=where,
        back=_assignment(fields.get("back", ""), where),
        when=_canonical(fields["when"], f"{where}: when") if "when" in fields else "",
        wraps="wraps" in fields,
    )


def _checked_anchors(fields: Mapping[str, Any], where: str) -> list[str]:
    """Return which of "after" and "before" an entry has: one of them with `expression` only."""
    for key in ("expression", "back") if "wraps" in fields else ():
        if key in fields:
            fail(f"{where}: expected no {key} beside wraps, saw {fields[key]!r}")
    anchors = [key for key in ("after", "before") if key in fields]
    if len(anchors) != ("expression" in fields):
        is_free = "expression" in fields
        need = "exactly one of after and before" if is_free else "neither after nor before"
        fail(f"{where}: expected {need}, saw {', '.join(anchors) or 'none'}")
    return anchors


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
        fail(f"{where}: expected back = one assignment with {ANSWER!r} in it, saw {source!r}")
    return str(source)


def _canonical(source: object, where: str) -> str:
    try:
        return ast.unparse(ast.parse(str(source), mode="eval"))
    except SyntaxError:
        fail(f"{where}: expected a Python expression, saw {source!r}")


def fail(message: str) -> NoReturn:
    """Raise what is wrong with a map."""
    raise UsageError(message)


def find_places(tree: ast.Module, entries: Sequence[Entry], file: str) -> list[Place]:
    """Return the place of every entry in the source of its module.

    Raises:
        UsageError: a function does not exist, or an entry matches nothing in it, or too much.
    """
    definitions = dict(_definitions(tree, ""))
    for entry in entries:
        if entry.function not in definitions:
            near = nearest_sentence(entry.function, definitions)
            fail(f"{entry.where}: no function {entry.function!r} in {file}; {near}")
    places = [_place(entry, definitions[entry.function], file) for entry in entries]
    module_names = set(_bound_in_module(tree))
    for entry in entries:
        outermost = definitions[entry.function.partition(".<locals>")[0]]
        _check_names(entry, {*_bound_in(outermost)}, module_names, file)
    return places


def _check_names(entry: Entry, bound: set[str], module_names: set[str], file: str) -> None:
    """Raise when the entry reads a name that its function does not know."""
    if STAR in module_names:
        return
    source = f"({entry.expression}, {entry.when or None})\n{entry.back}"
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    known = {*own, *bound, *module_names, *dir(builtins), ANSWER}
    for node in names:
        if node.id not in known:
            near = nearest_sentence(node.id, sorted(bound))
            fail(f"{entry.where}: {entry.function} in {file} knows no {node.id!r}; {near}")


def _bound_in(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the names of arguments and of what is assigned or imported in a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from _declared(node)


def _bound_in_module(tree: ast.Module) -> Iterator[str]:
    """Yield the names bound at module level."""
    for _, statement in _statements(tree):
        yield from _declared(statement)
        if not hasattr(statement, "body"):
            yield from (n.id for n in ast.walk(statement) if isinstance(n, ast.Name))


def _declared(node: ast.AST) -> Iterator[str]:
    """Yield the names that a definition, an import or `except ... as` binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


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


def _place(entry: Entry, function: ast.FunctionDef, file: str) -> Place:
    """Return the block and the statement in it that the entry means."""
    said = _expressions if entry.wraps else _anchors
    every = [(block, s, anchor) for block, s in _statements(function) for anchor in said(s)]
    found = [(block, statement) for block, statement, anchor in every if anchor == entry.anchor]
    where = f"{entry.where}: {entry.function} in {file}"
    if not found:
        near = nearest_sentence(entry.anchor, dict.fromkeys(anchor for _, _, anchor in every))
        does = "holds" if entry.wraps else "assigns or calls"
        fail(f"{where} {does} no {entry.anchor!r}; {near}")
    if entry.which is None and len(found) > 1:
        lines = ", ".join(str(statement.lineno) for _, statement in found)
        fail(f"{where} has {entry.anchor!r} in lines {lines}; say which = 'first', 'last' or n")
    number = len(found) if entry.which == "last" else entry.which
    number = number if isinstance(number, int) else 1
    if number > len(found):
        fail(f"{where} has {entry.anchor!r} {len(found)} time(s), saw which = {number}")
    return Place(entry, *found[number - 1])


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


def _expressions(statement: ast.stmt) -> set[str]:
    """Return every expression of a simple statement, as source text."""
    if hasattr(statement, "body"):
        return set()
    return {ast.unparse(n) for n in ast.walk(statement) if isinstance(n, ast.expr)}
