"""Where in the side's code each quantity is born: the first line outside harness and torch."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import torch

# Frames of these folders are machinery between the quantity and the code that made it.
_MACHINERY = tuple(
    f"{Path(file).resolve().parent}/"
    for file in (sys.modules["harness"].__file__, torch.__file__)
    if file
)
_LIBRARIES = tuple(
    f"{Path(sysconfig.get_path(name)).resolve()}/" for name in ("purelib", "platlib", "stdlib")
)


class Sites:
    """Name of a tap, or of a step of the update ("backward", "clip", "step") -> "file:line"."""

    def __init__(self, side_file: str | None) -> None:
        self._folder = f"{Path(side_file).resolve().parent}/" if side_file else ""
        self.found: dict[str, str] = {}

    def note(self, name: str) -> None:
        """Remember where the caller's caller stands, the first time that `name` is seen."""
        if name not in self.found and (here := self.here()):
            self.found[name] = here

    def here(self) -> str:
        """Return the place from which the machinery was entered, "file:line"; "" if unknown."""
        frame = sys._getframe(1)
        while frame is not None and _is_machinery(frame.f_code.co_filename):
            frame = frame.f_back  # type: ignore[assignment]
        return f"{self.short(frame.f_code.co_filename)}:{frame.f_lineno}" if frame else ""

    def short(self, file: str) -> str:
        """Return a path without anybody's folders: "./" is the folder of the side's file."""
        resolved = str(Path(file).resolve())
        if self._folder and resolved.startswith(self._folder):
            return f"./{resolved.removeprefix(self._folder)}"
        for library in _LIBRARIES:
            if resolved.startswith(library):
                return resolved.removeprefix(library)
        return Path(file).name


def _is_machinery(file: str) -> bool:
    return file.startswith(_MACHINERY) or file.startswith("<")
