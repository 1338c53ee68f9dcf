"""Declared deviations: a TOML file of `[[waiver]]` tables, read strictly.

[[waiver]]
what = "td_target"
reason = "double Q-learning on purpose"
expires = 2027-06-30
level = "segment"        # optional, like the following: fact, segment, draw, twin ...
algo = "dqn"
env = "CartPole-v1"
owner = "@me"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from harness.errors import UnknownName, UsageError
from harness.records import Json
from harness.spec.cards import algos
from harness.waiver import LEVELS, Waiver

# Looked for beside the nearest pyproject.toml.
DEFAULT_NAME = "parity-waivers.toml"
_REQUIRED = ("what", "reason", "expires")
_OPTIONAL = ("level", "algo", "env", "owner")
_TABLE = "waiver"
_EXAMPLE = 'Write: [[waiver]] with what = "td_target", reason = "...", expires = 2027-06-30'


def load_waivers(word: str | None, folder: Path) -> tuple[Waiver, ...]:
    """Return the waivers of the file that `--waivers` names; None is the default file, if any.

    Raises:
        UsageError: (or UnknownName) the file is missing or something in it is wrong; says where.
    """
    file = find_waivers(folder) if word is None else Path(word)
    return read_waivers(file) if file else ()


def find_waivers(folder: Path) -> Path | None:
    """Return parity-waivers.toml beside the nearest pyproject.toml in `folder` or above it.

    Without any pyproject.toml it is looked for in `folder` itself. None when there is none.
    """
    places = [folder.absolute(), *folder.absolute().parents]
    project = next((place for place in places if (place / "pyproject.toml").is_file()), places[0])
    file = project / DEFAULT_NAME
    return file if file.is_file() else None


def read_waivers(file: Path) -> tuple[Waiver, ...]:
    """Return every waiver of the file, in its order.

    Raises:
        UsageError: (or UnknownName) not readable, an unknown or missing key, a value of the wrong
            kind, or one waiver twice; names the file and the waiver.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"expected a TOML file of waivers at {str(file)!r}, saw: {error}\n{_EXAMPLE}"
        raise UsageError(message) from error
    unknown = [name for name in document if name != _TABLE]
    if unknown:
        raise UnknownName(kind="table", name=unknown[0], valid=[f"[[{_TABLE}]]"], where=str(file))
    tables = document.get(_TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        message = f"{file}: expected tables [[waiver]], got {tables!r}\n{_EXAMPLE}"
        raise UsageError(message)
    places = [f"{file}, waiver {number}" for number in range(1, len(tables) + 1)]
    waivers = tuple(_waiver(table, place) for table, place in zip(tables, places, strict=True))
    _check_distinct(waivers, places)
    return waivers


def _waiver(table: Mapping[str, Json], place: str) -> Waiver:
    what = table.get("what")
    where = f"{place} ({what!r})" if isinstance(what, str) and what else place
    valid = (*_REQUIRED, *_OPTIONAL)
    for key in table:
        if key not in valid:
            raise UnknownName(kind="key", name=key, valid=valid, where=where)
    for key in _REQUIRED:
        if key not in table:
            need = f"{where}: {key!r} is missing; a waiver states what, why and until when"
            message = f"{need}\n{_EXAMPLE}"
            raise UsageError(message)
    texts = {key: _text(key, value, where) for key, value in table.items() if key != "expires"}
    _check_word("level", texts.get("level"), LEVELS, where)
    _check_word("algorithm", texts.get("algo"), algos(), where)
    return Waiver(**texts, expires=_day(table["expires"], where))


def _text(key: str, value: Json, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        message = f"{where}: expected {key} = text in quotes that is not empty, got {value!r}"
        raise UsageError(message)
    return value.strip()


def _day(value: Json, where: str) -> str:
    # A moment is a date too, by inheritance; TOML's plain date is meant.
    if type(value) is not date:
        shown = repr(value) if isinstance(value, str | int | float | bool) else str(value)
        message = f"{where}: expected expires = a date such as 2027-06-30, no quotes, got {shown}"
        raise UsageError(message)
    return value.isoformat()


def _check_word(kind: str, word: str | None, valid: Iterable[str], where: str) -> None:
    if word is not None and word not in valid:
        raise UnknownName(kind=kind, name=word, valid=valid, where=where)


def _check_distinct(waivers: tuple[Waiver, ...], places: list[str]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for waiver, place in zip(waivers, places, strict=True):
        scope = (waiver.what, waiver.level, waiver.algo, waiver.env)
        if scope in seen:
            message = (
                f"{place} ({waiver.what!r}) says the same as {seen[scope]}: "
                "what, level, algo and env are equal\nKeep one of them."
            )
            raise UsageError(message)
        seen[scope] = place
