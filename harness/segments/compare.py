"""Two tapes to one row per quantity: passed, failed, not exercised or unobserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.judgement import SegmentRow
from harness.segments.hints import Failing, hints_of
from harness.segments.tape import Event, Tape
from harness.segments.values import Array, fits

# A float differs when it is off by more than this share of the largest entry of the reference's
# array: 84 times the float32 rounding unit 2^-23. Reordered sums over minibatches and layers of 64
# stay below (the rounding of a sum of n terms grows like sqrt(n) units, Higham 2002, ch. 4).
RELATIVE_TOLERANCE = 1e-5
# The change of a parameter is the difference of two float32 weights, each rounded to 2^-24 of
# itself: with weights of order 1 and steps of order 1e-2 (the scenarios' learning rates) this is
# 1e-5 of the largest change; Adam's division by a square root multiplies it for tiny gradients.
STEP_TOLERANCE = 1e-3
# When updates are made: the quantity that answers for updates of one side only.
UPDATES = "update_env_step"


@dataclass(frozen=True)
class Quantity:
    """What the card says of one quantity: where a difference in it sits.

    Attributes:
        is_random: drawn, so that only its shape can be compared; its value is handed on.
    """

    name: str
    component: str
    stage: str
    is_random: bool = False


@dataclass(frozen=True)
class Difference:
    """How two arrays differ. size: largest error in tolerances, infinite for another shape."""

    size: float
    share: float


def compare_tapes(
    mine: Tape, reference: Tape, quantities: Sequence[Quantity]
) -> tuple[SegmentRow, ...]:
    """Return one row per quantity, in the order given.

    Right inputs can be handed on only where mine taps every draw that the reference's tape has.
    Without one of them nothing after it is comparable, so no row is failed or passed: all are
    unobserved, and the hint names the taps that are missing.
    """
    rows = tuple(_row(mine, reference, quantity) for quantity in quantities)
    draws = [quantity.name for quantity in quantities if quantity.is_random]
    lacking = [name for name in draws if reference.count(name) and not mine.count(name)]
    if not lacking:
        return _related(rows)
    need = (f"needs the tap{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}",)
    return tuple(
        replace(one, status="unobserved", hints=need) if one.status in ("passed", "failed") else one
        for one in rows
    )


def _row(mine: Tape, reference: Tape, quantity: Quantity) -> SegmentRow:
    name = quantity.name
    ours, theirs = mine.events.get(name, {}), reference.events.get(name, {})
    base = SegmentRow(
        name,
        quantity.component,
        quantity.stage,
        "unobserved" if theirs else "not exercised",
        mine_place=_place(mine, name),
        reference_place=_place(reference, name),
    )
    if not theirs or not ours:
        return base
    failing = _failing(mine, reference, quantity)
    missing, extra = _unmatched(mine, reference, name)
    found = replace(
        base,
        status="failed" if failing or missing or extra else "passed",
        n_events=len(theirs.keys() & ours.keys()),
        n_failed=len({one.slot for one in failing}),
        missing=missing,
        extra=extra,
    )
    return _explained(found, failing) if failing else found


def _unmatched(mine: Tape, reference: Tape, name: str) -> tuple[int, int]:
    """Return how many events only the reference, and only mine, has.

    Inside updates that only one side makes, every quantity is unmatched: that is said once, by
    `update_env_step`.
    """
    ours, theirs = mine.events[name].keys(), reference.events[name].keys()
    only_theirs, only_ours = theirs - ours, ours - theirs
    if name != UPDATES:
        shared = mine.events.get(UPDATES, {}).keys() & reference.events.get(UPDATES, {}).keys()
        only_theirs, only_ours = (
            {slot for slot in slots if len(slot) == 1 or (*slot[:2], 0) in shared}
            for slots in (only_theirs, only_ours)
        )
    return len(only_theirs), len(only_ours)


def _failing(mine: Tape, reference: Tape, quantity: Quantity) -> list[Failing]:
    """Return every field of every matched event that differs, in order."""
    found = []
    before: Event | None = None
    for slot, theirs in reference.events[quantity.name].items():
        ours = mine.at(quantity.name, slot)
        if ours is not None:
            batch = reference.at("batch", slot)
            found += [
                Failing(slot, field, one.size, one.share, ours, theirs, batch, before)
                for field in sorted({*ours.arrays, *theirs.arrays})
                if (one := _difference(quantity, ours, theirs, field)) is not None
            ]
        before = theirs
    return found


def _difference(quantity: Quantity, ours: Event, theirs: Event, field: str) -> Difference | None:
    if field not in theirs.arrays or field not in ours.arrays:
        # A field that one side does not carry is not compared: only quantities can be missing.
        return None
    own, known = ours.arrays[field], theirs.arrays[field]
    if quantity.is_random:
        return None if fits(own, known) else Difference(np.inf, 1.0)
    relative = STEP_TOLERANCE if quantity.name == "params" else RELATIVE_TOLERANCE
    return difference_of(own, known, relative=relative)


def difference_of(mine: Array, reference: Array, *, relative: float) -> Difference | None:
    """Return how two arrays differ, or None when every element is within tolerance.

    Axes of size 1 do not matter. Whole numbers and flags must be equal; a float may be off by
    `relative` times the largest finite entry of the reference. NaN equals NaN, infinities by sign.
    """
    if not fits(mine, reference):
        return Difference(np.inf, 1.0)
    if mine.size == 0:
        return None
    ours = mine.astype(np.float64).ravel()
    theirs = reference.astype(np.float64).ravel()
    finite = theirs[np.isfinite(theirs)]
    is_exact = reference.dtype.kind in "iub" and mine.dtype.kind in "iub"
    allowed = 0.0 if is_exact else relative * float(np.abs(finite).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        error = np.abs(ours - theirs)
    error[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0.0
    error[np.isnan(error)] = np.inf
    is_off = error > allowed
    if not is_off.any():
        return None
    size = float(error.max()) / allowed if allowed > 0 else np.inf
    return Difference(size, float(is_off.mean()))


def _explained(row: SegmentRow, failing: Sequence[Failing]) -> SegmentRow:
    first = failing[0]
    return replace(
        row,
        size=max(one.size for one in failing),
        share=first.share,
        update=first.ours.update,
        env_step=first.ours.env_step,
        fields=tuple(sorted({one.field for one in failing if one.field})),
        hints=hints_of(failing),
    )


def _place(tape: Tape, name: str) -> str:
    """Return the stretch that ends at the tap: "file:first-last", first after the tap before it.

    What the hooks take down ends at the optimiser's step.
    """
    site = tape.sites.get(name, "" if name.endswith("_params") else tape.sites.get("step", ""))
    file, _, line = site.rpartition(":")
    if not line.isdigit():
        return site
    others = (other.rpartition(":") for other in tape.sites.values())
    earlier = [
        int(n) for path, _, n in others if path == file and n.isdigit() and int(n) < int(line)
    ]
    first = max(earlier, default=int(line) - 1) + 1
    return site if first == int(line) else f"{file}:{first}-{line}"


def _related(rows: tuple[SegmentRow, ...]) -> tuple[SegmentRow, ...]:
    """Add what the neighbours say: inputs of a failing step that agree are not to blame."""
    status = {row.tap: row.status for row in rows}
    return tuple(
        replace(row, hints=(*row.hints, said))
        if row.status == "failed" and (said := _neighbour(row.tap, status))
        else row
        for row in rows
    )


def _neighbour(tap: str, status: Mapping[str, str]) -> str:
    if tap == "params" and status.get("grad") == "passed":
        return "the gradient agrees: the optimiser's constants or the learning rate differ"
    if tap == "grad" and status.get("loss") == "passed":
        return "the loss agrees: a stop-gradient, the clipping or the list of parameters differs"
    return ""
