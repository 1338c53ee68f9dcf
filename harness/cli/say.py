"""Writing to the terminal: foreign text is never markup and never a control sequence."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

MAX_ERROR_LINES = 5
PLAIN_WIDTH = 100  # columns where the output is no terminal
_MAX_ERROR_LINE = 400  # characters


def console(stream: TextIO) -> Console:
    """Return a rich console on `stream`; it honours NO_COLOR, COLUMNS and what is no terminal."""
    from rich.console import Console

    width = None if stream.isatty() or os.environ.get("COLUMNS") else PLAIN_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def error(message: str) -> None:
    """Write an error to stderr in at most `MAX_ERROR_LINES` lines."""
    lines = [_printable(line)[:_MAX_ERROR_LINE] for line in message.strip().splitlines()]
    from rich.text import Text

    text = Text("error: ", style="bold red")
    text.append("\n".join(lines[:MAX_ERROR_LINES]), style="default")
    console(sys.stderr).print(text, soft_wrap=True)


def line(text: str = "", *, stream: TextIO | None = None) -> None:
    """Write one or more plain lines to stdout, or to `stream`."""
    out = stream or sys.stdout
    out.write("\n".join(_printable(part) for part in text.split("\n")) + "\n")


def aligned(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Return rows as text with aligned columns.

    >>> print(aligned([["a", "1"], ["long", "2"]]))
    a     1
    long  2
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + row.rstrip() for row in padded)


def duration(seconds: float) -> str:
    """Return a time that people read at once.

    >>> duration(42.3), duration(200), duration(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def option_words(options: Mapping[str, object]) -> str:
    """Return the long options that were given, in order, as "--a, --b"."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in options)


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
