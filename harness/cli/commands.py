"""What the sub-commands do: each returns an exit code; heavy parts are imported when needed."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.cli import options, say
from harness.errors import (
    EXIT_DIVERGED,
    EXIT_INCONCLUSIVE,
    EXIT_INVALID,
    EXIT_PARITY,
    UnknownName,
    UsageError,
)
from harness.records import ComparisonSpec, Json

if TYPE_CHECKING:
    from harness.cli.options import Running
    from harness.pipeline import CompareResult

EXIT_CODES = {
    "parity": EXIT_PARITY,
    "diverged": EXIT_DIVERGED,
    "inconclusive": EXIT_INCONCLUSIVE,
    "invalid": EXIT_INVALID,
}


def run_comparison(given: Mapping[str, Json], *, is_json: bool, is_dry: bool) -> int:
    """Compare as the options and the settings say, or only list what would be run."""
    merged = options.merge(given, _settings())
    running = options.to_running(merged, is_json=is_json, is_dry=is_dry)
    spec = _resolve(merged)
    if is_dry:
        from harness.cli.dryrun import dry_run

        say.line(dry_run(spec, running))
        return EXIT_PARITY
    return _compare(spec, running)


def run_report(result: str, *, results: Path, is_json: bool) -> int:
    """Judge and render a stored comparison again."""
    folder = find_result(result, results)
    from harness import pipeline

    return _show(pipeline.rejudge(folder), is_json=is_json)


def run_segments(given: Mapping[str, Json]) -> int:
    """Test mine piece by piece against the reference; 0 only when all was tested and passed."""
    merged = options.merge({name: value for name, value in given.items() if value}, _settings())
    running = options.to_running(merged, is_json=False, is_dry=False)
    spec = _resolve(merged)
    from harness import pipeline
    from harness.report.segments import render_segments

    found = pipeline.segments_alone(spec, results=running.results, jobs=running.jobs)
    say.line(render_segments(found.segments))
    for failure in found.failures:
        say.line(failure)
    return EXIT_CODES[found.verdict]


def run_facts(given: Mapping[str, Json]) -> int:
    """Compare what both sides really use; 0 when no fact that decides differs."""
    merged = options.merge({name: value for name, value in given.items() if value}, _settings())
    running = options.to_running(merged, is_json=False, is_dry=False)
    spec = _resolve(merged)
    from harness import pipeline
    from harness.report.facts import render_facts

    found = pipeline.facts_alone(spec, results=running.results, jobs=running.jobs)
    say.line(render_facts(found.preflight.runs, found.judged.facts))
    for failure in found.judged.failures:
        say.line(failure)
    return EXIT_CODES[found.judged.verdict]


def run_export(
    result: str, *, results: Path, fmt: Literal["csv", "parquet"], output: Path | None
) -> None:
    """Write the stored values of a comparison as one table, and say where."""
    folder = find_result(result, results)
    target = output or folder / f"runs.{fmt}"
    if target.is_dir():
        message = f"--output {target} is a folder\nGive the name of a file."
        raise UsageError(message)
    from harness import pipeline

    say.line(f"written: {pipeline.export(folder, fmt=fmt, output=target)}")


def run_doctor() -> int:
    """Show the state of this machine; 0 unless a check failed."""
    from harness.doctor import checks

    has_failed = False
    for check in checks():
        has_failed |= check.level == "fail"
        fix = f"\n      fix: {check.fix}" if check.fix else ""
        say.line(f"{check.level:<4}  {check.name}: {check.detail}{fix}")
    return EXIT_INVALID if has_failed else EXIT_PARITY


def show_version() -> None:
    """Write the version of this project."""
    say.line(f"compare {importlib.metadata.version('rl-parity')}")


def find_result(result: str, results: Path) -> Path:
    """Return the folder of a stored comparison, given as a path or by name.

    Raises:
        UnknownName: there is no such comparison; names the nearest.
        UsageError: there is none at all.
    """
    for folder in (Path(result), results / "comparisons" / result):
        if (folder / "comparison.json").is_file():
            return folder.absolute()
    stored = sorted((results / "comparisons").glob("*/comparison.json"))
    names = [file.parent.name for file in stored]
    if not names:
        message = (
            f"{result!r} is no stored comparison, and {results} holds none\n"
            "Give the folder that `compare` printed, or --results where they are."
        )
        raise UsageError(message)
    raise UnknownName(kind="comparison", name=result, valid=names, where=str(results))


def _settings() -> dict[str, Json]:
    """Return `[tool.compare]`; pydantic is imported only when there is such a table."""
    from harness.spec.pyproject import find_table

    if find_table(Path.cwd()) is None:
        return {}
    from harness.spec.settings import read_settings

    return read_settings(Path.cwd())


def _resolve(merged: Mapping[str, Json]) -> ComparisonSpec:
    request = options.to_request(merged)
    from harness.plan.identity import identify
    from harness.spec.resolve import resolve

    spec = resolve(request, identify=identify)
    _check_tap_maps(spec)
    return spec


def _check_tap_maps(spec: ComparisonSpec) -> None:
    """Raise when a tap map does not fit the source of its side, before anything is run."""
    from harness.modules import locate_module
    from harness.run.tapplaces import map_lines

    for side in (spec.mine, spec.reference):
        if side.tap_map is not None:
            map_lines(Path(side.tap_map), locate_module)


def _compare(spec: ComparisonSpec, running: Running) -> int:
    from harness import pipeline
    from harness.report.progress import make_sink

    with make_sink(say.console(sys.stderr), quiet=running.is_quiet) as progress:
        result = pipeline.compare(
            spec, results=running.results, jobs=running.jobs, progress=progress
        )
    return _show(result, is_json=running.is_json)


def _show(result: CompareResult, *, is_json: bool) -> int:
    """Write the result to stdout and return the exit code of its verdict."""
    if is_json:
        say.line((result.folder / "report.json").read_text(encoding="utf-8").rstrip("\n"))
    else:
        from harness.report.terminal import render

        console = say.console(sys.stdout)
        width = min(console.width, say.PLAIN_WIDTH)
        console.print(render(result.judgement, width=width, folder=str(result.folder)))
    return EXIT_CODES[result.judgement.verdict]
