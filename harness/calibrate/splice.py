"""The text of one node of a file replaced, with every other line where it was."""

from __future__ import annotations

import ast


def spliced(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    r"""Return the source with the text of a node replaced.

    Line ends that an expression loses are put after the new text, inside parentheses, where they
    change nothing: so the numbers of the lines below stay.

    >>> call = ast.parse("y = f(1,\n  2)\nz = y\n").body[0].value
    >>> spliced("y = f(1,\n  2)\nz = y\n", call, "3")
    'y = (3\n)\nz = y\n'
    """
    lines = source.splitlines(keepends=True)
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head = lines[first].encode()[: node.col_offset].decode()
    tail = lines[last].encode()[node.end_col_offset or 0 :].decode()
    lost = (last - first) - text.count("\n")
    if isinstance(node, ast.expr) and lost > 0:
        text = f"({text}{chr(10) * lost})"
    return "".join([*lines[:first], head, text, tail, *lines[last + 1 :]])
