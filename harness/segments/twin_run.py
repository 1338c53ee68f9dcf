"""The twin run of one environment: the reference recorded, then followed by mine and by itself."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.children import Children
from harness.codec import from_plain
from harness.judgement import SegmentRow, TwinRow
from harness.records import STAGES, EnvPlan, Json, SideSpec
from harness.segments.distances import CHOICES
from harness.segments.names import GREEDY
from harness.segments.quantities import Quantity, quantities_of
from harness.segments.run import run_child
from harness.segments.tape import Tape
from harness.side import Call
from harness.spec.cards import card
from harness.stats.drift import (
    Band,
    Departure,
    band_of,
    departed_choices,
    departed_count,
    departure_of,
    informative_until,
    relative,
)

# Nudged runs of the reference that span the band.
N_NUDGES = 2
# A training run of the easy tier takes a minute here; hooks and records make it slower. Whoever
# follows the record gets so many times its duration, and never less than the second number.
TIME_LIMIT_S, TIMES_RECORD, LEAST_S = 3600.0, 10.0, 120.0
COURSE_POINTS = 200
# What a child runs.
MODULE = "harness.segments.twin_child"
# Env steps repeated piece by piece before a departure, at least.
WINDOW = 20

Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TwinTask:
    """What one twin run is asked to do.

    Attributes:
        choices: module tap -> which of several matchings of its parameters agreed in the segments.
        handed_on: checks that carry draws which mine does not tap (a minibatch without its rows).
    """

    algo: str
    mine: SideSpec
    reference: SideSpec
    plan: EnvPlan
    seed: int
    choices: Mapping[str, int] = field(default_factory=dict)
    handed_on: tuple[str, ...] = ()

    @property
    def call(self) -> dict[str, Json]:
        """The call of both sides, as plain values."""
        plan = self.plan
        call = Call(
            self.algo,
            plan.env_id,
            self.seed,
            plan.total_timesteps,
            plan.n_envs,
            dict(plan.hyperparameters),
            idle=plan.idle,
        )
        return asdict(call)


@dataclass(frozen=True)
class _Room:
    """Where children work and how long one may take; settles_at: env step of the first update."""

    folder: Path
    children: Children
    time_limit_s: float = TIME_LIMIT_S
    settles_at: int = 0


@dataclass(frozen=True)
class Twinned:
    """A twin run, and the bands that it was judged by: quantity -> what nudged references did."""

    row: TwinRow
    bands: Mapping[str, Band] = field(default_factory=dict)


def run_twin(task: TwinTask, *, jobs: int, bands: Mapping[str, Band] | None = None) -> Twinned:
    """Return how mine did under the reference's draws; never raises for what a side does.

    Args:
        bands: of an earlier run with the same reference and the same call; None: measured now.
    """
    base = TwinRow(task.plan.env_id, task.seed, "not run")
    with tempfile.TemporaryDirectory(prefix="twin-") as folder:
        room, started_s = _Room(Path(folder), Children()), time.monotonic()
        record = _child(task, room, "record")
        problem = _problem("reference", record)
        if problem:
            return Twinned(replace(base, detail=problem, is_invalid=True))
        n_nudges = N_NUDGES if bands is None else 0
        followers = [
            ("mine", None),
            *((f"nudged {k}", k) for k in range(1, n_nudges + 1)),
        ]
        patience_s = max(LEAST_S, TIMES_RECORD * (time.monotonic() - started_s))
        room = replace(room, time_limit_s=patience_s, settles_at=record["first_update"])
        answers = room.children.side_by_side(
            lambda one: _child(task, room, "follow", nudge_seed=one[1]), followers, jobs=jobs
        )
        for (role, _), answer in zip(followers, answers, strict=True):
            problem = _problem(role, answer)
            if problem:
                return Twinned(replace(base, detail=problem, is_invalid=True))
        mine, *nudged = (_columns(Path(folder) / _file_of(nudge)) for _, nudge in followers)
        choices = _choices(Path(folder) / _file_of(None))
    if bands is None:
        names = dict.fromkeys(name for run in nudged for name in run)
        bands = {name: band_of([run[name] for run in nudged if name in run]) for name in names}
    run = _Run(record, answers[0], mine, choices)
    found = _judged(task, base, run, bands)
    if found.status == "departed":
        found = _in_pieces(replace(task, choices=answers[0]["choices"]), found, mine)
    return Twinned(found, bands)


@dataclass(frozen=True)
class _Run:
    """What the record and mine's own child said, and how far mine was from the record."""

    record: Mapping[str, Any]
    answer: Mapping[str, Any]
    mine: Columns
    choices: NDArray[np.float64]


def _child(
    task: TwinTask, room: _Room, what: str, *, nudge_seed: int | None = None
) -> dict[str, Any]:
    request = request_of(task, room.folder, what, nudge_seed=nudge_seed)
    request["settles_at"] = room.settles_at
    return run_child(room.children, MODULE, request, time_limit_s=room.time_limit_s)


def request_of(
    task: TwinTask, folder: Path, what: str, *, nudge_seed: int | None = None
) -> dict[str, Any]:
    """Return what a child is asked to "record" or "follow"; a nudged follower is the reference."""
    is_mine = what == "follow" and nudge_seed is None
    return {
        "task": what,
        "side": asdict(task.mine if is_mine else task.reference),
        "call": task.call,
        "record": str(folder / "record.tape"),
        "also": task.handed_on,
        "choices": dict(task.choices) if is_mine else {},
        "nudge_seed": nudge_seed,
        "distances": str(folder / _file_of(nudge_seed)),
    }


def _file_of(nudge_seed: int | None) -> str:
    return f"distances-{nudge_seed or 0}.npz"


def _problem(role: str, answer: Mapping[str, Any]) -> str:
    if "failure" in answer:
        return f"{role}: {answer['failure']}"
    if answer["error"]:
        return f"{role} raised: {answer['error']}"
    if answer["problems"]:
        return f"{role}: a value could not be read: {answer['problems'][0]}"
    return ""


def _columns(path: Path) -> Columns:
    """Return quantity -> (n, 3): env step, update, distance."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: relative(arrays[name]) for name in arrays.files if name != CHOICES}


def _choices(path: Path) -> NDArray[np.float64]:
    """Return (n, 3): env step, whether mine's own and the record's action were the greedy one."""
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays[CHOICES]) if CHOICES in arrays.files else np.empty((0, 3))


def _judged(task: TwinTask, base: TwinRow, run: _Run, bands: Mapping[str, Band]) -> TwinRow:
    record, answer, mine = run.record, run.answer, run.mine
    quantities = _compared(task, record, bands)
    n_common = min(answer["env_steps"], record["env_steps"])
    is_whole = answer["env_steps"] >= task.plan.total_timesteps
    end = n_common if is_whole and not record["is_cut"] else record["env_steps"]
    departures = [one for q in quantities if (one := _departure(q, run, bands, end)) is not None]
    chosen = departed_choices(GREEDY, run.choices[run.choices[:, 0] <= end])
    departures += [chosen] if chosen is not None and not departures else []
    parameters = [f"{owner}_after" for owner in record["owners"]]
    until = min(float(end), informative_until(_of(mine, parameters)))
    told = replace(
        base,
        status="inside",
        env_steps=int(until),
        updates=max((int((one[:, 0] <= until).sum()) for one in _of(mine, parameters)), default=0),
        n_quantities=sum(q.name in mine for q in quantities),
        detail=_detail(until, end, record),
        course=_course(mine, bands, (*parameters, *(q.name for q in quantities))[0]),
    )
    if not departures:
        return told
    order = {q.name: (STAGES.index(q.stage), i) for i, q in enumerate(quantities)}
    first = min(departures, key=lambda one: (one.env_step, one.update, order[one.quantity]))
    by_name = {q.name: q for q in quantities}
    return replace(
        told,
        status="departed",
        quantity=first.quantity,
        component=by_name[first.quantity].component,
        update=first.update,
        env_step=first.env_step,
        size=first.distance,
        band=first.band,
        course=_course(mine, bands, first.quantity),
        mine_place=answer["sites"].get(first.quantity, ""),
        reference_place=record["sites"].get(first.quantity, ""),
    )


def _of(columns: Columns, names: Sequence[str]) -> list[NDArray[np.float64]]:
    return [columns[name] for name in names if name in columns]


def _compared(
    task: TwinTask, record: Mapping[str, Any], known: Collection[str]
) -> tuple[Quantity, ...]:
    """Return what is compared: everything computed that nudged references have, in data flow."""
    tape = Tape(events={name: {(0,): None} for name in known}, owners=list(record["owners"]))  # type: ignore[dict-item]
    every = quantities_of(card(task.algo), tape, tape)
    after = tuple(
        Quantity(f"{owner}_after", "gradient-optimiser", "step") for owner in record["owners"]
    )
    greedy = (Quantity(GREEDY, "exploration", "collect"),)
    handed_on = {q.name for q in every if q.is_random} | set(task.handed_on)
    chosen = [q for q in (*greedy, *every, *after) if q.name not in handed_on and not q.is_silent]
    chosen = [q for q in chosen if q.name in known]
    return tuple(sorted(chosen, key=lambda q: STAGES.index(q.stage)))


def _departure(
    quantity: Quantity, run: _Run, bands: Mapping[str, Band], end: int
) -> Departure | None:
    """Return where a quantity departs within the common part; its events, if they are counted."""
    empty = np.empty((0, 3))
    own = run.mine.get(quantity.name, empty)
    own = own[own[:, 0] <= end]
    if quantity.counts:
        known = np.array(run.record["counted"].get(quantity.name, ()), dtype=np.float64)
        counted = departed_count(quantity.name, own[:, 0], known[known <= end])
        if counted is not None:
            return counted
    own = own[own[:, 2] < np.inf] if not quantity.counts and not len(own) else own
    return departure_of(quantity.name, own, bands[quantity.name])


def _detail(until: float, end: int, record: Mapping[str, Any]) -> str:
    if record["is_cut"]:
        return f"the record was cut off at its size limit: compared up to env step {end:,}"
    if until < end:
        return (
            f"compared up to env step {int(until):,}: after that rounding alone takes the "
            "reference as far from itself"
        )
    return ""


def _course(
    mine: Columns, bands: Mapping[str, Band], name: str
) -> tuple[tuple[int, float, float], ...]:
    """Return (env step, distance so far, band), thinned."""
    run = mine.get(name)
    if run is None or not len(run):
        return ()
    highest = np.maximum.accumulate(run[:, 2])
    band = bands.get(name, Band()).at(np.arange(len(run)))
    chosen = np.unique(np.linspace(0, len(run) - 1, COURSE_POINTS).astype(int))
    return tuple((int(run[i, 0]), float(highest[i]), float(band[i])) for i in chosen)


def _in_pieces(task: TwinTask, row: TwinRow, mine: Columns) -> TwinRow:
    """Return the row with the failing stretches around its departure."""
    updates = [run[:, 0] for name, run in mine.items() if name.endswith("updates")]
    earlier = [float(t) for run in updates for t in run if t < row.env_step]
    first = int(min(max(earlier, default=0.0), row.env_step - WINDOW))
    request = {
        "task": "pieces",
        "side": asdict(task.mine),
        "reference": asdict(task.reference),
        "call": task.call,
        "record": "",
        "also": task.handed_on,
        "choices": dict(task.choices),
        "window": [max(first, 0), row.env_step],
    }
    answer = run_child(Children(), MODULE, request, time_limit_s=TIME_LIMIT_S)
    if answer.get("failure") or answer.get("error"):
        return row
    rows = from_plain(tuple[SegmentRow, ...], answer["rows"])
    if not rows:
        return row
    where = f"{row.env_id}, env steps {max(first, 0):,} to {row.env_step:,}"
    rows = tuple(replace(one, scenario=where) for one in rows)
    return replace(
        row,
        segments=rows,
        mine_place=rows[0].mine_place,
        reference_place=rows[0].reference_place,
    )
