"""The planted changes as data: what is replaced in which file, and what must be found.

`dqn.toml`, `ppo.toml` and `sac.toml` hold rows of three sorts:

    [[planted]]         a change of the clean implementation, as exact replacements of unique texts
    id                  of the public collection that it was taken from, or "own-..."
    title, source       what is wrong, and where the mistake was made in public ("own": nowhere)
    kind                "bug" (must be found), "benign" (nothing may be found) or "convention"
                        (another accepted way: found or not, never called by a wrong name)
    component           where it sits, of the closed list; `also` holds others that the list's
                        definitions cover as well, `why` says why
    level               where it must show: "segment", "draw", "twin" or "fact"
    severity            as in the collection
    tap                 (optional) first quantity that must differ
    changes             [[old, new], ...]
    [[not_injectable]]  an entry of the collection that the clean file cannot hold, and the `reason`

Nothing outside this folder reads these rows: the search for a line knows no mistake by name.
"""

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
ALGOS = ("dqn", "ppo", "sac")


@dataclass(frozen=True)
class Planted:
    """One change of a clean file and what must be said of it."""

    algo: str
    file: str
    id: str
    title: str
    source: str
    kind: str
    changes: tuple[tuple[str, str], ...]
    component: str = ""
    also: tuple[str, ...] = ()
    why: str = ""
    level: str = "segment"
    severity: str = ""
    tap: str = ""

    @property
    def name(self):
        return f"{self.algo}/{self.id}"

    @property
    def components(self):
        return (self.component, *self.also)

    def patched(self, source=None):
        """Return the text of the file with every change made; each text must be there once."""
        text = clean_source(self.algo) if source is None else source
        for old, new in self.changes:
            if text.count(old) != 1:
                message = f"{self.name}: {text.count(old)} places hold {old!r}, expected 1"
                raise ValueError(message)
            text = text.replace(old, new)
        return text


@cache
def clean_source(algo):
    return (ROOT / f"my_impls/{algo}.py").read_text(encoding="utf-8")


@cache
def table(algo):
    return tomllib.loads((FOLDER / f"{algo}.toml").read_text(encoding="utf-8"))


@cache
def planted(algo):
    """Return every planted change of one algorithm, in the order of the file."""
    read = table(algo)
    return tuple(
        Planted(
            algo=algo,
            file=read["file"],
            **{
                **row,
                "changes": tuple((old, new) for old, new in row["changes"]),
                "also": tuple(row.get("also", ())),
            },
        )
        for row in read["planted"]
    )


def everything():
    return tuple(
        row for algo in ALGOS if (FOLDER / f"{algo}.toml").exists() for row in planted(algo)
    )


def changed_lines(clean, patched):
    """Return the lines of the patched text that differ; around a deletion, its neighbours."""
    before, after = clean.splitlines(), patched.splitlines()
    lines = set()
    for tag, _, _, first, last in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if tag == "delete":
            lines |= {first, first + 1}
        elif tag != "equal":
            lines |= set(range(first + 1, last + 1))
    return lines
