"""Options that several commands share, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

WHAT = "What to compare"

MineTaps = Annotated[
    str | None,
    typer.Option(
        "--mine-taps",
        metavar="FILE",
        help="A TOML map of taps for your implementation, whose code then needs no edit. "
        "`compare taps check` shows where they stand.",
        rich_help_panel=WHAT,
    ),
]
Waivers = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A TOML file of deviations that you declare, with reason and last day. "
        "Default: parity-waivers.toml beside your pyproject.toml, if any.",
        rich_help_panel=WHAT,
    ),
]
ReferenceTaps = Annotated[
    str | None,
    typer.Option(
        "--reference-taps",
        metavar="FILE",
        help="The same for the reference, instead of its own.",
        rich_help_panel=WHAT,
    ),
]
