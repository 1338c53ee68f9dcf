"""Standard output and error for a program that may be piped, closed or run out of disk."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from harness.errors import StoreError


class Outlet:
    """A text stream whose reader may leave (`compare | head`): what follows is dropped.

    A stream that was closed before the start is None in Python; it takes everything and shows
    nothing. So the exit code stays the verdict's, whoever listens.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None else _nothing()

    def write(self, text: str) -> int:
        """Write, or drop what nobody reads any more."""
        with self._forgiving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered.

        Raises:
            StoreError: standard output is a file on a full disk, or cannot be written.
        """
        with self._forgiving():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_error_stream = self._stream is sys.__stderr__
            self._silence()
            if isinstance(error, BrokenPipeError) or is_error_stream:
                return
            message = (
                f"could not write the output: {error.strerror or error}\n"
                "The report itself is in the folder of results; compare report NAME shows it again."
            )
            raise StoreError(message) from error

    def _silence(self) -> None:
        """Point the stream at nothing, so that Python's own flush at the end succeeds too."""
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard stdout and stderr inside the with block; letters they cannot encode become "?"."""
    _occupy_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    out, err = (cast("TextIO", Outlet(stream)) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def _nothing() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives as a stream does


def _occupy_standard_descriptors() -> None:
    """Open the null device where descriptor 0, 1 or 2 is closed: no file of ours may land there."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
