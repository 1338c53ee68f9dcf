"""What a comparison consisted of: enough to judge again without training.

The document holds the ComparisonSpec, the runs with outcomes and keys, and the looks; written as a
whole and sealed with a checksum.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import StoreError
from harness.files import write_atomic
from harness.records import REPORT_SCHEMA, Json
from harness.store.archive import check_schema
from harness.store.files import MAX_JSON_BYTES, read_bounded, sealed, unsealed

COMPARISON_FILE = "comparison.json"


def write_comparison(folder: Path, document: Mapping[str, Json]) -> None:
    """Write comparison.json; the values may be records (see `harness.codec.to_plain`).

    Raises:
        StoreError: the disk refuses; an older comparison.json is then untouched.
    """
    outer = {"schema_version": REPORT_SCHEMA, "comparison": document}
    write_atomic(folder / COMPARISON_FILE, sealed(outer))


def read_comparison(folder: Path) -> dict[str, Json]:
    """Return the document as plain JSON values; `from_plain` turns parts into records.

    Raises:
        StoreError: there is none; says what was expected.
        CorruptResult: it does not match its checksum. FutureSchema: written by a newer version.
    """
    path = folder / COMPARISON_FILE
    if not path.exists():
        message = (
            f"expected the folder of a comparison, saw no {COMPARISON_FILE} in {folder}: "
            "pass a folder below comparisons/ in the folder of results"
        )
        raise StoreError(message)
    outer = unsealed(read_bounded(path, MAX_JSON_BYTES), path)
    check_schema(outer.get("schema_version"), REPORT_SCHEMA, path=path)
    return dict(outer["comparison"])
