"""Defaults of the user: the table `[tool.compare]` of the nearest pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UnknownName, UsageError
from harness.records import Json
from harness.spec.pyproject import PLACE, find_table

_PATH_KEYS = ("mine", "reference", "mine_taps", "reference_taps", "waivers", "results")
_SIDE_KEYS = ("mine", "reference")

Text = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """Keys of `[tool.compare]`: the long options of `compare`, with - or _; absent is None."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    algo: Text | None = None
    envs: Text | list[Text] | None = None
    mine: Text | None = None
    reference: Text | None = None
    mine_taps: Text | None = None
    reference_taps: Text | None = None
    waivers: Text | None = None
    seeds: int | Text | list[int] | None = None
    total_timesteps: int | None = None
    budget: Text | None = None
    set: dict[str, Any] | None = None
    alpha: float | None = None
    margin: Text | float | None = None
    difference_test: Text | None = None
    paired: bool | None = None
    keep_going: bool | None = None
    device: Text | None = None
    jobs: int | None = None
    results: Text | None = None
    quiet: bool | None = None


_EXPECTED = {
    "envs": "a text such as 'easy,medium' or a list of texts",
    "seeds": "a number, a text such as '0,1,7', or a list of numbers",
    "margin": "a text such as '1sd', or a reward",
    "set": "a table of hyperparameters",
}
_BY_ERROR = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_too_short": "text that is not empty",
}


def read_settings(folder: Path) -> dict[str, Json]:
    """Return option name -> value of the nearest `[tool.compare]`; empty without one.

    Relative paths in it count from the folder of that pyproject.toml.

    Raises:
        UsageError: no valid TOML, an unknown key, or a value of the wrong type; names the key.
    """
    table = find_table(folder)
    if table is None:
        return {}
    file = table.file
    given = {name.replace("-", "_"): value for name, value in table.values.items()}
    unknown = [name for name in given if name not in Settings.model_fields]
    if unknown:
        valid = [name.replace("_", "-") for name in Settings.model_fields]
        raise UnknownName(
            kind="key", name=unknown[0].replace("_", "-"), valid=valid, where=f"{file} {PLACE}"
        )
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise _wrong_value(file, given, error) from error
    kept = settings.model_dump(exclude_none=True)
    return {name: _from(file.parent, name, value) for name, value in kept.items()}


def _wrong_value(file: Path, given: Mapping[str, Json], error: ValidationError) -> UsageError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    expected = _EXPECTED.get(name) or _BY_ERROR.get(first["type"], str(first["msg"]))
    shown = name.replace("_", "-")
    return UsageError(f"{file} {PLACE}.{shown}: expected {expected}, got {given[name]!r}")


def _from(folder: Path, name: str, value: Json) -> Json:
    """Return the value with a relative path made absolute; names and modules stay as they are."""
    if name not in _PATH_KEYS:
        return value
    if name in _SIDE_KEYS and ".py" not in value:
        return value
    return value if Path(value).is_absolute() else str(folder.absolute() / value)
