"""Two mistakes at once: one must not hide the other.

Pairs are drawn from mistakes of one file that show in different quantities when they are alone, as
the detection found, and that can both be planted.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from harness.calibrate.bugs import Planted
from harness.calibrate.detection import Asked, ask_ahead
from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.rates import rate
from harness.calibrate.shared import SEARCHING, Work, code_version
from harness.errors import CompareError, UsageError

# The draw of the pairs; any other seed would do.
SEED = 0
# Levels whose quantities are those of the segment test.
REPLAYED = ("segment", "draw")


def tasks(at: Work, rows: Sequence[Planted], alone: Sequence[Record]) -> list[Task]:
    """Return one task per pair.

    Args:
        alone: what the detection found of each mistake.
    """
    shown = {one["name"]: one["quantity"] for one in alone if one["level"] in REPLAYED}
    budget = at.plan.sections["detection"]["budget"]
    chosen = islice(_pairs(rows, shown), at.plan.trials("detection", "pairs"))
    return [
        Task(both.name, key_of("pair", both.patched(), budget), named, (at.work, both, budget, of))
        for both, of in chosen
    ]


def _pairs(
    rows: Sequence[Planted], shown: Mapping[str, str]
) -> Iterator[tuple[Planted, Mapping[str, str]]]:
    """Yield (both as one change, mistake -> quantity that it shows in alone), in a random order."""
    bugs = [row for row in rows if row.kind == "bug" and row.name in shown]
    every = [
        (a, b)
        for a, b in combinations(bugs, 2)
        if (a.file, a.inside) == (b.file, b.inside) and shown[a.name] != shown[b.name]
    ]
    random.Random(SEED).shuffle(every)
    for a, b in every:
        together = _together(a, b)
        if together is not None:
            yield together, {one.name: shown[one.name] for one in (a, b)}


def _together(a: Planted, b: Planted) -> Planted | None:
    """Return both changes as one, or None where one leaves no place for the other."""
    try:
        text = b.patched(a.patched())
        compile(text, a.name, "exec")
    except (UsageError, SyntaxError):
        return None
    clean = a.inside.read_text(encoding="utf-8")
    return replace(a, id=f"{a.id} + {b.id}", changes=((clean, text),), mutation={})


def named(work: Path, both: Planted, budget: str, alone: Mapping[str, str]) -> Record:
    """Return which of two mistakes are named by the quantity that each shows in alone."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        try:
            asked = ask_ahead(work, both, both.plant(Path(folder)), budget)
        except CompareError as error:
            asked = Asked(reason=str(error))
    quantities = {one.quantity for one in asked.findings}
    return {
        "algo": both.algo,
        "code": code_version(*SEARCHING),
        "named": {name: quantity in quantities for name, quantity in alone.items()},
        "reason": asked.reason[:300],
    }


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return how often both were named, and which were not."""
    lacking = [
        {"with": sorted({*one["named"]} - {name}), "name": name, "reason": one["reason"]}
        for one in records
        for name, is_named in one["named"].items()
        if not is_named
    ]
    both = sum(all(one["named"].values()) for one in records)
    return {"both": vars(rate(both, len(records))), "lacking": lacking}
