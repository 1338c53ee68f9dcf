"""`compare taps check`: a table from each tap of the card to the line where a side has it."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import completion, say

if TYPE_CHECKING:
    from harness.cli.tapcheck import TapCheck
    from harness.run.tapplaces import TapLine
    from harness.spec.cards import TapRow

# Columns of a statement, at least: less says nothing, and a terminal wraps what is too long.
_MIN_TEXT = 60

# What is left of a comparison whose algorithm has no taps.
WITHOUT_TAPS = (
    "compared instead: facts, probes and curves; segments, draws and twin runs need taps, so "
    "parity can only be statistical"
)

app = typer.Typer(help="Where the taps of a side stand.", no_args_is_help=True)


@app.callback()
def taps() -> None:
    """Look at the taps of a side."""


@app.command()
def check(
    side: Annotated[
        str,
        typer.Argument(
            metavar="SIDE",
            help="path.py:callable, module:callable or a reference's name, as for --mine.",
        ),
    ],
    algo: Annotated[
        str,
        typer.Option(help="Algorithm, for example dqn.", autocompletion=completion.complete_algo),
    ],
    tap_map: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A TOML map of taps for code that is not edited."),
    ] = None,
) -> None:
    """Check a side's taps and its tap map against the source, without running anything.

    Exit codes: 0 every tap of the algorithm is placed (optional ones aside; it may have none), 2
    the map does not fit the source or a name is no tap, 3 taps are missing.
    """
    from harness.cli.tapcheck import check_taps

    found = check_taps(side, algo=algo, tap_map=Path(tap_map) if tap_map else None)
    say.line(render(found, width=say.PLAIN_WIDTH))
    raise typer.Exit(found.exit_code)


def render(found: TapCheck, *, width: int) -> str:
    """Return the table of what is placed and, after it, what is not and what that costs."""
    blocks = [_title(found), _table(found.placed, width), *_not_tapped(found, width)]
    return "\n\n".join([*(block for block in blocks if block), *_notes(found)])


def _title(found: TapCheck) -> str:
    names = {one.name for one in found.placed}
    versions = "".join(f", {name} {version}" for name, version in found.side.versions.items())
    n_asked = len(names) + len(found.missing)
    if not found.card.taps:
        said = f"{found.side.name}{versions}: the card of {found.card.algo} has no taps"
        return f"{said}, so none has to be placed\n{WITHOUT_TAPS}"
    by_map = f"\ntap map: {_shown(Path(found.side.tap_map))}" if found.side.tap_map else ""
    said = f"{found.side.name}{versions}: {len(names)} of {n_asked} taps of {found.card.algo}"
    return f"{said} are placed{by_map}"


def _table(placed: Sequence[TapLine], width: int) -> str:
    """Return tap, place and statement in columns; long statements are cut at `width`."""
    if not placed:
        return ""
    rows = [(one.name, f"{_shown(one.file)}:{one.line}", one.text) for one in placed]
    used = sum(max(len(row[column]) for row in rows) + 2 for column in (0, 1))
    return say.aligned(
        [("tap", "place", "statement")]
        + [(name, place, _cut(text, max(_MIN_TEXT, width - used))) for name, place, text in rows]
    )


def _not_tapped(found: TapCheck, width: int) -> Iterator[str]:
    if found.hooked:
        names = ", ".join(row.name for row in found.hooked)
        yield f"seen at the optimiser, without a tap: {names}"
    if found.missing:
        said = "not tapped; a tap there would test, and name the line of:"
        rows = [_missing_row(row) for row in found.missing]
        used = sum(max(len(row[column]) for row in rows) + 2 for column in (0, 1)) + 2
        cut = [(name, part, _cut(what, max(_MIN_TEXT, width - used))) for name, part, what in rows]
        yield f"{said}\n{say.aligned(cut, indent='  ')}"


def _missing_row(row: TapRow) -> tuple[str, str, str]:
    optional = " (optional)" if row.is_optional else ""
    return row.name, row.component, f"{row.description}{optional}"


def _notes(found: TapCheck) -> Iterator[str]:
    for one in found.foreign:
        yield f"note: {_shown(one.file)}:{one.line}: {one.name} is a tap of another algorithm"
    for one in found.computed:
        yield f"note: {_shown(one.file)}:{one.line}: the tap's name is computed; it is not checked"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def _shown(file: Path) -> str:
    """Return a path as one would type it: from the installed packages, or from here."""
    resolved = file.resolve()
    roots = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
    for root in (*roots, Path.cwd()):
        if resolved.is_relative_to(root.resolve()):
            return str(resolved.relative_to(root.resolve()))
    return str(resolved)
