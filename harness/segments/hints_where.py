"""Where a quantity is off: rows with a flag, one column, one environment, some events only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.segments.hints_base import EVENTS_KEPT, Context, Flags, Floats, Pair, is_vector
from harness.segments.names import ENV_ACTION, ENV_RESULT
from harness.segments.tape import Event, Slot, Tape

# How likely chance alone may put everything that is off under one flag.
CHANCE = 0.01
# The same where everything under the flag is off, and nothing else.
CHANCE_EXACT = 0.1
# Conditions that say little, unless all that fulfils them is off.
EXACT_ONLY = ("entries beyond 1 or -1",)
# Names of conditions that fit equally; more than these and none means anything.
MAX_TIES = 4
# From here on a number between -1 and 1 counts as saturated.
SATURATED = 0.99
# What ends an episode, and how rows of one env step say that the step they follow did.
AN_END, JUST_BEFORE = "the end of an episode", " just before"
END_BEFORE = f"{AN_END}{JUST_BEFORE}"
# Errors above 1 fall into the linear part of a Huber loss; (target, estimate), by tap or field.
ERRORS = (
    ("td_target", "q_values"),
    ("td_target", "q1"),
    ("td_target", "q2"),
    ("minibatch.returns", "new_values"),
)


# Words -> which elements of one event they speak of, flat.
Masks = dict[str, Flags]


def where(
    pairs: Sequence[Pair], field: str, context: Context, *, is_explained: bool = False
) -> str:
    """Return under which condition exactly elements are off, or in which events; or "".

    Args:
        is_explained: whether a relation says of every element of these events what it is, and so
            which ones are off.
    """
    if not is_explained and all(pair.is_same_shape for pair in pairs) and not is_vector(field):
        masks = [_masks(pair, context) for pair in pairs]
        if said := _best(masks, [_units(pair) for pair in pairs]):
            return said
    return _events(pairs, context)


@dataclass(frozen=True)
class _Units:
    """What is off in one event: (n_rows, elements of a row), bool."""

    off: Flags

    def chance(self, mask: Flags) -> float:
        """Return the probability that all that is off lies under a mask, at random."""
        flags = mask.reshape(self.off.shape)
        rows_off = int(self.off.any(axis=1).sum())
        if (flags.all(axis=1) == flags.any(axis=1)).all():
            return _by_chance(len(flags), int(flags.any(axis=1).sum()), rows_off)
        return float(flags.mean()) ** rows_off


def _units(pair: Pair) -> _Units:
    n_rows = len(pair.reference) if pair.reference.ndim else 1
    return _Units(pair.is_off.reshape(n_rows, -1))


def _best(every: Sequence[Masks], units: Sequence[_Units]) -> str:
    """Return the conditions that hold wherever something is off, and elsewhere least."""
    shared = [w for w in (every[0] if every else ()) if all(w in masks for masks in every)]
    found: dict[str, int] = {}
    for words in shared:
        excess = _excess([masks[words] for masks in every], units)
        if excess is not None and not (excess and words in EXACT_ONLY):
            found[words] = excess
    least = min(found.values(), default=0)
    best = [words for words, excess in found.items() if excess == least]
    if not best or len(best) > MAX_TIES:
        return ""
    return f"{'either ' * (len(best) > 1)}only {' or only '.join(best)} are off"


def _excess(masks: Sequence[Flags], units: Sequence[_Units]) -> int | None:
    """Return how many elements have the flag without being off; None when it explains nothing."""
    mask = np.concatenate(masks)
    is_off = np.concatenate([one.off.ravel() for one in units])
    if (is_off & ~mask).any() or mask.all() or not is_off.any():
        return None
    excess = int((mask & ~is_off).sum())
    chance = float(np.prod([one.chance(m) for one, m in zip(units, masks, strict=True)]))
    return excess if chance <= (CHANCE if excess else CHANCE_EXACT) else None


def _by_chance(n: int, n_flagged: int, n_off: int) -> float:
    """Return the probability that n_off of n rows, drawn at random, all have the flag."""
    places = np.arange(n_off)
    return float(np.prod((n_flagged - places) / (n - places))) if n_off else 1.0


def _masks(pair: Pair, context: Context) -> Masks:
    """Return every condition that can be told of the elements of one event."""
    reference = pair.reference
    found: Masks = {}
    if reference.size > 1:
        found |= {
            "entries below 0": (reference < 0).ravel(),
            "entries above 0": (reference > 0).ravel(),
            "entries beyond 1 or -1": (np.abs(reference) > 1).ravel(),
        }
    rows = flags_of_rows(pair.slot, reference.shape, pair.n_rows, context)
    for words, flags in rows.items():
        if reference.size % flags.size == 0:
            found[f"rows with {words}"] = np.repeat(flags.ravel(), reference.size // flags.size)
    return found | _places(reference, context)


def _places(reference: Floats, context: Context) -> Masks:
    """Return the conditions that are places in the array: columns, first and last rows."""
    shape = reference.shape
    if not shape or reference.size < 2:
        return {}
    is_rollout = len(shape) > 1 and shape[1] == context.n_envs and context.n_envs > 1
    is_of_envs = shape[0] == context.n_envs and context.n_envs > 1
    names = [
        "environment {}" if is_of_envs else "",
        "environment {}" if is_rollout else "column {}",
    ]
    found: Masks = {}
    for axis in range(min(2, len(shape))):
        for k in range(shape[axis]) if shape[axis] > 1 else ():
            words = names[axis].format(k)
            if axis == 0 and not is_of_envs:
                words = {0: "the first row", shape[0] - 1: "the last row"}.get(k, "")
            if len(shape) == 1 and not is_of_envs and words == "":
                continue
            if words:
                index = np.zeros(shape, bool)
                index[(slice(None),) * axis + (k,)] = True
                found[f"entries of {words}"] = index.ravel()
    return found


def flags_of_rows(slot: Slot, shape: tuple[int, ...], n_rows: int, context: Context) -> Masks:
    """Return words -> flag of every row of an event: of a minibatch, a rollout or one env step."""
    if n_rows and shape[:1] == (n_rows,):
        return _of_minibatch(slot, n_rows, context)
    n_steps = int(context.hyperparameters.get("n_steps", 0) or 0)
    if n_steps and shape[:2] in ((n_steps, context.n_envs), (n_steps,)):
        last = slot[0] // context.n_envs
        return _of_steps(np.arange(last - n_steps, last), context)
    if context.tap in (ENV_RESULT, ENV_ACTION) or not slot:
        return {}
    return _of_steps(np.array([slot[0] // context.n_envs - 1]), context)


def _of_steps(steps: NDArray[np.int64], context: Context) -> Masks:
    """Return the flags of env steps of every environment, (n_steps * n_envs,)."""
    envs = np.arange(context.n_envs)
    places = [(int(step), int(env)) for step in steps for env in envs]
    found = _ends(places, context.reference)
    before = _ends([(step - 1, env) for step, env in places], context.reference)
    if len(steps) == 1:
        return {f"{words}{JUST_BEFORE}": flags for words, flags in found.items()}
    return found | {f"{words} at the step before": flags for words, flags in before.items()}


def _ends(places: Sequence[tuple[int, ...]], tape: Tape) -> Masks:
    """Return which env steps (n-th of an environment, its number) ended an episode, and how."""
    results = [tape.at(ENV_RESULT, place) for place in places]
    if not any(results):
        return {}
    ended = np.array([[_flag(one, "terminated"), _flag(one, "truncated")] for one in results])
    terminated, truncated = ended.T
    return {
        "a truncated step": truncated & ~terminated,
        "a terminal step": terminated,
        AN_END: terminated | truncated,
        "no end of an episode": ~(terminated | truncated),
    }


def _flag(event: Event | None, name: str) -> bool:
    return event is not None and name in event.arrays and bool(event.arrays[name].any())


def _of_minibatch(slot: Slot, n_rows: int, context: Context) -> Masks:
    """Return the flags of the rows of a minibatch."""
    columns = _columns(slot, n_rows, context.reference)
    found: Masks = {}
    for name, column in columns.items():
        short = name.rpartition(".")[2]
        if set(np.unique(column)) <= {0.0, 1.0}:
            found |= {f"{short} = 1": column == 1, f"{short} = 0": column == 0}
        elif (column < 0).any() and (column > 0).any():
            found |= {f"{short} < 0": column < 0, f"{short} > 0": column > 0}
    found |= _of_stored(slot, n_rows, context) | _beyond(slot, columns, context)
    found |= {f"a saturated {name}": flags for name, flags in _saturated(slot, n_rows, context)}
    return {
        words: flags for words, flags in found.items() if not words.startswith(f"{context.tap} ")
    }


def _columns(slot: Slot, n_rows: int, tape: Tape) -> dict[str, Floats]:
    """Return everything of one number per row that the reference has at a place: name -> (B,)."""
    found = {}
    for tap, events in tape.events.items():
        for name, array in events[slot].arrays.items() if slot in events else ():
            if array.size == n_rows and array.shape[:1] == (n_rows,) and tap != "rows":
                found[f"{tap}.{name}" if name else tap] = array.astype(np.float64).ravel()
    return found


def _of_stored(slot: Slot, n_rows: int, context: Context) -> Masks:
    """Return which rows are truncated steps, by the places that the reference drew."""
    drawn = context.reference.at("rows", slot)
    if drawn is None or any(array.size != n_rows for array in drawn.arrays.values()):
        return {}
    n_envs = context.n_envs
    if "step" in drawn.arrays:
        first = slot[0] // n_envs - int(context.hyperparameters.get("n_steps", 0) or 0)
        steps, envs = drawn.arrays["step"].ravel() + first, drawn.arrays["env"].ravel()
    else:
        capacity = context.reference.capacity // n_envs * n_envs
        oldest = max(0, slot[0] - capacity) if capacity else 0
        steps, envs = np.divmod(next(iter(drawn.arrays.values())).ravel() + oldest, n_envs)
    places = [(int(step), int(env)) for step, env in zip(steps, envs, strict=True)]
    ends = _ends(places, context.reference)
    batch = context.reference.at("batch", slot)
    is_told = batch is not None and "terminated" in batch.arrays
    if not ends or not is_told:
        return ends
    truncated = ends["a truncated step"]
    terminated = np.asarray(batch.arrays["terminated"]).ravel() == 1 if batch else truncated
    return {"a truncated step": truncated, "the end of an episode": truncated | terminated}


def _beyond(slot: Slot, columns: Mapping[str, Floats], context: Context) -> Masks:
    """Return which rows lie where losses change their form: large errors, clipped ratios."""
    found: Masks = {}
    for target, estimate in ERRORS:
        if target in columns and estimate in columns:
            error = np.abs(columns[target] - columns[estimate])
            words = f"|{target.rpartition('.')[2]} - {estimate}|"
            found |= {f"{words} > 1": error > 1, f"{words} < 1": error < 1}
    ranges = [e for s, e in context.reference.of("clip_range").items() if s[0] <= slot[0]]
    if ranges and "ratio" in columns:
        is_clipped = np.abs(columns["ratio"] - 1) > float(ranges[-1].arrays[""])
        found |= {"a ratio outside clip_range": is_clipped, "a ratio inside": ~is_clipped}
    return found


def _saturated(slot: Slot, n_rows: int, context: Context) -> Iterator[tuple[str, Flags]]:
    """Yield the quantities between -1 and 1 that come near those, with the rows where they do."""
    for tap, events in context.reference.events.items():
        for name, array in events[slot].arrays.items() if slot in events else ():
            if array.dtype.kind == "f" and array.shape[:1] == (n_rows,) and array.ndim > 1:
                size = np.abs(array.astype(np.float64)).reshape(n_rows, -1).max(axis=1)
                is_whole = bool((array == np.rint(array)).all())
                if not is_whole and size.max() <= 1 and (size >= SATURATED).any():
                    yield name or tap, size >= SATURATED


def _events(pairs: Sequence[Pair], context: Context) -> str:
    """Return which events differ, where not all do: by what their minibatch or gradient is."""
    theirs, ours = context.reference.of(context.tap), context.mine.of(context.tap)
    slots = [slot for slot in theirs if slot in ours]
    failing = {pair.slot for pair in pairs}
    last = max((i for i, slot in enumerate(slots) if slot in failing), default=-1)
    slots = slots[: last + 1] if len(pairs) >= EVENTS_KEPT else slots
    if len(slots) < 2 or len(failing) == len(slots):
        return ""
    off = np.array([slot in failing for slot in slots])
    masks = {
        words: flags
        for words, flags in _flags_of_events(slots, context).items()
        if flags.size == off.size
    }
    return _best([masks], [_Units(off[:, None])])


def _flags_of_events(slots: Sequence[Slot], context: Context) -> Masks:
    """Return words -> flag of every event of a quantity."""
    places = np.arange(len(slots))
    found: Masks = {"the first event": places == 0}
    batches = context.reference.of("batch") or context.reference.of("minibatch")
    sizes = np.array([_n_rows(batches.get(slot)) for slot in slots])
    if sizes.all():
        found["events of a smaller minibatch"] = sizes < sizes.max()
        rows = [_of_minibatch(s, int(n), context) for s, n in zip(slots, sizes, strict=True)]
        for words in rows[0]:
            if all(words in one for one in rows):
                found[f"events with a row of {words}"] = np.array([r[words].any() for r in rows])
    elif all(slots):
        steps = [_of_steps(np.array([s[0] // context.n_envs - 1]), context) for s in slots]
        for words in steps[-1]:
            found[f"events with {words}"] = np.array(
                [words in one and bool(one[words].any()) for one in steps]
            )
    clipped = _clipped(slots, context)
    return found if clipped is None else {**found, "events whose gradient is clipped": clipped}


def _clipped(slots: Sequence[Slot], context: Context) -> Flags | None:
    """Return in which updates the reference's gradient was clipped; None: that cannot be told."""
    for owner in context.reference.owners:
        places = list(context.reference.of(f"{owner}_grad"))
        clips = dict(zip(places, context.reference.clips, strict=False))
        if len(places) == len(context.reference.clips) and all(slot in clips for slot in slots):
            return np.array([clips[slot] for slot in slots])
    return None


def _n_rows(batch: Event | None) -> int:
    return max((len(a) for a in batch.arrays.values() if a.ndim), default=0) if batch else 0
