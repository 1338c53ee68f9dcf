"""One kind of evidence alone: `compare facts` and `compare segments`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import completion
from harness.cli.arguments import MineTaps, Waivers
from harness.records import Json


def facts(  # noqa: PLR0913 - one parameter per option
    algo: Annotated[
        str,
        typer.Option(help="Algorithm, for example dqn.", autocompletion=completion.complete_algo),
    ],
    envs: Annotated[list[str] | None, typer.Option(help="As in `compare`.")] = None,
    mine: Annotated[str | None, typer.Option(help="Your implementation, as in `compare`.")] = None,
    reference: Annotated[str | None, typer.Option(help="What to compare with.")] = None,
    mine_taps: MineTaps = None,
    waivers: Waivers = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter for both sides.")
    ] = None,
    results: Annotated[str, typer.Option(help="Folder of kept answers.")] = "results",
) -> None:
    """Compare what both sides really use, in seconds: both are begun, up to the first updates."""
    from harness.cli import commands

    given: dict[str, Json] = {"algo": algo, "mine": mine, "reference": reference}
    given |= {
        "mine_taps": mine_taps,
        "envs": envs,
        "set": set_,
        "waivers": waivers,
        "results": results,
    }
    raise typer.Exit(commands.run_facts(given))


def segments(  # noqa: PLR0913 - one parameter per option
    algo: Annotated[
        str,
        typer.Option(help="Algorithm, for example dqn.", autocompletion=completion.complete_algo),
    ],
    mine: Annotated[str | None, typer.Option(help="Your implementation, as in `compare`.")] = None,
    reference: Annotated[str | None, typer.Option(help="What to compare with.")] = None,
    mine_taps: MineTaps = None,
    waivers: Waivers = None,
    results: Annotated[str, typer.Option(help="Folder of kept answers.")] = "results",
) -> None:
    """Test each stretch of code alone, in seconds: the reference's values go in at every tap."""
    from harness.cli import commands

    given = {"algo": algo, "mine": mine, "reference": reference, "mine_taps": mine_taps}
    given |= {"waivers": waivers, "results": results}
    raise typer.Exit(commands.run_segments(given))
