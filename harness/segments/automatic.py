"""What can be compared of a side that lacks taps: what it asks of environments and optimisers.

Without a tap for every draw nothing computed is comparable. What environments are sent and what
optimisers do is seen from outside: seeds, legal actions, when and how often steps are made, at
which learning rate, with which constants, and where gradients are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.judgement import SegmentRow
from harness.segments.names import CONSTANTS, ENV_ACTION, GRAD_NORM, LEGAL_ACTIONS
from harness.segments.options import differing_options
from harness.segments.quantities import Quantity
from harness.segments.tape import Tape

# What is said of a tap that is lacking.
NOT_IN_REFERENCE = "the reference does not tap it"
DRAW = "a draw: without it nothing computed from it is compared"
# A gradient that is cut off has the length of its limit, to rounding: torch divides by the norm
# plus 1e-6 (torch/nn/utils/clip_grad.py). As many steps of one greatest length are no chance.
SAME_LENGTH, LEAST_CUT = 1e-4, 4

Norms = NDArray[np.float64]


def automatic_rows(mine: Tape, reference: Tape) -> Iterator[SegmentRow]:
    """Yield the rows that no tap is needed for and that replays with taps do not have."""
    yield _legal(mine, reference)
    for owner in reference.owners:
        yield from _lengths(mine, reference, owner)
        yield from _constants(mine, reference, owner)


def varying_of(
    plays: Sequence[Tape],
    quantities: Sequence[Quantity],
    differs: Callable[[Tape, Quantity], bool],
) -> frozenset[str]:
    """Return what an optimiser does otherwise only because draws differ.

    Args:
        plays: of the reference under other seeds, in the recorded environment.
        differs: whether such a play differs from the record in a quantity.
    """
    return frozenset(
        quantity.name
        for quantity in quantities
        if quantity.stage != "collect" and not quantity.needs_draws
        if any(differs(play, quantity) for play in plays)
    )


def without_draws(
    row: SegmentRow, quantity: Quantity, lacking: Sequence[str], varying: frozenset[str]
) -> SegmentRow:
    """Return the row as it stands where mine does not receive the reference's draws."""
    needed = f"needs the tap{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
    if quantity.is_tap and not row.n_events and row.status in ("unobserved", "not exercised"):
        hints = (DRAW,) if quantity.name in lacking else ()
        hints = (NOT_IN_REFERENCE,) if row.status == "not exercised" else hints
        return replace(row, status="unobserved", hints=hints)
    is_varying = quantity.name in varying
    if row.status not in ("passed", "failed") or not (quantity.needs_draws or is_varying):
        return row
    why = "with other draws the reference itself does it otherwise: " if is_varying else ""
    return replace(
        row,
        status="unobserved",
        hints=(f"{why}{needed}",),
        n_failed=0,
        missing=0,
        extra=0,
        size=0.0,
    )


def _legal(mine: Tape, reference: Tape) -> SegmentRow:
    """Return whether mine sends the environment only actions that it offers."""
    base = SegmentRow(
        LEGAL_ACTIONS,
        "action-scaling",
        "collect",
        "passed" if mine.n_actions else "unobserved",
        n_events=mine.n_actions,
        mine_place=mine.sites.get(ENV_ACTION, ""),
        reference_place=reference.sites.get(ENV_ACTION, ""),
    )
    if not mine.illegal or reference.illegal:
        return base
    env_step, action = mine.illegal[0]
    return replace(
        base,
        status="failed",
        n_failed=len(mine.illegal),
        size=np.inf,
        env_step=env_step,
        share=len(mine.illegal) / mine.n_actions,
        hints=(f"the environment does not offer {action}, the reference sends no such action",),
    )


def _lengths(mine: Tape, reference: Tape, owner: str) -> Iterator[SegmentRow]:
    """Yield whether gradients are cut at the same length, when either side cuts them."""
    name = f"{owner}_{GRAD_NORM}"
    ours, theirs = _norms(mine, name), _norms(reference, name)
    own, known = cut_at(ours), cut_at(theirs)
    if own is None and known is None:
        return
    base = SegmentRow(
        name,
        "gradient-optimiser",
        "gradient",
        "unobserved" if not len(ours) else "passed",
        n_events=len(ours),
        mine_place=mine.sites.get(name, ""),
        reference_place=reference.sites.get(name, reference.sites.get(f"{owner}_grad", "")),
    )
    if not len(ours) or (own is not None and known is not None and _is_same(own, known)):
        yield base
    elif own is None and known is not None and not (ours > known * (1 + SAME_LENGTH)).any():
        # None of mine was long enough to be cut.
        yield replace(base, status="not exercised")
    else:
        shown = [f"at {one:.4g}" if one is not None else "nowhere" for one in (own, known)]
        hint = f"gradients are cut {shown[0]}, the reference's {shown[1]}"
        yield replace(base, status="failed", n_failed=1, size=np.inf, share=1.0, hints=(hint,))


def _norms(tape: Tape, name: str) -> Norms:
    return np.array([float(event.arrays[""]) for event in tape.of(name).values()])


def cut_at(norms: Norms) -> float | None:
    """Return the length at which gradients are cut off; None where none is seen to be.

    norms: (n_steps,), lengths of the gradients that an optimiser receives.

    >>> cut_at(np.array([0.1, 0.5, 0.5, 0.3, 0.5, 0.5])), cut_at(np.array([0.1, 0.2, 0.3, 0.4]))
    (0.5, None)
    """
    greatest = float(norms.max(initial=0.0))
    n_cut = int((norms >= greatest * (1 - SAME_LENGTH)).sum())
    return greatest if np.isfinite(greatest) and greatest > 0 and n_cut >= LEAST_CUT else None


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_LENGTH * max(one, other)


def _constants(mine: Tape, reference: Tape, owner: str) -> Iterator[SegmentRow]:
    """Yield whether the optimiser is of the same class and has the same options."""
    name, prefix = f"{owner}_{CONSTANTS}", f"{owner}_"
    ours, theirs = mine.constants.get(prefix), reference.constants.get(prefix)
    if theirs is None:
        return
    row = SegmentRow(
        name,
        "gradient-optimiser",
        "step",
        "unobserved" if ours is None else "passed",
        n_events=int(ours is not None),
        mine_place=mine.sites.get(name, ""),
        reference_place=reference.sites.get(name, ""),
    )
    differing = differing_options(ours or theirs, theirs)
    if differing:
        row = replace(row, status="failed", n_failed=1, size=np.inf, share=1.0, hints=differing)
    yield row
