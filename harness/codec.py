"""Records to canonical JSON and back: sorted keys, ASCII, NaN and infinities as strings.

JSON has no NaN and no infinities. A float that is one becomes the string "NaN", "Infinity" or
"-Infinity"; on the way back, fields typed as float, and everything inside fields typed as JSON
values, become floats again. (A *text* value spelled exactly so inside a JSON-typed field would come
back as a float; no hyperparameter or fact is spelled so.)
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from harness.errors import CorruptResult
from harness.records import Json

T = TypeVar("T")

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(record: object) -> str:
    """Return the canonical JSON text of a record: equal records give equal texts.

    Raises:
        TypeError: the record holds something that JSON cannot express; names its type.

    >>> to_json({"b": (1, 2), "a": float("inf")})
    '{"a":"Infinity","b":[1,2]}'
    """
    return json.dumps(to_plain(record), sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_plain(value: object) -> Json:
    """Return `value` as None, bool, int, finite float, str, lists and string-keyed dicts of these.

    Raises:
        TypeError: a part of the value is none of these and no dataclass, enum or numpy scalar.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, Mapping):
        return {str(name): to_plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_plain(part) for part in parts]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> Json:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _name_of(value)
    item = getattr(value, "item", None)
    if callable(item) and type(value).__module__.split(".")[0] == "numpy":
        return to_plain(item())
    message = (
        f"expected a value that JSON can hold, saw {type(value).__name__}: "
        "pass a number, text, list or mapping"
    )
    raise TypeError(message)


def _name_of(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def floats_back(value: Json) -> Json:
    """Return a JSON value with "NaN", "Infinity" and "-Infinity" turned back into floats.

    >>> floats_back({"a": ["Infinity", "text"]})
    {'a': [inf, 'text']}
    """
    if isinstance(value, str):
        return NON_FINITE.get(value, value)
    if isinstance(value, Mapping):
        return {name: floats_back(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [floats_back(part) for part in value]
    return value


def from_json(cls: type[T], text: str) -> T:
    """Return the record of type `cls` that `to_json` wrote as `text`.

    Raises:
        CorruptResult: the text is not JSON, or does not fit the record; names the first misfit.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = (
            f"expected the JSON text of a {cls.__name__}, saw text that cannot be read: {error}"
        )
        raise CorruptResult(message) from error
    return from_plain(cls, plain)


def from_plain(cls: type[T], plain: Json) -> T:
    """Return the record of type `cls` from plain JSON values.

    Raises:
        CorruptResult: a field is missing or of the wrong type; names the first one.
    """
    try:
        record = _adapter(cls).validate_python(plain)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        message = (
            f"expected a {cls.__name__}, saw {len(error.errors())} misfits, the first at {where}: "
            f"{first['msg']}"
        )
        raise CorruptResult(message) from error
    return cast("T", _restore(record))


@cache
def _adapter(cls: type) -> TypeAdapter[object]:
    return TypeAdapter(cls)


@cache
def _json_fields(cls: type) -> frozenset[str]:
    hints = get_type_hints(cls)
    return frozenset(
        name for name, hint in hints.items() if hint in (Any, Mapping[str, Any], Mapping[str, Json])
    )


def _restore(value: object) -> object:
    """Return the record with floats restored inside its JSON-typed fields, at any depth."""
    if isinstance(value, tuple):
        return tuple(_restore(part) for part in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    loose = _json_fields(type(value))
    changes = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        changes[field.name] = floats_back(old) if field.name in loose else _restore(old)
    return dataclasses.replace(value, **changes)
