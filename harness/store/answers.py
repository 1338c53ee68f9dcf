"""Small answers kept by the hash of the question: sealed JSON, one file each."""

from __future__ import annotations

from pathlib import Path

from harness.codec import to_plain
from harness.errors import CorruptResult
from harness.files import write_atomic
from harness.records import Json
from harness.store.files import MAX_JSON_BYTES, check_slug, read_bounded, sealed, unsealed


def find_answer(root: Path, kind: str, *, key: str) -> Json | None:
    """Return a kept answer, verified, or None when there is none (a damaged one counts as none)."""
    path = _path(root, kind, key)
    if not path.is_file():
        return None
    try:
        return unsealed(read_bounded(path, MAX_JSON_BYTES), path)["answer"]
    except (CorruptResult, KeyError):
        return None


def keep_answer(root: Path, kind: str, *, key: str, answer: object) -> None:
    """Keep an answer (plain values or a record) under its key.

    Raises:
        StoreError: the disk refuses.
    """
    path = _path(root, kind, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, sealed({"answer": to_plain(answer)}))


def _path(root: Path, kind: str, key: str) -> Path:
    return root / check_slug(kind, "kind of answer") / key[:2] / f"{check_slug(key, 'key')}.json"
