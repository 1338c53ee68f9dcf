"""Two tapes to one row per quantity: passed, failed, not exercised or unobserved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.judgement import SegmentRow
from harness.records import Json
from harness.segments.automatic import NOT_IN_REFERENCE, automatic_rows, without_draws
from harness.segments.components import component_of
from harness.segments.gather import strangers
from harness.segments.hints import Context, Failing, hints_of
from harness.segments.hints_related import related
from harness.segments.names import ENV_ACTION, RESETS, ROUNDS, RUN_LENGTH, UNCLAIMED
from harness.segments.networks import network_rows
from harness.segments.noise import FLOAT32_UNIT, UNMEASURED_STEP, Floor, scale_of
from harness.segments.quantities import Quantity
from harness.segments.tape import Array, Event, Slot, Tape, fits

# A difference counts from so many noise floors on. The floor is the distance of the reference's
# float32 from its own float64 value. Another right formula has rounding of its own: the tanh
# correction log(1 - tanh^2 + 1e-6) and its softplus form differ by 1e-6 where one unit of float32
# is 6e-8, a ratio of 17 at every saturation; 64 leaves room.
NOISE_MULTIPLES = 64.0
# The floor of a quantity that is 0 on the reference, absolute: rates and losses are far above it.
SMALLEST_FLOOR = 1e-12


# What is said of a value that depends on weights which the reference does not show.
GIVEN = "handed on, not compared: the reference does not show its weights"


@dataclass(frozen=True)
class Limits:
    """What may be compared, and how exactly.

    Attributes:
        floors: quantity -> noise floor; one that is missing has rounding units alone.
        skipped: quantities that were perturbed on purpose: handed on, not compared.
        given: quantities that depend on what the reference cannot show: handed on, not compared.
        env_steps: events after this many are not compared; None: all are.
        hyperparameters, n_envs: of the call; hints name numbers by them.
        total_timesteps: of the call; None: how long mine runs is not compared.
        varying: what an optimiser does otherwise when draws differ, in the reference itself.
    """

    floors: Mapping[str, Floor] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    env_steps: int | None = None
    hyperparameters: Mapping[str, Json] = field(default_factory=dict)
    n_envs: int = 1
    total_timesteps: int | None = None
    varying: frozenset[str] = frozenset()

    def floor(self, name: str, slot: Slot, *, scale: float) -> float:
        """Return the noise floor of one event, absolute."""
        is_step = name.endswith("step") and name not in self.floors
        unit = UNMEASURED_STEP if is_step else FLOAT32_UNIT
        return self.floors.get(name, Floor()).at(slot, scale=scale, unit=unit)


@dataclass(frozen=True)
class Difference:
    """How two arrays differ. size: largest error in noise floors, infinite for another shape."""

    size: float
    share: float


def compare_tapes(
    mine: Tape, reference: Tape, quantities: Sequence[Quantity], limits: Limits | None = None
) -> tuple[SegmentRow, ...]:
    """Return one row per quantity, in the order given.

    Right inputs can be handed on only where mine taps every draw that the reference's tape has.
    Without one of them nothing after it is comparable, so no tapped row is failed or passed: all
    are unobserved, and the hint names the taps that are missing. What environments and optimisers
    show by themselves is compared in any case.
    """
    limits = limits or Limits()
    lacking = lacking_draws(mine, reference, quantities)
    rows = []
    for quantity in quantities:
        row = _row(mine, reference, quantity, limits)
        if lacking:
            row = without_draws(row, quantity, lacking, limits.varying)
        is_listed = not quantity.is_silent or (lacking and not quantity.needs_draws)
        if is_listed or row.status == "failed":
            rows.append(row)
    rows = [*_run_length(mine, reference, limits), *rows]
    networks = (
        ()
        if lacking
        else network_rows(mine, reference, left_out=_with_other_draws(mine, reference, quantities))
    )
    rows += automatic_rows(mine, reference) if lacking else ()
    rows = [row for row in rows if not _is_inherited(row, rows)]
    rows = [_beyond_network(row, mine, networks) for row in rows]
    off = [row for row in networks if row.status == "failed"]
    at = next((i + 1 for i, row in enumerate(rows) if row.tap == "obs"), 0)
    return related((*rows[:at], *off, *rows[at:]), mine, reference)


def _run_length(mine: Tape, reference: Tape, limits: Limits) -> Iterator[SegmentRow]:
    """Yield a failed row when mine runs longer, or shorter, than whole rounds account for.

    How many env steps are asked for is a request: they may be rounded up or down to whole rounds.
    """
    total = limits.total_timesteps
    rounds = [event.env_step for event in reference.of(ROUNDS).values()]
    longest = max(np.diff([0, *rounds], append=reference.env_steps), default=0)
    if total is not None and abs(mine.env_steps - total) > longest:
        made = f"mine makes {mine.env_steps} env steps, the reference {reference.env_steps}"
        yield SegmentRow(
            RUN_LENGTH,
            "update-schedule",
            "sample",
            "failed",
            n_events=1,
            n_failed=1,
            size=float("inf"),
            env_step=min(mine.env_steps, reference.env_steps),
            hints=(f"{made}; {total} were asked for",),
        )


def _with_other_draws(
    mine: Tape, reference: Tape, quantities: Sequence[Quantity]
) -> frozenset[int]:
    """Return the env steps at which a draw of mine has another shape: nothing is handed on."""
    drawn = [one.name for one in quantities if one.is_random and not one.is_module]
    return frozenset(
        theirs.env_step
        for name in drawn
        for slot, theirs in reference.of(name).items()
        if (ours := mine.at(name, slot)) is not None
        if any(
            field in ours.arrays and not fits(ours.arrays[field], array)
            for field, array in theirs.arrays.items()
        )
    )


def _is_inherited(row: SegmentRow, rows: Sequence[SegmentRow]) -> bool:
    """Return whether a network acts with other weights because its updates are other ones."""
    owner = row.tap.removesuffix("_acting")
    return owner != row.tap and any(
        one.tap == f"{owner}_updates" and one.status == "failed" for one in rows
    )


def _beyond_network(row: SegmentRow, mine: Tape, networks: Sequence[SegmentRow]) -> SegmentRow:
    """Return the row without the network as a suspect, where what the network gives agrees."""
    if row.status != "failed" or row.component != "network-architecture" or row.stage != "loss":
        return row
    called = {f"{tap}_outputs" for tap in mine.callers.get(row.tap, ())}
    passed = {one.tap for one in networks if one.status == "passed"}
    return replace(row, component="loss") if called and called <= passed else row


def lacking_draws(mine: Tape, reference: Tape, quantities: Sequence[Quantity]) -> tuple[str, ...]:
    """Return the draws that mine does not tap, and whose values nothing else carries over.

    Rows of a minibatch are carried over by the minibatch itself. Where the reference taps nothing
    every draw lacks.
    """
    taps = [q.name for q in quantities if q.is_tap]
    is_bare = bool(taps) and not any(map(reference.count, taps))
    is_gathered = any(q.gathers and mine.count(q.name) for q in quantities)
    gathered_stages = {q.stage for q in quantities if q.gathers} if is_gathered else set()
    return tuple(
        q.name
        for q in quantities
        if q.is_random and not q.is_optional and q.stage not in gathered_stages
        if is_bare or (reference.count(q.name) and not mine.count(q.name))
    )


def _never_happens(quantity: Quantity, mine: Tape) -> bool:
    """Return whether mine makes no update of a module at all, rather than updates nobody sees.

    Its optimisers are seen, and all that they train lies in tapped modules, of which this is one.
    """
    is_watched = mine.count(ROUNDS) > 0 and not mine.count(UNCLAIMED)
    return (
        quantity.counts and bool(quantity.owner) and is_watched and mine.count(quantity.owner) > 0
    )


def differs(mine: Tape, reference: Tape, quantity: Quantity, limits: Limits) -> bool:
    """Return whether two tapes differ in a quantity."""
    return _row(mine, reference, quantity, limits).status == "failed"


def _row(mine: Tape, reference: Tape, quantity: Quantity, limits: Limits) -> SegmentRow:
    name = quantity.name
    ours, theirs = _within(mine, name, limits), _within(reference, name, limits)
    base = SegmentRow(
        name,
        quantity.component,
        quantity.stage,
        "unobserved" if theirs and not ours else "not exercised",
        mine_place=mine.sites.get(name, ""),
        reference_place=reference.sites.get(name, ""),
        is_optional=quantity.is_optional,
    )
    if limits.given and quantity.is_tap and (name in limits.given or not reference.count(name)):
        return replace(base, status="unobserved", hints=(_why_open(name, limits),))
    is_seen = bool(ours) or _never_happens(quantity, mine)
    if not theirs or not is_seen or name in limits.skipped:
        return base
    if quantity.gathers and not mine.count("rows") and reference.count("rows"):
        return _gathered(base, mine, reference, quantity, limits)
    shared = mine.shared.get(name)
    if shared and shared != reference.shared.get(name):
        hint = f"the same tensors as {shared}, which the reference keeps apart"
        return replace(base, status="failed", n_events=1, n_failed=1, hints=(hint,))
    failing = _failing(mine, reference, quantity, limits)
    missing, extra = len(theirs.keys() - ours.keys()), len(ours.keys() - theirs.keys())
    is_off = bool(failing) or (quantity.counts and (missing or extra) > 0)
    n_events = len(theirs.keys() & ours.keys())
    if n_events == 0 and not is_off:
        return replace(base, status="unobserved")
    context = Context(name, limits.hyperparameters, limits.n_envs, mine, reference)
    found = replace(
        base,
        component=component_of(quantity, failing, context, extra=extra),
        status="failed" if is_off else "passed",
        n_events=n_events,
        n_failed=len({one.slot for one in failing}),
        missing=missing if quantity.counts else 0,
        extra=extra if quantity.counts else 0,
        noise_floor=limits.floors.get(name, Floor()).typical,
    )
    return _explained(found, failing, context) if failing else _first_unmatched(found, ours, theirs)


def _why_open(name: str, limits: Limits) -> str:
    return GIVEN if name in limits.given else NOT_IN_REFERENCE


def _within(tape: Tape, name: str, limits: Limits) -> Mapping[Slot, Event]:
    events = tape.of(name)
    if limits.env_steps is None:
        return events
    # What is sent to an environment is seen before its step is counted.
    last = limits.env_steps - (name in (ENV_ACTION, RESETS))
    return {slot: event for slot, event in events.items() if event.env_step <= last}


def _gathered(
    base: SegmentRow, mine: Tape, reference: Tape, quantity: Quantity, limits: Limits
) -> SegmentRow:
    """Return the row of a minibatch whose rows mine draws itself: every one must be stored."""
    left_out = quantity.spanning_under(limits.hyperparameters)
    checked = strangers(mine, reference, quantity.name, quantity.gathers, left_out=left_out)
    if checked is None:
        return replace(base, status="unobserved", hints=("needs the tap rows",))
    wrong = [one for one in checked if one.n_strange]
    if not wrong:
        return replace(base, status="passed", n_events=len(checked))
    first = wrong[0]
    return replace(
        base,
        status="failed",
        n_events=len(checked),
        n_failed=len(wrong),
        size=float("inf"),
        share=first.n_strange / first.n_rows,
        update=first.update,
        env_step=first.env_step,
        hints=(f"{first.n_strange} of {first.n_rows} rows are no row that was stored",),
    )


def _failing(mine: Tape, reference: Tape, quantity: Quantity, limits: Limits) -> list[Failing]:
    """Return every field of every matched event that differs, in order."""
    found = []
    before: Event | None = None
    batch_of = _batch_of(reference)
    for slot, theirs in _within(reference, quantity.name, limits).items():
        ours = mine.at(quantity.name, slot)
        if ours is not None:
            batch = batch_of.get(slot)
            found += [
                Failing(slot, name, one.size, one.share, ours, theirs, batch, before)
                for name in sorted({*ours.arrays, *theirs.arrays})
                if (one := _difference(quantity, slot, (ours, theirs), name, limits)) is not None
            ]
        before = theirs
    return found


def _batch_of(reference: Tape) -> Mapping[Slot, Event]:
    return reference.of("batch") or reference.of("minibatch")


def _difference(
    quantity: Quantity, slot: Slot, events: tuple[Event, Event], name: str, limits: Limits
) -> Difference | None:
    ours, theirs = events
    is_module = quantity.is_random and name.isdigit()
    if name not in theirs.arrays or name not in ours.arrays:
        # A field that one side does not carry is not compared: only quantities can be missing. Of
        # a module's parameters and gradients every one must have its counterpart.
        is_numbered = name.isdigit() or name.startswith("mine.")
        return Difference(np.inf, 1.0) if is_numbered else None
    own, known = ours.arrays[name], theirs.arrays[name]
    if quantity.is_random:
        is_same = own.size == known.size if is_module else fits(own, known)
        return None if is_same else Difference(np.inf, 1.0)
    scale = scale_of(quantity.name, theirs, name)
    floor = limits.floor(quantity.name, slot, scale=scale)
    return difference_of(own, known, floor=floor or SMALLEST_FLOOR)


def difference_of(mine: Array, reference: Array, *, floor: float) -> Difference | None:
    """Return how two arrays differ, or None when every element is within tolerance.

    Axes of size 1 do not matter. Whole numbers and flags must be equal; a float may be off by
    NOISE_MULTIPLES of the noise floor. NaN equals NaN, infinities by sign.
    """
    if not fits(mine, reference):
        return Difference(np.inf, 1.0)
    if mine.size == 0:
        return None
    ours = mine.astype(np.float64).ravel()
    theirs = reference.astype(np.float64).ravel()
    is_exact = reference.dtype.kind in "iub" and mine.dtype.kind in "iub"
    allowed = 0.0 if is_exact else NOISE_MULTIPLES * floor
    with np.errstate(invalid="ignore"):
        error = np.abs(ours - theirs)
    error[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0.0
    error[np.isnan(error)] = np.inf
    is_off = error > allowed
    if not is_off.any():
        return None
    size = float(error.max()) / floor if allowed > 0 else np.inf
    return Difference(size, float(is_off.mean()))


def _explained(row: SegmentRow, failing: Sequence[Failing], context: Context) -> SegmentRow:
    first = failing[0]
    return replace(
        row,
        size=max(one.size for one in failing),
        share=first.share,
        update=first.ours.update,
        env_step=first.ours.env_step,
        fields=tuple(sorted({one.field for one in failing if one.field})),
        hints=_hints(failing, context),
    )


def _hints(failing: Sequence[Failing], context: Context) -> tuple[str, ...]:
    """Return the hints; when finding them raises, what is lost is them, and it is said."""
    try:
        return hints_of(failing, context)
    except Exception as error:  # noqa: BLE001 - a hint helps; without it the finding stands
        return (f"no hint: looking for one raised {type(error).__name__}: {error}",)


def _first_unmatched(
    row: SegmentRow, ours: Mapping[Slot, Event], theirs: Mapping[Slot, Event]
) -> SegmentRow:
    """Say when the first event happened that only one side has."""
    if row.status != "failed":
        return row
    unmatched = [ours.get(slot) or theirs.get(slot) for slot in ours.keys() ^ theirs.keys()]
    first = min((event for event in unmatched if event), key=lambda event: event.env_step)
    return replace(row, update=first.update, env_step=first.env_step, size=float("inf"))
