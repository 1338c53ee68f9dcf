"""Atomic writes: a reader sees the old file or the new one, never half of it.

The promise, tested by failing the k-th write, fsync and rename for k = 1, 2, ...: after a failure
at any point a reader sees the old state or the new one, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from harness.errors import StoreError


def write_atomic(path: Path, content: bytes) -> Path:
    """Replace the file by `content` as a whole, durably; return `path`.

    Raises:
        StoreError: the disk refuses; names the file and what to do. The old file is untouched.
    """

    def produce(temporary: Path) -> None:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    return replace_atomic(path, produce)


def replace_atomic(path: Path, produce: Callable[[Path], object]) -> Path:
    """Let `produce` write a temporary neighbour of `path`, then put it in place; return `path`.

    Raises:
        StoreError: the disk refuses; names the file and what to do. The old file is untouched.
    """
    temporary = path.with_name(f".part-{uuid.uuid4().hex}{path.suffix}")
    try:
        produce(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - the fault tests fail exactly this call
        sync_folder(path.parent)
    except OSError as error:
        message = (
            f"could not write {path}: {error.strerror or error}; free space or permissions on "
            "that disk, or choose another folder"
        )
        raise StoreError(message) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def make_folder(folder: Path, *, is_new: bool = False) -> Path:
    """Make a folder and what leads to it; return it.

    Args:
        folder: what to make. is_new: refuse one that is already there.

    Raises:
        StoreError: the disk refuses; names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=not is_new)
    except OSError as error:
        message = f"could not create {folder}: {error.strerror or error}"
        raise StoreError(message) from error
    return folder


def write_all(descriptor: int, content: bytes) -> None:
    """Write the whole content to an open file, whatever the size of each single write."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
