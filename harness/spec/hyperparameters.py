"""Hyperparameters of a request: text to value, checked against the algorithm's card."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping

from harness.errors import UnknownName, UsageError
from harness.records import Json
from harness.spec.cards import Card, Hyperparameter
from harness.spec.cards.card import NONE

_SCHEDULE = re.compile(r"lin_(?P<start>.+)")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "schedule": 'a number, or "lin_X" for a linear fall from X to 0',
    "period": 'a whole number of env steps, or [number, "step" | "episode"]',
    "int_list": "a list of whole numbers such as [64, 64]",
    "net_arch": "a list of whole numbers such as [64, 64], or { pi = [64], vf = [64] }",
    "choice": "one of the listed words",
    "words": "",
}


def split_assignments(assignments: Iterable[str]) -> dict[str, Json]:
    """Return name -> value of `--set name=value` words; a repeated name keeps the last value.

    Values are TOML literals (numbers, true, "text", lists), else plain text.

    Raises:
        UsageError: a word without "=", or without a name.

    >>> split_assignments(["gamma=0.9", "net_arch=[64, 64]", "learning_rate=lin_1e-3"])
    {'gamma': 0.9, 'net_arch': [64, 64], 'learning_rate': 'lin_1e-3'}
    """
    settings: dict[str, Json] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            message = f"--set expected name=value, got {assignment!r}\nExample: --set gamma=0.9"
            raise UsageError(message)
        settings[name.strip()] = _literal(text.strip())
    return settings


def check_settings(card: Card, settings: Mapping[str, Json]) -> dict[str, Json]:
    """Return the settings with canonical values, checked against the card.

    Raises:
        UnknownName: the algorithm has no such hyperparameter.
        UsageError: another library's name, a wrong type, or a value out of range.
    """
    checked = {}
    for name, value in settings.items():
        if name in card.aliases:
            message = (
                f"--set {name}: this project uses stable-baselines3's names, "
                f"and there it is {card.aliases[name]!r}\n"
                f"Use --set {card.aliases[name]}=..."
            )
            raise UsageError(message)
        if name not in card.hyperparameters:
            raise UnknownName(
                kind="hyperparameter", name=name, valid=card.hyperparameters, where="--set"
            )
        checked[name] = check_value(card.hyperparameters[name], value)
    return checked


def check_value(row: Hyperparameter, value: Json) -> Json:
    """Return `value` in its canonical type (2 becomes 2.0 for a float), or say what is wrong.

    Raises:
        UsageError: expected and seen value.
    """
    word = NONE if value is None else value
    prefix = _prefix(row, word)
    if isinstance(word, str) and word in row.words and not prefix:
        return None if word == NONE else word
    number = _literal(value.removeprefix(prefix)) if prefix else value
    canonical = None if row.kind == "words" and not prefix else _KINDS[row.kind](number)
    if canonical is None or (row.kind == "choice" and canonical not in row.choices):
        raise UsageError(_mismatch(row, value))
    for number in _numbers(canonical):
        too_small = row.minimum is not None and number < row.minimum
        too_large = row.maximum is not None and number > row.maximum
        if too_small or too_large:
            raise UsageError(_mismatch(row, value))
    return f"{prefix}{canonical!r}" if prefix else canonical


def _prefix(row: Hyperparameter, value: Json) -> str:
    """Return "auto_" for a value such as "auto_0.1" of a row with the word "auto_X", else ""."""
    prefixes = [word.removesuffix("X") for word in row.words if word.endswith("_X")]
    return next((p for p in prefixes if isinstance(value, str) and value.startswith(p)), "")


def _mismatch(row: Hyperparameter, value: Json) -> str:
    low, high = (f"{x:g}" if x is not None else "" for x in (row.minimum, row.maximum))
    between = f" from {low} to {high}" if low and high else f", at least {low}" if low else ""
    words = f"one of {', '.join(row.choices)}" if row.choices else _WORDS[row.kind]
    words = " or ".join([*([words] if words else []), *(repr(word) for word in row.words)])
    return (
        f"--set {row.name}: expected {words}{between}, got {value!r}\n"
        f"{row.name}: {row.description}; default {NONE if row.default is None else row.default!r}"
    )


def _literal(text: str) -> Json:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


def _int(value: Json) -> int | None:
    if isinstance(value, float) and value.is_integer():  # 1e5 is a float in TOML
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: Json) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _bool(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _schedule(value: Json) -> float | str | None:
    if not isinstance(value, str):
        return _float(value)
    match = _SCHEDULE.fullmatch(value)
    start = _float(_literal(match["start"])) if match else None
    return None if start is None else f"lin_{start!r}"


def _period(value: Json) -> Json:
    if not isinstance(value, list):
        return _int(value)
    is_pair = len(value) == 2 and value[1] in ("step", "episode")
    count = _int(value[0]) if is_pair else None
    return None if count is None else [count, value[1]]


def _int_list(value: Json) -> list[int] | None:
    units = [_int(unit) for unit in value] if isinstance(value, list) else [None]
    return None if None in units else [unit for unit in units if unit is not None]


def _net_arch(value: Json) -> list[int] | dict[str, list[int]] | None:
    """Return the hidden layers of every network, or of each network by its name in SB3."""
    if not isinstance(value, Mapping):
        return _int_list(value)
    by_name = {str(name): _int_list(units) for name, units in value.items()}
    known = {name: units for name, units in by_name.items() if units is not None}
    is_whole = len(known) == len(value) and set(known) in ({"pi", "vf"}, {"pi", "qf"})
    return known if is_whole else None


def _choice(value: Json) -> str | None:
    return value if isinstance(value, str) else None


_KINDS: Mapping[str, Callable[[Json], Json]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "schedule": _schedule,
    "period": _period,
    "int_list": _int_list,
    "net_arch": _net_arch,
    "choice": _choice,
    "words": _float,
}


def _numbers(value: Json) -> list[float]:
    """Return the numbers inside a canonical value, for the range check."""
    if isinstance(value, str):
        return [float(value.removeprefix("lin_"))] if value.startswith("lin_") else []
    if isinstance(value, dict):
        return [number for units in value.values() for number in _numbers(units)]
    values = value if isinstance(value, list) else [value]
    return [float(number) for number in values if isinstance(number, int | float)]
