"""Captured output of bounded size: the first bytes, the last bytes, and how many lie between."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

CHUNK_BYTES = 1 << 16


class CappedLog:
    """Drains a pipe into a file; what exceeds head + tail is read and dropped."""

    def __init__(self, source: int, path: Path, *, head_bytes: int, tail_bytes: int) -> None:
        """Take over the reading end `source`, a file descriptor."""
        self.source = source
        os.set_blocking(source, False)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._head_left = head_bytes
        self._tail_bytes = tail_bytes
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0
        self.is_open = True

    def drain(self) -> None:
        """Read what is there now, at most a few megabytes, without waiting."""
        for _ in range(64):
            try:
                chunk = os.read(self.source, CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self.is_open = False
                return
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        if self._head_left:
            head, chunk = chunk[: self._head_left], chunk[self._head_left :]
            self._head_left -= len(head)
            self._write(head)
        if not chunk:
            return
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        while self._tail_size - len(self._tail[0]) >= self._tail_bytes:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone

    def finish(self) -> None:
        """Drain the rest, add the tail to the file, and close both ends."""
        while self.is_open:
            before = self._tail_size + self._dropped + self._head_left
            self.drain()
            if self._tail_size + self._dropped + self._head_left == before:
                break
        tail = b"".join(self._tail)
        excess = max(0, len(tail) - self._tail_bytes)
        self._dropped += excess
        if self._dropped:
            self._write(b"\n[... %d bytes left out ...]\n" % self._dropped)
        self._write(tail[excess:])
        os.close(self._file)
        os.close(self.source)

    def _write(self, content: bytes) -> None:
        """Write to the log file; a full disk costs the log, never the run."""
        try:
            os.write(self._file, content)
        except OSError:
            self._dropped += len(content)
