"""Options of `compare` -> Request: command line over `[tool.compare]` over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import UsageError
from harness.records import Json
from harness.spec.cards import algos
from harness.spec.hyperparameters import split_assignments
from harness.spec.request import DEFAULT_ALPHA, DEFAULT_MARGIN, Request
from harness.spec.tiers import DEFAULT_BUDGET

Number = TypeVar("Number", int, float)

DEFAULT_ENVS = "easy"
DEFAULT_RESULTS = "results"
# More runs side by side are a mistake of typing; each holds a process and some 0.4 GB.
MAX_JOBS = 1_000


@dataclass(frozen=True)
class Running:
    """How to run and to show, beside what is compared.

    Attributes:
        jobs: runs trained side by side. results: root of the store.
    """

    jobs: int
    results: Path
    is_quiet: bool
    is_json: bool
    is_dry: bool


def merge(given: Mapping[str, Json], settings: Mapping[str, Json]) -> dict[str, Json]:
    """Return the options in force: those given on the command line, else those of the settings.

    `set` is merged name by name; options that are None were not given.
    """
    on_line = {name: value for name, value in given.items() if value is not None}
    merged = {**settings, **on_line}
    hyperparameters = {**settings.get("set", {}), **split_assignments(on_line.get("set", ()))}
    if hyperparameters:
        merged["set"] = hyperparameters
    return merged


def to_request(options: Mapping[str, Json]) -> Request:
    """Return the request that merged options make.

    Raises:
        UsageError: no algorithm is named, or a word of `--set` is malformed.
    """
    if "algo" not in options:
        message = (
            f"--algo is missing; algorithms: {', '.join(algos())}\n"
            "Example: compare --algo dqn --envs easy"
        )
        raise UsageError(message)
    return Request(
        algo=options["algo"],
        envs=_words(options.get("envs", DEFAULT_ENVS)),
        mine=options.get("mine"),
        reference=options.get("reference"),
        mine_taps=options.get("mine_taps"),
        reference_taps=options.get("reference_taps"),
        waivers=options.get("waivers"),
        seeds=_text(options.get("seeds")),
        total_timesteps=_text(options.get("total_timesteps")),
        budget=options.get("budget", DEFAULT_BUDGET),
        settings=options.get("set", {}),
        alpha=_number(options.get("alpha", DEFAULT_ALPHA), float, "--alpha", "an error rate"),
        margin=str(options.get("margin", DEFAULT_MARGIN)),
        device=options.get("device", "cpu"),
        is_paired=options.get("paired", False),
        keep_going=options.get("keep_going", False),
        difference_test=options.get("difference_test", "max-t"),
        asked=_asked(options),
    )


def to_running(options: Mapping[str, Json], *, is_json: bool, is_dry: bool) -> Running:
    """Return how to run, from merged options.

    Raises:
        UsageError: fewer than one job, or a results folder that is a file.
    """
    jobs = _number(options.get("jobs", n_cores()), int, "--jobs", "a whole number")
    results = Path(options.get("results", DEFAULT_RESULTS))
    if not 1 <= jobs <= MAX_JOBS:
        bounds = "at least 1" if jobs < 1 else f"at most {MAX_JOBS}"
        message = f"--jobs expected {bounds}, got {jobs}\nLeave it out for one job per core."
        raise UsageError(message)
    _check_results(options.get("results", DEFAULT_RESULTS))
    is_quiet = bool(options.get("quiet")) or is_json
    return Running(jobs, results, is_quiet=is_quiet, is_json=is_json, is_dry=is_dry)


def _check_results(word: str) -> None:
    """Raise unless the word names a folder, or one that could be made."""
    if not word.strip():
        message = "--results names no folder\nGive one, or leave it out for ./results."
        raise UsageError(message)
    path = Path(word).absolute()
    try:
        file = next((place for place in (path, *path.parents) if place.is_file()), None)
    except OSError as error:
        message = f"--results {word[:80]}: {error.strerror}\nGive the path of another folder."
        raise UsageError(message) from error
    if file is not None:
        shown = word if file == path else f"{word}: {file}"
        message = f"--results {shown} is a file\nGive a folder; it is made when missing."
        raise UsageError(message)


def n_cores() -> int:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _asked(options: Mapping[str, Json]) -> dict[str, Json]:
    """Return what concerns the comparison itself, not how it is run or shown."""
    beside = ("jobs", "results", "quiet")
    return {name: value for name, value in options.items() if name not in beside}


def _number(value: Json, kind: type[Number], option: str, expected: str) -> Number:
    """Return a number that was given as one or as text."""
    try:
        return kind(value)
    except ValueError as error:
        message = f"{option} expected {expected}, got {value!r}\nSee: compare --help"
        raise UsageError(message) from error


def _words(envs: str | list[str]) -> tuple[str, ...]:
    parts = [envs] if isinstance(envs, str) else envs
    words = (word.strip() for part in parts for word in part.split(","))
    return tuple(word for word in words if word)


def _text(value: Json) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):  # the comma at the end keeps a list of one a list
        return "".join(f"{item}," for item in value)
    return str(value)
