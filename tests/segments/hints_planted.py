"""Synthetic quantities for the tests of hints: two tapes, and what differs between them."""

import numpy as np

from harness.segments.hints import Context, Failing
from harness.segments.tape import Event, Tape, fits

HYPERPARAMETERS = {"gamma": 0.93, "tau": 0.3, "vf_coef": 0.37, "max_grad_norm": 0.41}


def events(arrays, *, slots=None):
    """Return slot -> event; an array alone is a plain value, a mapping a record."""
    slots = slots or [(index, 0) for index in range(len(arrays))]
    return {
        slot: Event(dict(a) if isinstance(a, dict) else {"": np.asarray(a)}, slot[0], index)
        for index, (slot, a) in enumerate(zip(slots, arrays, strict=True))
    }


def planted(mine, reference, *, tap="check", others=None, slots=None, **context):
    """Return (failing, context) of the events of one quantity, mine against the reference.

    others: quantity -> events that the reference has besides.
    """
    tapes = [Tape({tap: events(side, slots=slots)}) for side in (mine, reference)]
    for name, arrays in (others or {}).items():
        tapes[1].events[name] = events(arrays, slots=slots)
    context = {"hyperparameters": HYPERPARAMETERS, **context}
    found, before = [], None
    for slot, theirs in tapes[1].of(tap).items():
        ours = tapes[0].of(tap)[slot]
        batch = tapes[1].at("batch", slot) or tapes[1].at("minibatch", slot)
        for field in sorted(theirs.arrays.keys() & ours.arrays.keys()):
            share = _share(ours.arrays[field], theirs.arrays[field])
            if share:
                found.append(Failing(slot, field, 1e3, share, ours, theirs, batch, before))
        before = theirs
    return found, Context(tap, mine=tapes[0], reference=tapes[1], **context)


def _share(mine, reference):
    a, b = (np.asarray(x, np.float64).ravel() for x in (mine, reference))
    if not fits(np.asarray(mine), np.asarray(reference)):
        return 1.0
    scale = np.abs(b[np.isfinite(b)]).max(initial=1e-12)
    with np.errstate(invalid="ignore"):
        return float(np.mean(~(np.abs(a - b) <= 1e-5 * scale)))
