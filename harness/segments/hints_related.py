"""What the neighbours of a failing quantity say of it, and which failures are mere conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.judgement import SegmentRow
from harness.segments.hints_base import FIT
from harness.segments.options import differing_options, is_other_class
from harness.segments.tape import Tape

# Stages in which the gradient of a loss shows, if it does anywhere.
AFTER_LOSS = ("gradient", "step", "sync")
# Stages of the values that a gradient flows through; more names of them are not said.
BEFORE_GRADIENT = ("target", "loss")
MAX_NAMED = 2
# Parameters that are named one by one, with their shapes.
MAX_SHAPES = 2
UNTESTED = "no gradient flows through it in this scenario"
CONVENTION = "a convention: the logged value differs, the gradient and every step agree"


def related(rows: Sequence[SegmentRow], mine: Tape, reference: Tape) -> tuple[SegmentRow, ...]:
    """Add what the neighbours say: inputs of a failing step that agree are not to blame."""
    return tuple(
        replace(row, hints=_said(row, rows, mine, reference)) if row.status == "failed" else row
        for row in rows
    )


def _said(
    row: SegmentRow, rows: Sequence[SegmentRow], mine: Tape, reference: Tape
) -> tuple[str, ...]:
    """Return the hints of a row with what its neighbours add, or say better."""
    status = {one.tap: one.status for one in rows}
    owner, _, kind = row.tap.rpartition("_")
    if kind == "step" and status.get(f"{owner}_grad") == "passed":
        return (*row.hints, _constants_said(mine, reference, f"{owner}_"))
    if kind == "grad":
        if found := _reach(row.tap, mine, reference):
            return (f"{' and '.join(found)}: a stop-gradient or the list of parameters differs",)
        return row.hints or _of_gradient(row, rows, mine, reference)
    if row.stage == "loss" and not row.hints and (said := _broadcast(row, rows, mine, reference)):
        return (said,)
    if row.tap in _numbers_alone(rows, mine, reference) - mine.descended:
        return (*row.hints, UNTESTED)
    return row.hints


def _of_gradient(
    row: SegmentRow, rows: Sequence[SegmentRow], mine: Tape, reference: Tape
) -> tuple[str, ...]:
    """Return what is said of a gradient: what it may follow from, or what is wrong in itself."""
    failed = [
        one.tap
        for one in rows
        if one.status == "failed" and one.stage in BEFORE_GRADIENT
        if one.tap in mine.descended or not _is_number(one.tap, mine, reference)
    ]
    losses = [one for one in rows if one.tap.endswith("loss")]
    if not losses or any(one.status == "failed" for one in losses):
        return ()
    if failed:
        return (f"the loss agrees; this may follow from {' and '.join(failed[-MAX_NAMED:])}",)
    return (_after_loss(row, mine, reference),)


def _broadcast(row: SegmentRow, rows: Sequence[SegmentRow], mine: Tape, reference: Tape) -> str:
    """Return which two values of mine pair every row with every other, as (B, 1) and (B,) do."""
    slot = next((s for s in mine.of(row.tap) if s in reference.of(row.tap)), None)
    names = [one.tap for one in rows if one.stage in BEFORE_GRADIENT]
    if slot is None:
        return ""
    ours, theirs = ({n: _shape(side, n, slot) for n in names} for side in (mine, reference))
    flat = {n: shape for n, shape in ours.items() if len(shape) == 1 and shape[0] > 1}
    for tall, (n, *rest) in ((name, shape) for name, shape in ours.items() if shape):
        for name, shape in flat.items():
            if rest == [1] and shape == (n,) and len(theirs[tall]) == len(theirs[name]):
                return f"{tall} is ({n}, 1) and {name} ({n},): together they make ({n}, {n})"
    return ""


def _shape(side: Tape, name: str, slot: tuple[int, ...]) -> tuple[int, ...]:
    event = side.at(name, slot)
    return event.arrays[""].shape if event is not None and "" in event.arrays else ()


def _reach(tap: str, mine: Tape, reference: Tape) -> tuple[str, ...]:
    """Return which parameters a gradient reaches on one side only."""
    slots = [slot for slot in reference.of(tap) if slot in mine.of(tap)]
    own, known = (_reached(side, tap, slots) for side in (mine, reference))
    if not (own or known):
        return ()
    missing, extra = sorted(known - own, key=int), sorted(own - known, key=_number)
    shapes = _shapes(tap, mine) | _shapes(tap, reference)
    said = []
    if missing:
        said.append(f"no gradient of mine reaches {_parameters(missing, shapes)}")
    if extra:
        said.append(f"mine has a gradient of {_parameters(extra, shapes)}, the reference none")
    return tuple(said)


def _reached(side: Tape, tap: str, slots: Iterable[tuple[int, ...]]) -> set[str]:
    """Return the parameters that a gradient other than 0 reaches."""
    events = (side.of(tap)[slot] for slot in slots)
    return {name for event in events for name, array in event.arrays.items() if np.any(array)}


def _shapes(tap: str, side: Tape) -> dict[str, tuple[int, ...]]:
    return {n: a.shape for event in side.of(tap).values() for n, a in event.arrays.items()}


def _number(field: str) -> int:
    return int(field.removeprefix("mine."))


def _parameters(fields: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> str:
    plural = "s" if len(fields) > 1 else ""
    if len(fields) > MAX_SHAPES:
        return f"parameters {_spans([_number(field) for field in fields])}"
    named = ", ".join(f"{_number(field)} {shapes.get(field, ())}" for field in fields)
    return f"parameter{plural} {named}"


def _spans(numbers: Sequence[int]) -> str:
    """Return whole numbers in order, with runs of neighbours as one span."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))


def _after_loss(row: SegmentRow, mine: Tape, reference: Tape) -> str:
    """Return what may be wrong between a loss that agrees and its gradient."""
    shapes = _shapes(row.tap, reference)
    off = sorted((field for field in row.fields if field in shapes), key=_number)
    if off and len(off) < len(shapes):
        where = f"only {_parameters(off, shapes)} of {len(shapes)} differ"
        return f"the loss agrees and {where}: a stop-gradient or the list of parameters differs"
    if _is_parallel(row.tap, mine, reference):
        return "the loss agrees, so does the gradient's direction: the clipping or a factor differs"
    return "the loss agrees: a stop-gradient, the clipping or the list of parameters differs"


def _is_parallel(tap: str, mine: Tape, reference: Tape) -> bool:
    """Return whether in every event the whole gradient has the reference's direction."""
    for slot, theirs in reference.of(tap).items():
        ours = mine.at(tap, slot)
        if ours is None:
            continue
        if any(
            a.size != theirs.arrays[n].size for n, a in ours.arrays.items() if n in theirs.arrays
        ):
            return False
        names = [name for name in theirs.arrays if name in ours.arrays]
        x, y = (
            np.concatenate([e.arrays[name].astype(np.float64).ravel() for name in names])
            for e in (theirs, ours)
        )
        power = float(x @ x)
        if power == 0 or np.abs(y - (x @ y) / power * x).max() > FIT * np.abs(y).max():
            return False
    return True


def _constants_said(mine: Tape, reference: Tape, prefix: str) -> str:
    ours, theirs = mine.constants.get(prefix, {}), reference.constants.get(prefix, {})
    differing = differing_options(ours, theirs)
    if is_other_class(ours, theirs):
        return f"the gradient agrees: {differing[0]}"
    if differing:
        return f"the gradient agrees: the optimiser's constants differ ({'; '.join(differing)})"
    return (
        "the gradient agrees and so do the optimiser's constants as torch knows them: its state, "
        "or what is done to the parameters beside it, differs"
    )


def candidates(rows: Sequence[SegmentRow], mine: Tape, reference: Tape) -> frozenset[str]:
    """Return the failed taps that may be conventions, before that is tried out.

    A value is a candidate when nothing but its gradient can matter, and that was compared:

    1. It is of the stage "loss" and one number in every event, on both sides. Rows of a minibatch
       (ratios, log-probabilities, Q-values) are computed with, and handing the reference's on hides
       what a wrong one would do; the same holds of every value before the stage "loss".
    2. While mine replayed, a gradient other than 0 flowed back through it into mine's own graph
       (`Tape.descended`). A number without one (a divergence that stops the epoch, a learning rate,
       a loss whose weight is 0 here) is data, or was not tested.
    3. Every module and tensor that the reference trains was seen to be trained, and its gradients,
       steps and counts passed; so did everything else from the stage "gradient" on.
    """
    return _numbers_alone(rows, mine, reference) & mine.descended


def _numbers_alone(rows: Sequence[SegmentRow], mine: Tape, reference: Tape) -> frozenset[str]:
    """Return the failed single numbers of the stage "loss", where all that follows passed."""
    after = [row for row in rows if row.stage in AFTER_LOSS]
    status = {row.tap: row.status for row in rows}
    needed = [f"{o}_{kind}" for o in reference.owners for kind in ("updates", "grad", "step")]
    is_compared = bool(needed) and all(status.get(name) == "passed" for name in needed)
    if not is_compared or any(row.status == "failed" for row in after):
        return frozenset()
    return frozenset(
        row.tap
        for row in rows
        if row.status == "failed" and row.stage == "loss" and not (row.missing or row.extra)
        if _is_number(row.tap, mine, reference)
    )


def _is_number(tap: str, mine: Tape, reference: Tape) -> bool:
    events = [*mine.of(tap).values(), *reference.of(tap).values()]
    return all(array.size == 1 for event in events for array in event.arrays.values())


def settled(rows: Sequence[SegmentRow]) -> str:
    """Return the status of one quantity from its rows of several scenarios, failed or convention.

    A scenario in which no gradient flows through a number (its weight is 0 there) says nothing of
    its use: where another scenario proved it a convention, it is one.
    """
    statuses = {row.status for row in rows}
    failed = [row for row in rows if row.status == "failed"]
    is_undecided = all(UNTESTED in row.hints for row in failed)
    return "convention" if is_undecided and "convention" in statuses else "failed"


def conventions(
    rows: Sequence[SegmentRow], tried: Sequence[SegmentRow], own: frozenset[str]
) -> tuple[SegmentRow, ...]:
    """Return the rows with the status "convention" for what was tried out and proved to be one.

    Args:
        tried: rows of a second replay, in which mine's own values of the candidates flowed on.
        own: the candidates (`candidates`).

    A value that is put to a use beside its gradient shows in the second replay: were it squared,
    weighted by another loss or compared with a limit, something would differ there that did not
    before, and then no candidate is a convention. A candidate that agrees in the second replay
    differed only because it was computed from another one.
    """
    before = {row.tap: row.status for row in rows}
    is_harmless = bool(tried) and not any(
        row.status != before.get(row.tap) for row in tried if row.tap not in own
    )
    if not is_harmless:
        return tuple(rows)
    return tuple(
        replace(row, status="convention", hints=(CONVENTION, *row.hints)) if row.tap in own else row
        for row in rows
    )
