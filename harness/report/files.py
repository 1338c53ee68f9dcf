"""Write a file so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomic(path: Path, content: bytes) -> Path:
    """Write `content` to `path` through a temporary neighbour; return `path`."""
    return replace_atomic(path, lambda temporary: temporary.write_bytes(content))


def replace_atomic(path: Path, produce: Callable[[Path], object]) -> Path:
    """Let `produce` write a temporary neighbour of `path`, then put it in place; return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        produce(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
