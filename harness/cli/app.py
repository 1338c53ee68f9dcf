"""The typer app: options, sub-commands, and errors turned into words and exit codes."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import completion, say, taps
from harness.cli.alone import facts, segments
from harness.cli.arguments import WHAT, MineTaps, ReferenceTaps, Waivers
from harness.cli.calibrate import calibrate
from harness.cli.outlet import guarded_streams
from harness.cli.stops import ignore_stops, stoppable
from harness.errors import (
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    EXIT_USAGE,
    CompareError,
    StoreError,
    UsageError,
    nearest,
)
from harness.spec.tiers import TIERS, known_ids

PROGRAM = "compare"
_WHAT, _EVIDENCE, _DECISION = WHAT, "How much evidence", "When a difference counts"
_RUNNING, _OUTPUT = "Running", "Output"
_SUB_COMMANDS = ("report", "facts", "segments", "taps", "list", "doctor", "export", "calibrate")

app = typer.Typer(
    help="Compare an implementation of a reinforcement-learning algorithm with a trusted one.",
    epilog=(
        "Exit codes: 0 parity, 1 diverged, 2 wrong usage, 3 inconclusive, 4 invalid, "
        "130 interrupted. Defaults may stand in the table tool.compare of your pyproject.toml."
    ),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(taps.app, name="taps")
app.command()(facts)
app.command()(segments)
app.command()(calibrate)


class ExportFormat(StrEnum):
    """File formats of `compare export`."""

    CSV = "csv"
    PARQUET = "parquet"


@app.callback(invoke_without_command=True)
def compare(  # noqa: PLR0913 - one parameter per option is how typer reads a command line
    context: typer.Context,
    algo: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Algorithm, for example dqn.",
            rich_help_panel=_WHAT,
            autocompletion=completion.complete_algo,
        ),
    ] = None,
    envs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Tiers (probe, easy, medium, hard) and gymnasium ids, separated by commas. "
            "Default: easy.",
            rich_help_panel=_WHAT,
            autocompletion=completion.complete_envs,
        ),
    ] = None,
    mine: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE",
            help="Your implementation: path.py:callable, module:callable or a reference's name. "
            "Default: my_impls/ALGO.py.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE",
            help="What to compare with, in the same spellings. Default: sb3.",
            rich_help_panel=_WHAT,
            autocompletion=completion.complete_reference,
        ),
    ] = None,
    mine_taps: MineTaps = None,
    reference_taps: ReferenceTaps = None,
    waivers: Waivers = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A hyperparameter for both sides, under stable-baselines3's name; repeatable.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="quick|standard|thorough",
            help="How long to train and how many seeds at most. Default: standard.",
            rich_help_panel=_EVIDENCE,
            autocompletion=completion.complete_budget,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N|LIST",
            help="Seeds per side: a number (5) or a list (0,1,7). "
            "Default: as many as the verdict needs, within the budget.",
            rich_help_panel=_EVIDENCE,
        ),
    ] = None,
    total_timesteps: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Environment steps per run, instead of the budget's.",
            rich_help_panel=_EVIDENCE,
        ),
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Error rate of the verdict, between 0 and 0.5. Default: 0.05.",
            rich_help_panel=_DECISION,
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="What counts as the same: 1sd (standard deviations of the reference's seeds) "
            "or a reward such as 20. Default: 1sd.",
            rich_help_panel=_DECISION,
        ),
    ] = None,
    difference_test: Annotated[
        str | None,
        typer.Option(
            metavar="max-t|cluster-mass",
            help="Test for differences between curves. Default: max-t.",
            rich_help_panel=_DECISION,
        ),
    ] = None,
    paired: Annotated[
        bool | None,
        typer.Option(
            "--paired/--unpaired",
            help="Compare seed by seed, for two versions of one code. Default: unpaired.",
            rich_help_panel=_DECISION,
        ),
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Runs trained side by side. Default: cores.", rich_help_panel=_RUNNING
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Torch device: cpu, cuda, mps. Default: cpu.",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of stored runs and reports. Default: results.",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    keep_going: Annotated[
        bool | None,
        typer.Option(
            "--keep-going/--fail-fast",
            help="Train everything even when the verdict is already certain. Default: fail fast.",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only list the runs, which are stored, and how long the rest would take.",
            rich_help_panel=_RUNNING,
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Write the report as JSON, and nothing else.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    quiet: Annotated[
        bool | None,
        typer.Option("--quiet", help="Show no progress.", rich_help_panel=_OUTPUT),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Compare an implementation of a reinforcement-learning algorithm with a trusted one.

    Both sides train on the same environments, watched by the same instruments. The answer is
    PARITY, DIVERGED, INCONCLUSIVE or INVALID, with the place to look at first.
    """
    given = {
        "algo": algo,
        "envs": envs or None,
        "mine": mine,
        "reference": reference,
        "mine_taps": mine_taps,
        "reference_taps": reference_taps,
        "waivers": waivers,
        "set": set_ or None,
        "budget": budget,
        "seeds": seeds,
        "total_timesteps": total_timesteps,
        "alpha": alpha,
        "margin": margin,
        "difference_test": difference_test,
        "paired": paired,
        "jobs": jobs,
        "device": device,
        "results": results,
        "keep_going": keep_going,
        "quiet": quiet,
    }
    if context.invoked_subcommand is not None:
        _refuse_options(context.invoked_subcommand, given)
        return
    from harness.cli import commands

    if version:
        commands.show_version()
        return
    raise typer.Exit(commands.run_comparison(given, is_json=json, is_dry=dry_run))


@app.command()
def report(
    result: Annotated[str, typer.Argument(help="Folder of a comparison, or its name.")],
    results: Annotated[str, typer.Option(help="Where names are looked up.")] = "results",
    json: Annotated[bool, typer.Option("--json", help="Write the report as JSON only.")] = False,
) -> None:
    """Judge and render a stored comparison again, without training."""
    from harness.cli import commands

    raise typer.Exit(commands.run_report(result, results=Path(results), is_json=json))


@app.command(name="list")
def list_() -> None:
    """List algorithms, tiers with their budgets, references and my implementations."""
    from harness.cli.listing import listing

    say.line(listing())


@app.command()
def doctor() -> None:
    """Check versions, threads, processor, disk, memory, extras and determinism."""
    from harness.cli import commands

    raise typer.Exit(commands.run_doctor())


@app.command()
def export(
    result: Annotated[str, typer.Argument(help="Folder of a comparison, or its name.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="File format.")] = (
        ExportFormat.CSV
    ),
    output: Annotated[
        str | None, typer.Option(help="File to write. Default: runs.FORMAT in the folder.")
    ] = None,
    results: Annotated[str, typer.Option(help="Where names are looked up.")] = "results",
) -> None:
    """Write every stored value of a comparison as one long table."""
    from harness.cli import commands

    target = Path(output) if output else None
    commands.run_export(result, results=Path(results), fmt=format_.value, output=target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; users' mistakes end without a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guarded_streams(), stoppable(is_last=arguments is None):
        try:
            code = _run(words)
            sys.stdout.flush()
        except StoreError as error:
            say.error(str(error))
            code = error.exit_code
    return code


def _run(words: list[str]) -> int:
    """Run the command line; everything that can go wrong becomes words and an exit code."""
    try:
        code = typer.main.get_command(app).main(words, prog_name=PROGRAM, standalone_mode=False)
    except CompareError as error:
        ignore_stops()
        say.error(str(error))
        code = error.exit_code
    except typer.TyperException as error:
        say.error(_usage_text(error, words))
        code = EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - Python's own exit code 1 would read as DIVERGED
        traceback.print_exc()
        say.error("internal error: please report it with the lines above; nothing was compared")
        code = EXIT_INVALID
    ignore_stops()
    if code == EXIT_INTERRUPTED:
        again = shlex.join([PROGRAM, *words])
        say.line(f"Stopped. Finished runs are kept; resume with: {again}", stream=sys.stderr)
    return code if isinstance(code, int) else 0


def _usage_text(error: typer.TyperException, words: Sequence[str]) -> str:
    """Return what typer found wrong, with the nearest valid words and where to read on."""
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    stray = next((word for word in words if f"'{word}'" in text), "")
    if stray in TIERS or stray in known_ids():
        fix = f"Environments are separated by commas without blanks: --envs easy,{stray}"
    elif stray and not stray.startswith("-") and "command" in text.lower():
        near = nearest(stray, _SUB_COMMANDS)
        hint = f"did you mean {near[0]!r}? " if near and "Did you mean" not in text else ""
        fix = f"{hint}Sub-commands: {', '.join(_SUB_COMMANDS)}; an algorithm goes with --algo"
    else:
        fix = f"See: {PROGRAM} --help"
    return f"{text}\n{fix}"


def _refuse_options(command: str, given: Mapping[str, object]) -> None:
    """Raise when options of a comparison stand before a sub-command, which would ignore them."""
    used = {name: value for name, value in given.items() if value is not None}
    if used:
        message = (
            f"{say.option_words(used)} cannot stand before the sub-command {command!r}\n"
            f"Write: {PROGRAM} {command} --help for its own options."
        )
        raise UsageError(message)
