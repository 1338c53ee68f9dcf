"""Tables, rates and sections as Markdown."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.calibrate.rates import Rate

WORDS: Mapping[str, str] = {
    name: text.strip()
    for name, text in tomllib.loads(
        Path(__file__).with_name("page.toml").read_text(encoding="utf-8")
    ).items()
}


def shown(rate: Mapping[str, Any]) -> str:
    """Return a stored rate in words: "5.0 % (1 of 20; 0.1 to 24.9 %)"."""
    return str(Rate(rate["events"], rate["trials"], rate["low"], rate["high"]))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a bar inside a cell is written so that it stays in its cell."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in lines
    )


def section(title: str, parts: Sequence[str], found: Mapping[str, Any]) -> str:
    """Return a section with how much of it was measured, or "" where nothing was."""
    if not parts:
        return ""
    missing = found["asked"] - found["answered"]
    state = f"`{found['command']}`, {found['day']}"
    if missing:
        state += f"; {found['answered']} of {found['asked']} parts answered so far"
    if len(found["code_versions"]) > 1:
        state += f"; answers of {len(found['code_versions'])} versions of the code"
    return "\n\n".join([f"## {title}", *(part for part in parts if part), f"({state}.)"])
