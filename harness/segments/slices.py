"""From which statements a tapped value follows: a slice backwards along the names that it reads.

What ran just before a tap need not be what its value was made from: a loss may be summed up before
another quantity is tapped, and a constant is set in a constructor. So the names that the tapped
expression reads are followed to the statements that set them: in the same function, in the call
that handed them over, and, for attributes, in the class. A value that is itself a tap's was handed
on and is right: it is not followed.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.segments.lines import Lines, Place, merge

# Calls up the stack that arguments are followed through.
MAX_CALLS = 2
_Function = ast.FunctionDef | ast.AsyncFunctionDef
TAP, CONSTRUCTOR = "tap", "__init__"


@dataclass(frozen=True)
class _File:
    """One parsed file: its functions, outermost first, each with its class, if any.

    Attributes:
        constants: name that the module binds once -> line of the statement that does.
    """

    functions: tuple[tuple[_Function, ast.ClassDef | None], ...]
    constants: Mapping[str, int]

    def holding(self, line: int) -> tuple[_Function, ast.ClassDef | None] | None:
        """Return the innermost function that holds a line."""
        found = [one for one in self.functions if one[0].lineno <= line <= (one[0].end_lineno or 0)]
        return found[-1] if found else None


@dataclass(frozen=True)
class Wanted:
    """Parameters of a function whose values are followed into the call of it."""

    function: _Function
    parameters: set[str]


def behind(name: str, stack: Sequence[Place], tapped: Mapping[str, Collection[int]]) -> Lines:
    """Return the lines that a quantity's value follows from.

    Args:
        name: of the quantity. stack: the places that its event was reached through, innermost
            first. tapped: file -> lines on which values are handed on.
    """
    found: Lines = {}
    wanted: Wanted | None = None
    for path, _, line in stack[: MAX_CALLS + 1]:
        held = _parsed(path).holding(line)
        statement = _statement_at(held[0], line) if held else None
        if held is None or statement is None:
            break
        function, owner = held
        slicer = _Slicer(function, owner, frozenset(tapped.get(path, ())))
        if wanted is None:
            slicer.follow(_reads(_tapped_value(statement, name) or _header(statement)), line)
        else:
            slicer.lines.add(line)
            slicer.follow(_reads_of_arguments(statement, wanted), line)
        merge(found, {(path, function.lineno): slicer.lines})
        merge(found, {(path, other): lines for other, lines in slicer.elsewhere.items()})
        wanted = Wanted(function, slicer.handed_over)
        if not wanted.parameters:
            break
    return found


def constants(lines: Lines) -> Lines:
    """Return the lines of constructors, and of the module, that set once and for all what is read.

    Args:
        lines: that ran, of functions.
    """
    found: Lines = {}
    for (path, start), numbers in lines.items():
        held = _parsed(path).holding(start)
        function, owner = held if held else (None, None)
        merge(found, _of_module(path, function, numbers))
        if function is None or owner is None or function.name == CONSTRUCTOR:
            continue
        first = next((one.arg for one in function.args.args), "")
        running = (one for one in _simple(function) if one.lineno in numbers)
        reads = set().union(*(_reads(_header(statement)) for statement in running))
        for constructor in (one for one in owner.body if isinstance(one, _Function)):
            if constructor.name == CONSTRUCTOR:
                slicer = _Slicer(constructor, None, frozenset())
                once = {n for n in reads if n.startswith(f"{first}.") and _is_set_once(owner, n)}
                slicer.follow(once, (constructor.end_lineno or 0) + 1)
                merge(found, {(path, constructor.lineno): slicer.lines})
    return found


def _of_module(path: str, function: _Function | None, numbers: Collection[int]) -> Lines:
    """Return the lines that bind constants of the module which lines of a function read."""
    if function is None:
        return {}
    running = (one for one in _simple(function) if one.lineno in numbers)
    reads = set().union(*(_reads(_header(statement)) for statement in running))
    own = set().union(*(_sets(statement) for statement in _simple(function)))
    known = _parsed(path).constants
    bound = {known[name] for name in reads - own if name in known}
    return {(path, line): {line} for line in bound}


def _is_set_once(owner: ast.ClassDef, name: str) -> bool:
    """Return whether only the constructor of a class sets an attribute anew."""
    methods = [one for one in owner.body if isinstance(one, _Function)]
    setting = {m.name for m in methods if any(_binds(one, name) for one in _simple(m))}
    return setting == {CONSTRUCTOR}


def _binds(statement: ast.stmt, name: str) -> bool:
    parts = (part for target in _targets(statement) for part in _parts(target))
    return any(isinstance(part, ast.Attribute) and name in _roots(part) for part in parts)


class _Slicer:
    """Follows names backwards within one function.

    Attributes:
        lines: of the statements found. elsewhere: first line of a method -> lines of it that set
            attributes which were read. handed_over: parameters that were read as they came in.
    """

    def __init__(
        self, function: _Function, owner: ast.ClassDef | None, tapped: frozenset[int]
    ) -> None:
        self._function = function
        self._owner = owner
        self._tapped = tapped
        self._statements = sorted(_simple(function), key=lambda one: one.lineno)
        arguments = function.args
        self._parameters = [
            one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        ]
        self._self = self._parameters[0] if owner is not None and self._parameters else ""
        self._seen: set[tuple[str, int]] = set()
        self.lines: set[int] = set()
        self.elsewhere: dict[int, set[int]] = {}
        self.handed_over: set[str] = set()

    def follow(self, names: Collection[str], line: int) -> None:
        """Add everything that sets one of these names before a line."""
        for name in names:
            if (name, line) in self._seen:
                continue
            self._seen.add((name, line))
            if self._self and name.startswith(f"{self._self}."):
                self._attribute(name)
            self._variable(name, line)

    def _variable(self, name: str, line: int) -> None:
        for statement in reversed(self._statements):
            if statement.lineno >= line or name not in _sets(statement):
                continue
            is_whole = name in _sets_whole(statement) and not _is_conditional(
                statement, self._function, line
            )
            if not self._is_handed_on(statement) and not _is_tap(_source_of(statement, name)):
                self.lines.add(statement.lineno)
                self.follow(_reads(_source_of(statement, name)), statement.lineno)
            if is_whole:
                return
        if name in self._parameters and name != self._self:
            self.handed_over.add(name)

    def _attribute(self, name: str) -> None:
        """Add the statements of the class that set an attribute which was read."""
        for method in self._owner.body if self._owner else ():
            if not isinstance(method, _Function) or method is self._function:
                continue
            for statement in _simple(method):
                if name in _sets(statement) and not self._is_handed_on(statement):
                    self.elsewhere.setdefault(method.lineno, set()).add(statement.lineno)

    def _is_handed_on(self, statement: ast.stmt) -> bool:
        value = getattr(statement, "value", None)
        if _is_tap(value):
            return True
        has_tap = any(_is_tap(node) for node in ast.walk(statement))
        return not has_tap and statement.lineno in self._tapped and _is_plain(statement)


def _is_plain(statement: ast.stmt) -> bool:
    """Return whether a statement sets one name: a tap of a map hands that very value on."""
    return isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)


def _is_tap(node: object) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return called == TAP


def _tapped_value(statement: ast.stmt, name: str) -> ast.expr | None:
    """Return what a statement passes to the tap of a quantity; None when it calls none."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and _is_tap(node) and len(node.args) > 1:
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value == name:
                return node.args[1]
    return None


def _reads(node: ast.AST) -> set[str]:
    """Return the names that are read: plain ones, and attributes of names as "self.x"."""
    found: set[str] = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
            found.add(f"{one.value.id}.{one.attr}")
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            found.add(one.id)
    return found


def _source_of(statement: ast.stmt, name: str) -> ast.AST:
    """Return what a statement sets a name to: its own part of a = b where both are tuples."""
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return statement.iter
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return ast.Tuple([one.context_expr for one in statement.items], ast.Load())
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Tuple):
        for target in statement.targets:
            parts = getattr(target, "elts", ())
            if len(parts) == len(statement.value.elts):
                pairs = zip(parts, statement.value.elts, strict=True)
                own = [value for part, value in pairs if name in _roots(part)]
                return own[0] if len(own) == 1 else statement
    return statement


def _reads_of_arguments(statement: ast.stmt, wanted: Wanted) -> set[str]:
    """Return the names that a statement's call of a function passes for the wanted parameters."""
    called = wanted.function
    names = [one.arg for one in (*called.args.posonlyargs, *called.args.args)]
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        is_method = isinstance(function, ast.Attribute)
        if getattr(function, "attr" if is_method else "id", "") != called.name:
            continue
        of_position = names[1:] if is_method else names
        passed = dict(zip(of_position, node.args, strict=False))
        passed |= {one.arg: one.value for one in node.keywords if one.arg}
        return set().union(*(_reads(passed[name]) for name in wanted.parameters if name in passed))
    return set()


def _sets(statement: ast.stmt) -> set[str]:
    """Return the names that a statement sets, also in part: "D" for D.x[0] = ..., and "D.x"."""
    found: set[str] = set()
    for target in _targets(statement):
        for part in _parts(target):
            found |= _roots(part)
    return found


def _sets_whole(statement: ast.stmt) -> set[str]:
    """Return the names that a statement sets anew, whatever they were before."""
    if isinstance(statement, ast.AugAssign):
        return set()
    parts = (part for target in _targets(statement) for part in _parts(target))
    return {part.id for part in parts if isinstance(part, ast.Name)}


def _targets(statement: ast.stmt) -> Sequence[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor)):
        return (statement.target,)
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return [one.optional_vars for one in statement.items if one.optional_vars is not None]
    return ()


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _parts(part)
    elif isinstance(target, ast.Starred):
        yield from _parts(target.value)
    else:
        yield target


def _roots(part: ast.expr) -> set[str]:
    """Return "D" and "D.x" for D.x[0]; "x" for x and x[0]."""
    found: set[str] = set()
    node: ast.expr = part
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        node = node.value
    if isinstance(node, ast.Name):
        is_own = node.id == "self" and found
        found |= set() if is_own else {node.id}
    return found


def _simple(function: _Function) -> Iterator[ast.stmt]:
    """Yield the statements of a function, not of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (_Function, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting += list(ast.iter_child_nodes(node))


def _header(statement: ast.stmt) -> ast.AST:
    """Return what of a statement runs on its own line: not the statements inside it."""
    for kind, field in ((ast.If, "test"), (ast.While, "test"), (ast.For, "iter")):
        if isinstance(statement, kind):
            return getattr(statement, field)  # type: ignore[no-any-return]
    return statement


def _statement_at(function: _Function, line: int) -> ast.stmt | None:
    """Return the innermost statement of a function that a line lies in."""
    holding = [one for one in _simple(function) if one.lineno <= line <= (one.end_lineno or 0)]
    return max(holding, key=lambda one: (one.lineno, -(one.end_lineno or 0)), default=None)


def _is_conditional(statement: ast.stmt, function: _Function, line: int) -> bool:
    """Return whether a statement may be passed over on the way to a line: it lies in a branch."""
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.Match)
    return any(
        isinstance(one, branches)
        and one is not statement
        and one.lineno <= statement.lineno <= (one.end_lineno or 0)
        and not one.lineno <= line <= (one.end_lineno or 0)
        for one in _simple(function)
    )


@cache
def _parsed(path: str) -> _File:
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return _File((), {})
    return _File(tuple(_functions(tree, None)), _constants(tree))


def _constants(tree: ast.Module) -> dict[str, int]:
    """Return the names that a module binds to a value in one place -> the line of it."""
    bound = [
        (name, statement.lineno)
        for statement in tree.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        for name in _sets(statement)
    ]
    times = Counter(name for name, _ in bound)
    return {name: line for name, line in bound if times[name] == 1}


def _functions(
    node: ast.AST, owner: ast.ClassDef | None
) -> Iterator[tuple[_Function, ast.ClassDef | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield child, owner
            yield from _functions(child, None)
        else:
            yield from _functions(child, child if isinstance(child, ast.ClassDef) else owner)
