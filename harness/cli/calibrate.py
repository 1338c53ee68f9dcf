"""`compare calibrate`: the error rates of the harness itself, measured and written down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.calibrate import STAGE_NAMES
from harness.cli import say
from harness.cli.options import MAX_JOBS
from harness.errors import UnknownName, UsageError

BUGS = "tests/bugs"
PARTS = ("pool", *STAGE_NAMES, "page")


def calibrate(  # noqa: PLR0913 - one parameter per option
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"Of: {', '.join(PARTS)}. Default: all.")
    ] = None,
    bugs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help=f"Planted mistakes as TOML files; repeatable. Default: {BUGS}, where it is.",
        ),
    ] = None,
    algo: Annotated[list[str] | None, typer.Option(help="Only this algorithm; repeatable.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this mistake; repeatable.")
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What is measured, as a table like harness/calibrate/plan.toml. Default: that.",
        ),
    ] = None,
    scale: Annotated[float, typer.Option(help="Share of the trials that are made.")] = 1.0,
    seconds: Annotated[
        float, typer.Option(help="Begin nothing new after that time. Default: no limit.")
    ] = float("inf"),
    jobs: Annotated[int, typer.Option(help="Questions asked side by side.")] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask again what an older version answered.")
    ] = False,
    work: Annotated[str, typer.Option(help="Folder of runs and answers.")] = "results/calibrating",
    output: Annotated[str, typer.Option(help="Folder of the figures, as JSON.")] = (
        "results/calibration"
    ),
    docs: Annotated[str, typer.Option(help="The page that is written.")] = "docs/calibration.md",
) -> None:
    """Measure how often the harness is wrong: false alarms, misses, wrong places, power.

    Runs of the reference are compared with other runs of it, and files with planted mistakes are
    attached like a user's. Answers are kept: the same command goes on where it was stopped.
    """
    asked = tuple(parts or PARTS)
    for part in asked:
        if part not in PARTS:
            raise UnknownName(kind="part", name=part, valid=PARTS, where="compare calibrate")
    if not 0.0 < scale <= 100.0 or not 1 <= jobs <= MAX_JOBS:
        message = f"--scale {scale} and --jobs {jobs}: expected more than 0, and at least one job"
        raise UsageError(message)
    from harness.calibrate.command import Asked, run

    wanted = Asked(
        parts=asked,
        bugs=_folders(bugs),
        algos=tuple(algo or ()),
        ids=tuple(only or ()),
        plan=Path(plan) if plan else None,
        scale=scale,
        seconds=seconds,
        jobs=jobs,
        is_fresh=fresh,
        work=Path(work),
        output=Path(output),
        docs=Path(docs),
    )
    run(wanted, say=say.line)


def _folders(bugs: list[str] | None) -> tuple[Path, ...]:
    if bugs:
        return tuple(Path(folder) for folder in bugs)
    return (Path(BUGS),) if Path(BUGS).is_dir() else ()
