"""Building blocks of report.md: escaped sentences, lists, tables, folds, blocks of source."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.tables import Table
from harness.report.text import markdown as escape
from harness.report.text import markdown_fence

MAX_TEXT = 1_000  # characters of one foreign sentence
MAX_CELL = 200  # characters of one table cell


def say(text: str) -> str:
    """Return a foreign sentence, escaped."""
    return escape(text, MAX_TEXT)


def bullets(lines: Sequence[str]) -> str:
    """Return a list of foreign sentences."""
    return "\n".join(f"- {say(line)}" for line in lines)


def pipe_table(content: Table) -> str:
    """Return a pipe table; rows to look at begin in bold."""
    lines = [" | ".join(content.head), " | ".join("---" for _ in content.head)]
    for row, flag in zip(content.rows, content.flags, strict=True):
        cells = [escape(cell, MAX_CELL).strip() or " " for cell in row]
        if flag and cells[0] != " ":
            cells[0] = f"**{cells[0]}**"
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def folded(title: str, content: Table) -> str:
    """Return a table behind a fold; nothing when it is empty."""
    if not content.rows:
        return ""
    summary = f"<details><summary>{escape(title)}</summary>"
    return f"{summary}\n\n{pipe_table(content)}\n\n</details>"


def source(title: str, lines: Sequence[str]) -> str:
    """Return lines of source under a title; nothing when there are none."""
    return f"{title}\n\n{markdown_fence(lines, 'python')}" if lines else ""
