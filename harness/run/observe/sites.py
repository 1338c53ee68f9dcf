"""Where in the side's code each quantity is born: the first line outside harness and libraries.

Those are torch and gymnasium: a side steps its environments through wrappers and vectors of them.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import gymnasium
import torch

# Frames of these folders are machinery between the quantity and the code that made it. A virtual
# environment may be a link: its files are then known under both paths.
_MACHINERY = tuple(
    f"{folder}/"
    for file in (sys.modules["harness"].__file__, torch.__file__, gymnasium.__file__)
    if file
    for folder in dict.fromkeys((Path(file).parent, Path(file).resolve().parent))
)
_LIBRARIES = tuple(
    f"{Path(sysconfig.get_path(name)).resolve()}/" for name in ("purelib", "platlib", "stdlib")
)


class Sites:
    """Name of a tap, or of a step of the update ("backward", "clip", "step") -> "file:line"."""

    def __init__(self, side_file: str | None) -> None:
        self._folder = f"{Path(side_file).resolve().parent}/" if side_file else ""
        self.found: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    def note(self, name: str) -> None:
        """Remember where the caller's caller stands, the first time that `name` is seen."""
        if name not in self.found and (here := self.here()):
            self.found[name] = here

    def here(self) -> str:
        """Return the place from which the machinery was entered, "file:line"; "" if unknown."""
        return next(self.calls(), "")

    def calls(self) -> Iterator[str]:
        """Yield the places of the calls from which the machinery was entered, innermost first."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        while frame is not None and not _is_machinery(frame.f_code.co_filename):
            yield f"{self.short(frame.f_code.co_filename)}:{frame.f_lineno}"
            frame = frame.f_back

    def short(self, file: str) -> str:
        """Return a path without anybody's folders: "./" is the folder of the side's file."""
        short = self._short(file)
        self._paths[short] = file
        return short

    def path(self, short: str) -> str:
        """Return the path that `short` gave a short form of; "" when it gave none."""
        return self._paths.get(short, "")

    def _short(self, file: str) -> str:
        resolved = str(Path(file).resolve())
        if self._folder and resolved.startswith(self._folder):
            return f"./{resolved.removeprefix(self._folder)}"
        for library in _LIBRARIES:
            if resolved.startswith(library):
                return resolved.removeprefix(library)
        return Path(file).name


def _is_machinery(file: str) -> bool:
    return file.startswith(_MACHINERY) or file.startswith("<")
