"""report.json: the judgement as canonical JSON, its reader, and its published schema."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.codec import NON_FINITE, to_plain
from harness.errors import CorruptResult, FutureSchema
from harness.judgement import Judgement
from harness.records import REPORT_SCHEMA, Json

SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Judgement]:
    """Return the validator of `Judgement`, built on first use (0.1 s)."""
    return TypeAdapter(Judgement)


def to_json(judgement: Judgement) -> str:
    """Return the judgement as JSON text: keys sorted, ASCII only, one trailing newline.

    NaN and infinities become the strings "NaN", "Infinity", "-Infinity".
    """
    return _dump(judgement)


def from_json(text: str, where: str = "report.json") -> Judgement:
    """Return the judgement that `to_json` wrote; sequences come back as tuples.

    Args:
        text: the document. where: file that it came from, for the message.

    Raises:
        FutureSchema: written by a newer version. CorruptResult: not such a document.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"expected a JSON document, saw {error}, in {where}: run the comparison again"
        raise CorruptResult(message) from error
    _check_version(document, where)
    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = (
            f"expected a report of schema {REPORT_SCHEMA}, saw at {place!r}: {first['msg']}, "
            f"in {where}: write it again with `compare report`"
        )
        raise CorruptResult(message) from error


def _check_version(document: Json, where: str) -> None:
    """Refuse documents of a newer schema and things that are no report."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        message = (
            f"expected an object with a whole number 'schema_version' from 1 to {REPORT_SCHEMA}, "
            f"saw {version!r}, in {where}: this is not a report of this project"
        )
        raise CorruptResult(message)
    if version > REPORT_SCHEMA:
        message = (
            f"expected schema_version at most {REPORT_SCHEMA}, saw {version}, in {where}: "
            f"it was written by a newer version; upgrade with `pip install -U rl-parity`"
        )
        raise FutureSchema(message)


def schema_text() -> str:
    """Return the JSON schema of report.json; the shipped file is exactly this text."""
    schema = _with_non_finite(_adapter().json_schema(mode="serialization"))
    schema["$schema"] = _DIALECT
    schema["title"] = f"rl-parity report, schema version {REPORT_SCHEMA}"
    schema["properties"]["schema_version"] = {"const": REPORT_SCHEMA}
    return _dump(schema)


def _with_non_finite(node: Json) -> Json:
    """Return the schema with non-finite strings allowed for numbers, and closed objects.

    Generated titles and all but the first line of descriptions are left out: they depend on the
    versions of Python and pydantic.
    """
    if isinstance(node, list):
        return [_with_non_finite(item) for item in node]
    if not isinstance(node, dict):
        return node
    rest = {key: _with_non_finite(value) for key, value in node.items()}
    if isinstance(node.get("title"), str):
        rest.pop("title")
    if isinstance(node.get("description"), str):
        rest["description"] = node["description"].splitlines()[0]
    if node.get("type") == "number":
        rest.pop("type")
        return {"anyOf": [{"type": "number"}, {"enum": [*NON_FINITE]}], **rest}
    if node.get("type") == "object" and "properties" in node:
        rest["additionalProperties"] = False
    return rest


def _dump(value: object) -> str:
    """Return canonical JSON text."""
    return json.dumps(to_plain(value), sort_keys=True, indent=1, allow_nan=False) + "\n"
