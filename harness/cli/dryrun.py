"""`--dry-run`: each planned run, whether it is stored or why not, and the estimated time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cli.options import Running
from harness.cli.say import aligned, duration
from harness.codec import from_json
from harness.plan.estimate import Speed, measured_speed, run_time_s, total_time_s
from harness.plan.plan import PlannedRun, runs_of_look
from harness.plan.reason import reason_not_cached
from harness.records import ComparisonSpec, RunRecord, RunSpec
from harness.spec.tiers import budget_row
from harness.store.store import Store
from harness.store.trace import SPEC_FILE


@dataclass(frozen=True)
class _Row:
    """One planned run; `reason` is empty for a stored one, whose time is 0."""

    planned: PlannedRun
    look: int
    reason: str
    time_s: float


def dry_run(spec: ComparisonSpec, running: Running) -> str:
    """Return the plan as text, or as JSON when asked; trains nothing and writes nothing."""
    stored = _stored_like(spec, Store(running.results))
    speed = measured_speed(stored, _listed_speed)
    rows = _rows(spec, stored, speed)
    return _as_json(spec, rows, running) if running.is_json else _as_text(spec, rows, running)


def _rows(spec: ComparisonSpec, stored: Sequence[RunRecord], speed: Speed) -> list[_Row]:
    keys = {record.spec.key for record in stored}
    specs = [record.spec for record in stored]
    looks = {seed: look for look, seed in _first_look(spec)}
    rows = []
    for planned in runs_of_look(spec, spec.looks[-1]):
        run = planned.run
        reason = "" if run.key in keys else reason_not_cached(run, specs)
        time_s = run_time_s(run, speed) if reason else 0.0
        rows.append(_Row(planned, looks[run.seed], reason, time_s))
    return sorted(rows, key=lambda row: row.look)


def _first_look(spec: ComparisonSpec) -> list[tuple[int, int]]:
    """Return (look, seed): at which look, counted from 1, each seed is first needed."""
    return [
        (next(k for k, n in enumerate(spec.looks, 1) if index < n), seed)
        for index, seed in enumerate(spec.seeds[: spec.looks[-1]])
    ]


def _stored_like(spec: ComparisonSpec, store: Store) -> list[RunRecord]:
    """Return the usable stored runs of the same sides and environments."""
    sides = {spec.mine.name, spec.reference.name}
    env_ids = {env.env_id for env in spec.envs}
    found = []
    for file in sorted((store.root / "runs").glob(f"*/*/{SPEC_FILE}")):
        run = _read_spec(file)
        is_like = run is not None and run.side.name in sides and run.env_id in env_ids
        record = store.find(run) if run is not None and is_like else None
        if record is not None:
            found.append(record)
    return found


def _read_spec(file: Path) -> RunSpec | None:
    try:
        return from_json(RunSpec, file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # damaged: training would replace it
        return None


def _listed_speed(algo: str, env_id: str) -> float:
    return budget_row(algo, env_id).env_steps_per_s


def _as_text(spec: ComparisonSpec, rows: Sequence[_Row], running: Running) -> str:
    table = [["look", "side", "environment", "seed", "env steps", "stored?", "time"]]
    table += [_cells(row) for row in rows]
    lines = [aligned(table), ""]
    for look, n_seeds in enumerate(spec.looks, 1):
        time_s = _time_until(rows, look, running)
        until = "at most " if look == len(spec.looks) else ""
        lines.append(f"until look {look} ({n_seeds} seeds per side): {until}{duration(time_s)}")
    n_missing = sum(1 for row in rows if row.reason)
    lines.append(
        f"{len(rows)} runs planned, {len(rows) - n_missing} stored, {n_missing} to train, "
        f"{running.jobs} side by side; training ends as soon as the verdict is decided"
    )
    return "\n".join(lines)


def _cells(row: _Row) -> list[str]:
    run = row.planned.run
    state = f"no: {row.reason}" if row.reason else "yes"
    steps = f"{run.total_timesteps:,}"
    time = duration(row.time_s) if row.reason else "-"
    return [str(row.look), row.planned.role, run.env_id, str(run.seed), steps, state, time]


def _as_json(spec: ComparisonSpec, rows: Sequence[_Row], running: Running) -> str:
    runs = [
        {
            "key": row.planned.run.key,
            "look": row.look,
            "role": row.planned.role,
            "side": row.planned.run.side.name,
            "env_id": row.planned.run.env_id,
            "seed": row.planned.run.seed,
            "total_timesteps": row.planned.run.total_timesteps,
            "is_cached": not row.reason,
            "reason": row.reason,
            "estimated_s": round(row.time_s, 1),
        }
        for row in rows
    ]
    estimated = round(_time_until(rows, len(spec.looks), running), 1)
    return json.dumps({"runs": runs, "jobs": running.jobs, "estimated_s": estimated}, indent=2)


def _time_until(rows: Sequence[_Row], look: int, running: Running) -> float:
    """Return the seconds until everything up to a look is trained."""
    missing = {row.planned.run.key: row for row in rows if row.reason and row.look <= look}
    return total_time_s((row.time_s for row in missing.values()), jobs=running.jobs)
