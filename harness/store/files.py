"""Results on disk: checksums, bounded reads, strict names. Writing: `harness.files`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.codec import to_json
from harness.errors import CorruptResult, StoreError
from harness.records import Json

# No file of a result is larger; a larger one is refused before it is read. Bytes.
MAX_FILE_BYTES = 1 << 30
MAX_JSON_BYTES = 64 << 20

SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def sealed(document: Mapping[str, Json]) -> bytes:
    """Return the document as JSON bytes that carry a SHA-256 of the rest under "checksum"."""
    plain = to_json(document)
    digest = hashlib.sha256(plain.encode()).hexdigest()
    return f'{{"checksum":"{digest}","document":{plain}}}\n'.encode()


def unsealed(content: bytes, path: Path) -> dict[str, Json]:
    """Return the document that `sealed` wrote, verified.

    Raises:
        CorruptResult: not JSON, not sealed, or the checksum does not hold; names the file.
    """
    try:
        outer = json.loads(content.decode())
        document, promised = outer["document"], outer["checksum"]
        seen = hashlib.sha256(to_json(document).encode()).hexdigest()
        is_whole = seen == promised and content == sealed(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise corrupt(
            path, f"cannot be read as a sealed document ({type(error).__name__})"
        ) from None
    if not is_whole or not isinstance(document, dict):
        raise corrupt(path, "does not match its own checksum")
    return document


def corrupt(path: Path, what: str) -> CorruptResult:
    """Return the error that says which stored file is damaged, how, and what to do."""
    place = "/".join(path.parts[-3:])
    return CorruptResult(
        f"expected a whole result file, saw {place} that {what}: "
        "delete its folder and call compare again; only that part is redone"
    )


def read_bounded(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the bytes of a file of at most `limit` bytes.

    Raises:
        CorruptResult: the file is missing, no plain file, or larger.
        StoreError: the disk refuses.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise corrupt(path, "is missing or no plain file")
        size = path.stat().st_size
        if size > limit:
            raise corrupt(path, f"has {size} bytes, more than the {limit} allowed")
        return path.read_bytes()
    except OSError as error:
        message = f"could not read {path}: {error.strerror or error}; check its permissions"
        raise StoreError(message) from error


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def check_slug(name: str, what: str) -> str:
    """Return `name` after checking that it can be one part of a path and nothing else.

    Raises:
        StoreError: the name holds anything but letters, digits, dot, dash and underscore.
    """
    if not SLUG.fullmatch(name) or ".." in name:
        message = (
            f"expected a {what} of letters, digits, '.', '-' and '_' (1 to 100, no '..'), "
            f"saw {name[:80]!r}"
        )
        raise StoreError(message)
    return name


def remove_tree(folder: Path) -> None:
    """Remove a folder; what cannot be removed stays and is tried again at the next use."""
    shutil.rmtree(folder, ignore_errors=True)
