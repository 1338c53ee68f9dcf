"""An implementation without its taps: what a file looks like whose author knows no harness."""

from __future__ import annotations

import ast

from harness.calibrate.splice import spliced

TAP = "tap"


def without_taps(source: str) -> str:
    r"""Return the source with every `tap(name, value)` replaced by `(value)`; lines stay in place.

    >>> without_taps('from harness.tap import tap\nx = tap("loss", 1 + 2)\n')
    '\nx = (1 + 2)\n'
    """
    while True:
        tree = ast.parse(source)
        call = _innermost(tree)
        if call is None:
            return _without_import(source, tree)
        source = spliced(source, call, f"({_text(source, call.args[1])})")


def _innermost(tree: ast.Module) -> ast.Call | None:
    """Return a call of a tap that holds no other, or None."""
    calls = [node for node in ast.walk(tree) if _is_tap(node)]
    for call in calls:
        if not any(_is_tap(node) for node in ast.walk(call) if node is not call):
            return call if isinstance(call, ast.Call) else None
    return None


def _is_tap(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == TAP
        and len(node.args) == 2
    )


def _text(source: str, node: ast.AST) -> str:
    return ast.get_source_segment(source, node) or ""


def _without_import(source: str, tree: ast.Module) -> str:
    lines = source.splitlines(keepends=True)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "harness.tap":
            lines[node.lineno - 1] = "\n"
    return "".join(lines)
