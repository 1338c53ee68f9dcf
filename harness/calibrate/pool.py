"""The pool: runs of the reference, trained once, from which comparisons with itself are drawn.

A cell's runs are listed in `pool.json` of the working folder and are used as long as they verify,
also when the harness has changed since: what a run of the reference is worth does not change with
the code that judges it. Runs of two references (other versions, another tap map) are never mixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.calibrate.plan import Cell
from harness.cli import options
from harness.codec import from_plain, to_plain
from harness.errors import CorruptResult
from harness.files import write_atomic
from harness.plan.identity import identify
from harness.plan.plan import plan_run
from harness.records import ComparisonSpec, RunRecord, RunSpec, Trace
from harness.run.executor import LocalExecutor
from harness.run.limits import Limits
from harness.spec.references import default_reference
from harness.spec.resolve import resolve
from harness.store.store import Store

MANIFEST = "pool.json"


@dataclass(frozen=True)
class PoolRun:
    """One run of the reference."""

    record: RunRecord
    trace: Trace


def spec_of(
    algo: str, cells: Sequence[Cell], *, budget: str, mine: str | None = None
) -> ComparisonSpec:
    """Return the comparison of an algorithm's cells, as the command line would ask for it.

    Args:
        mine: a side as attached; None is the reference itself.
    """
    asked = {"algo": algo, "envs": [cell.env for cell in cells], "budget": budget}
    request = options.to_request({**asked, "mine": mine or default_reference(algo)})
    spec = resolve(request, identify=identify)
    lengths = {cell.env: cell.total_timesteps for cell in cells}
    return with_lengths(spec, lengths)


def with_lengths(spec: ComparisonSpec, lengths: Mapping[str, int]) -> ComparisonSpec:
    """Return the comparison with other numbers of env steps per run."""
    envs = tuple(replace(env, total_timesteps=lengths[env.env_id]) for env in spec.envs)
    return replace(spec, envs=envs)


class Pool:
    """The runs of every cell, on disk below a working folder."""

    def __init__(self, work: Path) -> None:
        self._store = Store(work)
        self._manifest = work / MANIFEST
        self._traces: dict[str, Trace] = {}

    def runs(self, cell: Cell) -> tuple[PoolRun, ...]:
        """Return the runs of a cell that are there and verify, in order of seeds."""
        return tuple(PoolRun(record, self._load(record.spec)) for record in self._listed(cell))

    def count(self, cell: Cell) -> int:
        """Return how many runs of a cell are listed."""
        return len(self._listed(cell))

    def train(
        self,
        cells: Sequence[Cell],
        *,
        seeds: int,
        jobs: int,
        say: Callable[[str], None],
        is_over: Callable[[], bool],
    ) -> None:
        """Train what is missing, seed by seed over all cells, until time is over."""
        missing = [
            (cell, run)
            for seed in range(seeds)
            for cell in cells
            if len(self._listed(cell)) < seeds
            for run in (_planned(cell, seed),)
            if run.key not in {record.spec.key for record in self._listed(cell)}
        ]
        owners = {run.key: cell for cell, run in missing}
        waiting = [run for _, run in missing]
        with LocalExecutor(self._store, jobs=jobs, limits=Limits()) as executor:
            while (waiting and not is_over()) or executor.pending():
                while waiting and len(executor.pending()) < jobs and not is_over():
                    executor.submit(waiting.pop(0))
                if not executor.pending():
                    return
                record = executor.next_finished()
                cell = owners[record.spec.key]
                if record.is_usable:
                    self._list(cell, record)
                say(f"{cell.name}, seed {record.spec.seed}: {record.outcome.value}")

    def _load(self, run: RunSpec) -> Trace:
        if run.key not in self._traces:
            self._traces[run.key] = self._store.load(run)
        return self._traces[run.key]

    def _listed(self, cell: Cell) -> list[RunRecord]:
        rows = self._read().get(_name(cell), [])
        records = [from_plain(RunRecord, row) for row in rows]
        return sorted(records, key=lambda record: record.spec.seed)

    def _list(self, cell: Cell, record: RunRecord) -> None:
        """Add a run; runs of another reference than the new one's leave the list."""
        manifest = self._read()
        same = [one for one in self._listed(cell) if _origin(one.spec) == _origin(record.spec)]
        kept = [one for one in same if one.spec.key != record.spec.key]
        manifest[_name(cell)] = [to_plain(one) for one in (*kept, record)]
        write_atomic(self._manifest, json.dumps(manifest).encode())

    def _read(self) -> dict[str, list[dict[str, object]]]:
        if not self._manifest.is_file():
            return {}
        try:
            return dict(json.loads(self._manifest.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            message = f"{self._manifest} is damaged; remove it, the runs are found again"
            raise CorruptResult(message) from error


def _name(cell: Cell) -> str:
    return f"{cell.algo}|{cell.env}|{cell.total_timesteps}"


def _origin(run: RunSpec) -> object:
    return run.side.source_digest, dict(run.side.versions), dict(run.fingerprint)


def _planned(cell: Cell, seed: int) -> RunSpec:
    spec = spec_of(cell.algo, [cell], budget="quick")
    return plan_run(spec, spec.envs[0], role="reference", seed=seed)


def train_side(work: Path, cell: Cell, side: str, *, seeds: int) -> tuple[PoolRun, ...]:
    """Train another side in a cell, as attached; return its usable runs in order of seeds."""
    spec = spec_of(cell.algo, [cell], budget="quick", mine=side)
    store = Store(work)
    runs = [plan_run(spec, spec.envs[0], role="mine", seed=seed) for seed in range(seeds)]
    with LocalExecutor(store, jobs=1, limits=Limits()) as executor:
        for run in runs:
            executor.submit(run)
        records = []
        while executor.pending():
            records.append(executor.next_finished())
    usable = sorted((one for one in records if one.is_usable), key=lambda one: one.spec.seed)
    return tuple(PoolRun(record, store.load(record.spec)) for record in usable)
