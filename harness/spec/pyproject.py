"""Find `[tool.compare]` in the user's pyproject.toml; light, for every start of the program."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.records import Json

PLACE = "[tool.compare]"


@dataclass(frozen=True)
class CompareTable:
    """The table as written, and the file that holds it."""

    file: Path
    values: Mapping[str, Json]


def find_table(folder: Path) -> CompareTable | None:
    """Return `[tool.compare]` of the nearest pyproject.toml in `folder` or above it, if any.

    Raises:
        UsageError: that file is no valid TOML, or the entry is no table.
    """
    places = [folder.absolute(), *folder.absolute().parents]
    files = (place / "pyproject.toml" for place in places)
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return None
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        message = f"{file} cannot be read as TOML: {error}\nCorrect it: {PLACE} is read there."
        raise UsageError(message) from error
    tool = document.get("tool", {})
    table = tool.get("compare") if isinstance(tool, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        message = f"{file} [tool].compare: expected a table, got {table!r}\nWrite {PLACE}."
        raise UsageError(message)
    return CompareTable(file, table)
