"""Measure the error rates of harness.stats by simulation and write the table of docs/statistics.md.

    python -m benchmarks.stats.calibrate [--scale 0.01] [--seconds 600] [--results DIR] [--docs
    FILE]

Resumable: counts are stored after every round, a further call goes on where the last one ended.
Every batch has its own generator, derived from the cell's name and the batch number.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # tiny matrices: threads only get in the way

import numpy as np
import scipy
from scipy.stats import binomtest

from benchmarks.stats.cells import Cell, all_cells

ROOT = Path(__file__).parents[2]
SCHEMA = 1
BATCH = 50
MARKERS = ("<!-- calibration: begin -->", "<!-- calibration: end -->")
Counts = dict[str, dict[str, int]]


def calibrate(cells: Sequence[Cell], counts: Counts, *, scale: float, seconds: float) -> bool:
    """Add batches to `counts`, all cells in turn, until full or out of time; say whether full."""
    end = time.monotonic() + seconds
    is_full = False
    while not is_full and time.monotonic() < end:
        is_full = True
        for cell in cells:
            found = counts.setdefault(cell.name, {"events": 0, "counted": 0, "trials": 0})
            missing = max(1, round(cell.n_trials * scale)) - found["trials"]
            if missing > 0 and time.monotonic() < end:
                _add_batch(cell, found, n_trials=min(BATCH, missing))
            is_full &= missing <= BATCH
    return is_full


def _add_batch(cell: Cell, found: dict[str, int], *, n_trials: int) -> None:
    key = [zlib.crc32(cell.name.encode()), found["trials"]]
    rng = np.random.default_rng(np.random.SeedSequence(key))
    outcomes = [cell.trial(rng) for _ in range(n_trials)]
    found["trials"] += n_trials
    found["counted"] += sum(outcome is not None for outcome in outcomes)
    found["events"] += sum(bool(outcome) for outcome in outcomes)


def table(cells: Sequence[Cell], counts: Counts) -> str:
    """Return the results as a markdown table with exact (Clopper-Pearson) 95 % intervals."""
    lines = [
        "| what | world | rate | 95 % interval | counted of trials |",
        "|---|---|---|---|---|",
    ]
    for cell in cells:
        found = counts.get(cell.name, {"events": 0, "counted": 0, "trials": 0})
        rate, interval = "-", "-"
        if found["counted"]:
            test = binomtest(found["events"], found["counted"])
            limits = test.proportion_ci(0.95)
            rate = f"{100 * test.statistic:.1f} %"
            interval = f"{100 * limits.low:.1f} - {100 * limits.high:.1f} %"
        size = f"{found['counted']} of {found['trials']}"
        lines.append(f"| {cell.kind} | {cell.world} | {rate} | {interval} | {size} |")
    return "\n".join(lines)


def rewrite_table(docs: Path, text: str, markers: tuple[str, str] = MARKERS) -> None:
    """Replace what stands between the markers of the docs page.

    Raises:
        ValueError: the page lacks the markers.
    """
    page = docs.read_text(encoding="utf-8")
    if any(page.count(marker) != 1 for marker in markers):
        msg = f"{docs} must hold each of {markers} once"
        raise ValueError(msg)
    head, rest = page.split(markers[0])
    tail = rest.split(markers[1])[1]
    docs.write_text(f"{head}{markers[0]}\n{text}\n{markers[1]}{tail}", encoding="utf-8")


def load_counts(file: Path) -> Counts:
    """Return the stored counts; none when there is no file or it has another schema."""
    if not file.exists():
        return {}
    stored: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return dict(stored["cells"]) if stored.get("schema") == SCHEMA else {}


def store_counts(file: Path, counts: Counts) -> None:
    """Write the counts atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    stored = {"schema": SCHEMA, "versions": versions, "cells": counts}
    partial_file = file.with_suffix(".part")
    partial_file.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial_file.replace(file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the calibration as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full trials")
    parser.add_argument("--seconds", type=float, default=600.0, help="stop after this time")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "calibration")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "statistics.md")
    parser.add_argument("--only", default="", help="only cells whose name holds this text")
    chosen = parser.parse_args(arguments)
    file = chosen.results / "stats.json"
    counts = load_counts(file)
    cells = [cell for cell in all_cells() if chosen.only in cell.name]
    end = time.monotonic() + chosen.seconds
    is_full = False
    while not is_full and time.monotonic() < end:
        left = end - time.monotonic()
        is_full = calibrate(cells, counts, scale=chosen.scale, seconds=min(20.0, left))
        store_counts(file, counts)
        rewrite_table(chosen.docs, table(all_cells(), counts))
        done = sum(found["trials"] for found in counts.values())
        print(f"{done} trials stored in {file}", flush=True)
    print("complete" if is_full else "out of time; the same command goes on from here")


if __name__ == "__main__":
    main()
