"""Planted mistakes as data: which file is changed in which way, and what must be said of it.

A folder of TOML files, one per implementation:

    algo = "dqn"               (default: the name of the TOML file)
    file = "my_impls/dqn.py"   relative to the TOML file, or to the current folder
    callable = "side"          (default)
    copies = "file"            (default) or "folder": what is copied before it is changed

    [[planted]]
    id, title, source          what is wrong, and where the mistake was made ("own": nowhere)
    kind                       "bug" (must be found), "benign" (nothing may be found), "convention"
                               (another accepted way: found or not, never called by a wrong name)
    component                  of the closed list; `also` holds others as defensible, `why` says why
    level                      where it must show: "segment", "draw", "twin", "fact" or "curve"
    severity                   "fails", "slower", "some-envs", "subtle-final" or "numeric-only"
    tap                        (optional) first quantity that must differ
    in                         (optional) another file of the folder that holds the change
    changes = [[old, new]]     exact replacements of texts that are there once, or
    mutation = {kind, at, ..}  one of the generic kinds of `harness.calibrate.mutate`

The change is made in a copy; the file itself is never touched, and nothing that searches for
differences reads these rows.
"""

from __future__ import annotations

import difflib
import hashlib
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from harness.calibrate.mutate import mutated
from harness.errors import UsageError

KINDS = ("bug", "benign", "convention")
SEVERITIES = ("fails", "slower", "some-envs", "subtle-final", "numeric-only")


@dataclass(frozen=True)
class Planted:
    """One change of an implementation and what must be said of it.

    Attributes:
        file: the implementation that is attached. inside: the file that is changed.
        changes: (old, new) texts. mutation: the generic change; one of the two is empty.
    """

    algo: str
    file: Path
    id: str
    title: str
    source: str
    kind: str
    callable: str = "side"
    copies: str = "file"
    inside: Path = Path()
    changes: tuple[tuple[str, str], ...] = ()
    mutation: Mapping[str, str] = field(default_factory=dict)
    component: str = ""
    also: tuple[str, ...] = ()
    why: str = ""
    level: str = "segment"
    severity: str = ""
    tap: str = ""

    @property
    def name(self) -> str:
        """Return how tables call it."""
        return f"{self.algo}/{self.id}"

    @property
    def components(self) -> tuple[str, ...]:
        """Return the expected component and those as defensible."""
        return (self.component, *self.also)

    def patched(self, source: str | None = None) -> str:
        """Return the text of the changed file.

        Raises:
            UsageError: a text is not there once, or the mutation has no place; names the row.
        """
        text = clean_source(self.inside) if source is None else source
        for old, new in self.changes:
            if text.count(old) != 1:
                message = f"{self.name}: {text.count(old)} places hold {old!r}, expected 1"
                raise UsageError(message)
            text = text.replace(old, new)
        return mutated(text, self.mutation, name=self.name) if self.mutation else text

    def plant(self, folder: Path, *, strip: bool = False) -> Path:
        """Write the changed copy into `folder`; return the file to attach.

        Args:
            strip: take every tap out of the copy.
        """
        from harness.calibrate.untap import without_taps

        home = folder / self.file.parent.name
        copied = home / self.file.name
        if self.copies == "folder":
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(self.file.parent, home, ignore=ignored)
        else:
            home.mkdir(parents=True)
            shutil.copy(self.file, copied)
        (home / self.inside.relative_to(self.file.parent)).write_text(self.patched(), "utf-8")
        if strip:
            for file in home.rglob("*.py"):
                file.write_text(without_taps(file.read_text(encoding="utf-8")), encoding="utf-8")
        return copied


@cache
def clean_source(file: Path) -> str:
    """Return the text of an implementation before any change."""
    return file.read_text(encoding="utf-8")


def load_folder(folder: Path) -> tuple[Planted, ...]:
    """Return every row of the TOML files below a folder, in order of their names.

    Raises:
        UsageError: there is none, or a row is not as the module says; names the file and the row.
    """
    files = sorted(folder.rglob("*.toml"))
    if not files:
        message = (
            f"{folder} holds no TOML file of planted mistakes\n"
            "Give a folder with --bugs; docs/how-to/calibrate.md shows what it holds."
        )
        raise UsageError(message)
    return tuple(row for file in files for row in load_file(file))


def load_file(file: Path) -> tuple[Planted, ...]:
    """Return the rows of one TOML file.

    Raises:
        UsageError: it is no TOML, its implementation is not there, or a row is incomplete.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        message = f"{file} is no TOML: {error}"
        raise UsageError(message) from error
    home = _implementation(table, file)
    shared = {"algo": table.get("algo", file.stem), "file": home}
    shared |= {name: table[name] for name in ("callable", "copies") if name in table}
    return tuple(_row(row, shared, file) for row in table.get("planted", ()))


def _implementation(table: Mapping[str, Any], file: Path) -> Path:
    word = table.get("file", "")
    places = (file.parent / word, Path.cwd() / word, *(p / word for p in file.absolute().parents))
    found = next((place for place in places if word and place.is_file()), None)
    if found is None:
        message = (
            f"{file}: expected `file`, the implementation that is changed, saw {word!r}\n"
            "Give its path relative to this TOML file, or to the current folder."
        )
        raise UsageError(message)
    return Path(found).resolve()


def _row(row: Mapping[str, Any], shared: Mapping[str, Any], file: Path) -> Planted:
    values = {**row}
    values["changes"] = tuple((old, new) for old, new in row.get("changes", ()))
    values["also"] = tuple(row.get("also", ()))
    values["inside"] = shared["file"].parent / values.pop("in", shared["file"].name)
    try:
        planted = Planted(**{**shared, **values})
    except TypeError as error:
        message = f"{file}, row {row.get('id', '?')!r}: {str(error).split('()')[-1].strip()}"
        raise UsageError(message) from error
    if planted.kind not in KINDS or bool(planted.changes) == bool(planted.mutation):
        message = (
            f"{file}, row {planted.id!r}: expected a kind of {', '.join(KINDS)} and either "
            "`changes` or a `mutation`"
        )
        raise UsageError(message)
    return planted


def changed_lines(clean: str, patched: str) -> set[int]:
    """Return the lines of the patched text that differ; around a deletion, its neighbours."""
    before, after = clean.splitlines(), patched.splitlines()
    lines: set[int] = set()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, _, _, first, last in matcher.get_opcodes():
        if tag == "delete":
            lines |= {first, first + 1}
        elif tag != "equal":
            lines |= set(range(first + 1, last + 1))
    return lines


def chosen(rows: Sequence[Planted], *, algos: Sequence[str], ids: Sequence[str]) -> list[Planted]:
    """Return the rows of some algorithms and ids; all of them where none is named."""
    return [
        row
        for row in rows
        if (not algos or row.algo in algos) and (not ids or {row.id, row.name} & set(ids))
    ]


def sampled(rows: Sequence[Planted], n: int) -> list[Planted]:
    """Return about `n` mistakes per algorithm, spread over severities and over the file.

    The choice depends on the order of the file alone.
    """
    found: list[Planted] = []
    for algo in dict.fromkeys(row.algo for row in rows):
        by_severity = [
            [row for row in rows if (row.algo, row.kind, row.severity) == (algo, "bug", severity)]
            for severity in SEVERITIES
        ]
        filled = [group for group in by_severity if group]
        share = -(-n // max(1, len(filled)))
        spread = [group[:: max(1, len(group) // share)][:share] for group in filled]
        found += [row for place in zip_longest(*spread) for row in place if row is not None][:n]
    return found


def interleaved(rows: Sequence[Planted], *, block: int = 10) -> list[Planted]:
    """Return the rows in an order in which any beginning is spread over algorithms and kinds.

    Blocks of one algorithm follow each other, so that what its reference did can be kept; inside an
    algorithm the order is that of a hash of the names.
    """
    blocks: dict[str, list[list[Planted]]] = {}
    for algo in dict.fromkeys(row.algo for row in rows):
        mine = [row for row in rows if row.algo == algo]
        mine.sort(key=lambda row: hashlib.sha256(f"{row.file.name} {row.name}".encode()).digest())
        blocks[algo] = [mine[start : start + block] for start in range(0, len(mine), block)]
    rounds = zip_longest(*blocks.values(), fillvalue=())
    return [row for some in rounds for one in some for row in one]
