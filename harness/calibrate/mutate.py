"""Generic mistakes: one line of TOML plants a kind of mistake at a place of any Python file.

    mutation = { kind = "sign-flipped", at = "self.h.gamma * (1 - done) * q" }

`at` is the text of an expression or statement (white space and quotes do not matter) that the file
holds once; `line` (a part of the text of the statement around it) or `function` tells equal ones
apart. The rest of the file, its comments and its line numbers stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from harness.calibrate.splice import spliced
from harness.errors import UsageError

Node = ast.expr | ast.stmt
# From the node that `at` names and the words of the mutation to the text in its place.
Kind = Callable[[Node, Mapping[str, str]], str]


class NoPlace(Exception):
    """The mutation does not fit the place; the message says why."""


def mutated(source: str, mutation: Mapping[str, str], *, name: str = "mutation") -> str:
    r"""Return the source with the mutation made.

    Raises:
        UsageError: unknown kind, no or several places, or a place that the kind does not fit.

    >>> mutated("y = r + g * q\n", {"kind": "sign-flipped", "at": "g * q"})
    'y = r + (-(g * q))\n'
    """
    try:
        kind = KINDS[mutation["kind"]]
        node = _place(source, mutation)
        text = kind(node, mutation)
        if mutation["kind"] == "call-moved":
            return _moved(source, node, mutation)
        return spliced(source, node, text)
    except KeyError as error:
        known = f"kinds: {', '.join(KINDS)}; `at` names the place"
        message = f"{name}: {error} is missing or unknown; {known}"
        raise UsageError(message) from error
    except NoPlace as error:
        message = f"{name}: {mutation['kind']} at {mutation['at']!r}: {error}"
        raise UsageError(message) from error


def _place(source: str, mutation: Mapping[str, str]) -> Node:
    """Return the one node whose text is `at`; the outermost of equal ones."""
    wanted = _normal(mutation["at"])
    found = [
        node
        for node, statement, function in _nodes(ast.parse(source))
        if _same(node, wanted)
        and mutation.get("line", "") in ast.unparse(statement)
        and mutation.get("function", function) == function
    ]
    places = {(node.lineno, node.col_offset) for node in found}
    if len(places) != 1:
        message = f"{len(places)} places hold it, expected 1"
        raise NoPlace(message)
    wants_statement = mutation["kind"] in STATEMENTS
    return next((node for node in found if isinstance(node, ast.stmt) == wants_statement), found[0])


def _nodes(
    tree: ast.AST, statement: ast.AST | None = None, function: str = ""
) -> Iterator[tuple[Node, ast.AST, str]]:
    """Yield every expression and statement with the statement and the function that it is in."""
    for child in ast.iter_child_nodes(tree):
        inside, around = function, statement
        if isinstance(child, ast.stmt):
            around = child
        if isinstance(child, ast.expr | ast.stmt):
            yield child, around or child, inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = child.name
        yield from _nodes(child, around, inside)


def _normal(text: str) -> str:
    try:
        return ast.unparse(ast.parse(text.strip()))
    except SyntaxError as error:
        message = f"it is no Python: {error.msg}"
        raise NoPlace(message) from error


def _same(node: Node, wanted: str) -> bool:
    try:
        return ast.unparse(node) == wanted
    except (ValueError, AttributeError):  # parts of a pattern or a format have no text of their own
        return False


def _moved(source: str, node: Node, mutation: Mapping[str, str]) -> str:
    """Return the source with a whole statement moved before or after another one."""
    where = "before" if "before" in mutation else "after"
    target = _place(source, {**mutation, "at": mutation[where], "line": ""})
    if not isinstance(node, ast.stmt) or not isinstance(target, ast.stmt):
        message = "only whole statements can be moved"
        raise NoPlace(message)
    lines = source.splitlines(keepends=True)
    first, stop = node.lineno - 1, node.end_lineno or node.lineno
    statement = "".join(lines[first:stop])
    moved = statement.replace(" " * node.col_offset, " " * target.col_offset, 1)
    at = target.lineno - 1 if where == "before" else (target.end_lineno or target.lineno)
    if first >= at:
        return "".join([*lines[:at], moved, *lines[at:first], *lines[stop:]])
    return "".join([*lines[:first], *lines[stop:at], moved, *lines[at:]])


def _constant(node: Node, mutation: Mapping[str, str]) -> str:
    if not isinstance(node, ast.Constant | ast.UnaryOp | ast.Name | ast.Attribute):
        message = "expected a constant or a name"
        raise NoPlace(message)
    return str(mutation["to"])


def _sign(node: Node, _mutation: Mapping[str, str]) -> str:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"({ast.unparse(node.operand)})"
    return f"(-({ast.unparse(node)}))"


def _mask(node: Node, mutation: Mapping[str, str]) -> str:
    """Return a product without one of its factors."""
    factors = _factors(node)
    wanted = _normal(mutation["factor"])
    texts = [ast.unparse(factor) for factor in factors]
    if texts.count(wanted) != 1 or len(texts) < 2:
        message = f"expected a product with the factor {wanted!r} once, saw {texts}"
        raise NoPlace(message)
    kept = [factor for factor in factors if ast.unparse(factor) != wanted]
    return " * ".join(_bracketed(factor) for factor in kept)


def _factors(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _bracketed(node: ast.AST) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.IfExp | ast.Compare) else text


def _reduction(node: Node, mutation: Mapping[str, str]) -> str:
    """Return the same call of another reduction: mean, sum, max ..."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        message = "expected the call of a reduction, such as x.mean()"
        raise NoPlace(message)
    node.func.attr = str(mutation["to"])
    return ast.unparse(node)


def _detach(node: Node, _mutation: Mapping[str, str]) -> str:
    """Return what `.detach()` is called on."""
    is_detached = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if not is_detached or node.func.attr != "detach":  # type: ignore[union-attr]
        message = "expected the call of .detach()"
        raise NoPlace(message)
    return ast.unparse(node.func.value)  # type: ignore[union-attr]


def _index(node: Node, mutation: Mapping[str, str]) -> str:
    """Return the same subscript one place further (or `by`)."""
    if not isinstance(node, ast.Subscript):
        message = "expected a subscript, such as x[t]"
        raise NoPlace(message)
    by = str(mutation.get("by", "1"))
    sign = "" if by.startswith("-") else "+"
    return f"{ast.unparse(node.value)}[{ast.unparse(node.slice)} {sign}{by}]"


def _moved_text(node: Node, _mutation: Mapping[str, str]) -> str:
    return ast.unparse(node)


def _dropped(node: Node, _mutation: Mapping[str, str]) -> str:
    if not isinstance(node, ast.stmt):
        message = "expected a whole statement"
        raise NoPlace(message)
    return "pass"


def _replaced(_node: Node, mutation: Mapping[str, str]) -> str:
    return str(mutation["to"])


# Kinds whose place is a whole statement.
STATEMENTS = ("call-moved", "call-dropped")
KINDS: dict[str, Kind] = {
    "constant-changed": _constant,
    "mask-dropped": _mask,
    "sign-flipped": _sign,
    "reduction-changed": _reduction,
    "detach-dropped": _detach,
    "index-shifted": _index,
    "call-moved": _moved_text,
    "call-dropped": _dropped,
    "replaced": _replaced,
}
