"""False alarms: runs of the reference against other runs of it. Every DIVERGED is false."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.calibrate.ledger import Record, Task, key_of
from harness.calibrate.plan import Cell
from harness.calibrate.pool import spec_of
from harness.calibrate.rates import rate
from harness.calibrate.shared import BATCH, JUDGING, Work, cell_runs, code_version, find_cell
from harness.calibrate.worlds import gathered, judged, split
from harness.judge import LookJudgement
from harness.localise import differing_facts, differing_sanity

LEVELS = ("facts", "sanity", "traces", "curves", "probes")
PROBE_TIER = "probe"


def tasks(at: Work) -> list[Task]:
    """Return the batches of comparisons of every group whose cells have enough runs."""
    found = []
    for group in at.plan.sections["false-alarms"]["groups"]:
        cells = [find_cell(group["algo"], env, at.plan.cells) for env in group["envs"]]
        known = [cell for cell in cells if cell is not None]
        if len(known) < len(cells) or not _is_enough(at, known, group["budget"]):
            continue
        n = at.plan.trials("false-alarms")
        for start in range(0, n, BATCH):
            words = f"{group['algo']} {'+'.join(group['envs'])} {group['budget']}"
            key = key_of(
                "alarms", words, start, min(BATCH, n - start), [vars(cell) for cell in known]
            )
            arguments = (at.work, tuple(known), group["budget"], start, min(BATCH, n - start))
            found.append(Task(f"{words}, from {start}", key, trial_batch, arguments))
    return found


def _is_enough(at: Work, cells: Sequence[Cell], budget: str) -> bool:
    """Return whether both sides of the last look can be drawn from every cell's pool."""
    needed = 2 * spec_of(cells[0].algo, cells, budget=budget).looks[-1]
    return all(at.pool.count(cell) >= needed for cell in cells)


def trial_batch(
    work: Path, cells: tuple[Cell, ...], budget: str, start: int, n_trials: int
) -> Record:
    """Return verdicts and the levels that alarmed of comparisons number `start` and on."""
    spec = spec_of(cells[0].algo, cells, budget=budget)
    pools = {cell.env: cell_runs(work, cell) for cell in cells}
    verdicts, levels, n_seeds = [], [], []
    for number in range(start, start + n_trials):
        rng = generator("alarms", *(cell.name for cell in cells), budget, number)
        chosen = {env: split(rng, len(runs), spec.looks[-1]) for env, runs in pools.items()}
        looks = judged(spec, gathered(pools, chosen))
        verdicts.append(looks[-1].decision.verdict)
        levels.append(sorted(alarming(looks[-1])))
        n_seeds.append(looks[-1].row.n_mine)
    return {
        "group": f"{cells[0].algo}: {', '.join(cell.env for cell in cells)}; {budget}",
        "code": code_version(*JUDGING),
        "verdicts": verdicts,
        "levels": levels,
        "seeds": n_seeds,
    }


def generator(*parts: object) -> np.random.Generator:
    """Return a generator that depends on the names alone: a stopped run goes on the same way."""
    return np.random.default_rng(zlib.crc32("|".join(map(str, parts)).encode()))


def alarming(look: LookJudgement) -> set[str]:
    """Return the levels on which a look found a difference."""
    compared = look.compared
    found: set[str] = set()
    if differing_facts(compared.facts):
        found.add("facts")
    if any(not row.waived for row in differing_sanity(compared.sanity)):
        found.add("sanity")
    for env in compared.envs:
        for test in env.metrics:
            if test.is_significant and not test.waived:
                family = "curves" if test.family == "curve" else "traces"
                found.add("probes" if env.tier == PROBE_TIER else family)
    return found


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return rates of DIVERGED: of all comparisons, per level and per group."""
    verdicts = [one for record in records for one in record["verdicts"]]
    levels = [set(one) for record in records for one in record["levels"]]
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(record["group"], []).extend(record["verdicts"])
    return {
        "all": _row(verdicts),
        "levels": {
            level: vars(rate(sum(level in one for one in levels), len(levels))) for level in LEVELS
        },
        "groups": {name: _row(found) for name, found in groups.items()},
    }


def _row(verdicts: Sequence[str]) -> Mapping[str, Any]:
    found = rate(verdicts.count("diverged"), len(verdicts))
    return {**vars(found), "parity": verdicts.count("parity")}
