"""Registered references: folders of `baselines` with a reference.toml, read without import.

The file holds `name`, `title`, `distribution` (on the package index), `supported` (a version range
such as ">=2.7,<3"), optionally `extra` (of this project, which installs it) and `rank` (of several
references that have an algorithm, the lowest is meant where none is named; 0 where it is left out)
and, per algorithm, a table `[algos.dqn]` with `module`, `callable` and optionally `tap_map` (a TOML
tap map beside the file).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import MissingExtra, UnknownName, UsageError
from harness.records import Json, SideSpec

# The distribution of this project, whose extras bring what a reference needs.
PROJECT = "rl-parity"
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([0-9][0-9.]*)")


@dataclass(frozen=True)
class Reference:
    """One reference library as registered.

    Attributes:
        folder: of its reference.toml. distribution: name on the package index.
        supported: version range, for example ">=2.7,<3".
        algos: algorithm -> {module, callable, tap_map}.
        extra: extra of this project that installs the distribution, or "".
        rank: among references that have an algorithm; the lowest is the default.
    """

    name: str
    title: str
    folder: Path
    distribution: str
    supported: str
    algos: Mapping[str, Mapping[str, Json]]
    extra: str = ""
    rank: int = 0

    @property
    def wanted(self) -> str:
        """The distribution with its range, as pip takes it."""
        return f"{self.distribution}{self.supported}"

    @property
    def pip(self) -> str:
        """The line that installs the distribution."""
        return f"pip install '{f'{PROJECT}[{self.extra}]' if self.extra else self.wanted}'"

    @property
    def installed_version(self) -> str | None:
        """Version of the installed distribution, or None."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None


@cache
def references() -> Mapping[str, Reference]:
    """Return every registered reference by name, sorted."""
    spec = importlib.util.find_spec("baselines")
    locations = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    files = [file for place in locations for file in place.glob("*/reference.toml")]
    found = [_read(file) for file in files]
    return {reference.name: reference for reference in sorted(found, key=lambda r: r.name)}


def reference_names() -> tuple[str, ...]:
    """Return the names of all registered references, sorted."""
    return tuple(references())


def default_reference(algo: str) -> str:
    """Return the name of the reference that is meant where none is named, installed or not.

    Raises:
        UsageError: no registered reference has the algorithm.

    >>> default_reference("dqn")
    'sb3'
    """
    by = [reference for reference in references().values() if algo in reference.algos]
    if not by:
        message = (
            f"expected a reference that has {algo!r}, saw none among: {', '.join(references())}\n"
            "Name a file: --reference path.py:callable"
        )
        raise UsageError(message)
    return min(by, key=lambda reference: reference.rank).name


def find_reference(name: str | None, *, algo: str) -> SideSpec:
    """Return the side of a registered reference; None is the default one.

    Raises:
        UnknownName: no such reference. MissingExtra: its library is not installed.
        UsageError: it has no such algorithm, or the installed version is not supported.
    """
    asked = name or default_reference(algo)
    if asked not in references():
        raise UnknownName(kind="reference", name=asked, valid=references(), where="--reference")
    reference = references()[asked]
    if algo not in reference.algos:
        valid = ", ".join(reference.algos)
        message = f"reference {asked!r} has no {algo!r}; it has {valid}\nAttach a file instead."
        raise UsageError(message)
    version = _supported_version(reference)
    row = reference.algos[algo]
    tap_map = row.get("tap_map")
    return SideSpec(
        name=asked,
        file=None,
        module=row["module"],
        callable=row.get("callable", "side"),
        tap_map=str((reference.folder / tap_map).resolve()) if tap_map else None,
        source_digest="",
        versions={reference.distribution: version},
    )


def is_supported(version: str, supported: str) -> bool:
    """Return whether `version` lies in the range; compares release numbers only.

    >>> is_supported("2.9.2", ">=2.7,<3"), is_supported("3.0.0", ">=2.7,<3")
    (True, False)
    """
    release = _release(version)
    for operator, text in _BOUND.findall(supported):
        bound = _release(text)
        width = max(len(release), len(bound))
        left, right = (part + (0,) * (width - len(part)) for part in (release, bound))
        holds = {
            ">=": left >= right,
            "<=": left <= right,
            "==": left == right,
            "<": left < right,
            ">": left > right,
        }
        if not holds[operator]:
            return False
    return True


def _supported_version(reference: Reference) -> str:
    version = reference.installed_version
    if version is None:
        message = (
            f"reference {reference.name!r} needs {reference.distribution}, which is not installed\n"
            f"Install it: {reference.pip}"
        )
        raise MissingExtra(message)
    if not is_supported(version, reference.supported):
        message = (
            f"reference {reference.name!r}: expected {reference.wanted}, found version {version}\n"
            f"Install a supported one: pip install '{reference.wanted}'"
        )
        raise UsageError(message)
    return version


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _read(file: Path) -> Reference:
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return Reference(
        name=table["name"],
        title=table.get("title", table["name"]),
        folder=file.parent,
        distribution=table["distribution"],
        supported=table["supported"],
        algos=table["algos"],
        extra=table.get("extra", ""),
        rank=table.get("rank", 0),
    )
