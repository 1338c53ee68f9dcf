"""What a failing segment's numbers say: every simple relation that fits all failing elements.

Two kinds of sentences: where a quantity is off (`hints_where`), which is read off the numbers, and
how mine may follow from the reference (`hints_factor`, `hints_form`), which is an explanation. Of
the latter several may fit one set of numbers; then one sentence names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.segments.hints_base import Context, Failing, Pair, either, is_vector, pairs_of
from harness.segments.hints_copy import exchanged, shape
from harness.segments.hints_factor import factor, listed, offset
from harness.segments.hints_form import (
    affine,
    beside,
    bounded,
    constant,
    function,
    length,
    moved,
    order,
)
from harness.segments.hints_parts import term
from harness.segments.hints_where import where

__all__ = ["Context", "Failing", "agreed", "hints_of"]

# Fields that are explained one by one; a record that differs in more of them is off as a whole.
MAX_FIELDS = 3
# Sentences that a person reads.
MAX_HINTS = 2
# Elements that must be off before a relation is believed of them alone.
MIN_OFF = 4
# Elements that must be off to one side before that is said: by chance once in 500,000.
MIN_ONE_SIDED = 20

_RELATIONS = (constant, factor, offset, moved, beside, order, function, bounded, length)


def hints_of(failing: Sequence[Failing], context: Context | None = None) -> tuple[str, ...]:
    """Return what fits a failing quantity in all its events; may be empty.

    Of a record every field is explained, of a module all its arrays as one vector. What several
    fields have in common is said once.
    """
    context = context or Context()
    fields = list(dict.fromkeys(one.field for one in failing))
    with np.errstate(all="ignore"):
        if is_vector(fields[0]) or len(fields) == 1:
            return _of_field(failing, fields[0], context)
        said: dict[str, list[str]] = {}
        for field in fields if len(fields) <= MAX_FIELDS else ():
            of_field = [one for one in failing if one.field == field]
            for sentence in _of_field(of_field, field, context):
                said.setdefault(sentence, []).append(field)
    return tuple(f"{', '.join(names)}: {words}" for words, names in said.items())[:MAX_HINTS]


def agreed(every: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the hints of one quantity from those of several scenarios, first one first.

    What a constant may be is told by other hyperparameters in every scenario: names that do not fit
    the same constant in all of them are coincidences, and left out.
    """
    known = [hints for hints in every if hints]
    return tuple(_common_names(hint, known[1:]) for hint in known[0]) if known else ()


def _common_names(hint: str, others: Sequence[Sequence[str]]) -> str:
    head, colon, names = hint.partition(": ")
    if not colon or not head.startswith("constant "):
        return hint
    kept = names.split(" or ")
    for other in (one for hints in others for one in hints):
        other_head, _, other_names = other.partition(": ")
        if other_head == head:
            kept = [name for name in kept if name in other_names.split(" or ")]
    said = listed(kept)
    return f"{head}{said}"


def _of_field(failing: Sequence[Failing], field: str, context: Context) -> tuple[str, ...]:
    pairs = pairs_of(failing, field, context)
    of_field = [one for one in failing if one.field == field][: len(pairs)]
    if not is_vector(field) and not all(pair.is_same_shape for pair in pairs):
        return (shape(of_field, field),)
    if not all(pair.mine.size for pair in pairs):
        return ()
    found = [relation(pairs, context) for relation in _RELATIONS]
    copied = exchanged(of_field, field, context)
    whole = either([copied, *found])
    if whole.startswith("constant offset") and ": " not in whole:  # as a steady term gives, too
        whole = either([whole, term(pairs, context)])
    part = "" if whole else term(pairs, context) or affine(pairs, context)
    there = "" if whole or part else _there(pairs, field, context)
    place = where(pairs, field, context, is_explained=bool(whole))
    return tuple(sentence for sentence in (place, whole or part or there) if sentence)


def _there(pairs: Sequence[Pair], field: str, context: Context) -> str:
    """Return what is said of the elements that are off, where the others agree."""
    n_off = sum(int(pair.is_off.sum()) for pair in pairs)
    if n_off < MIN_OFF or all(pair.is_off.all() for pair in pairs):
        return "" if is_vector(field) else _side(pairs)
    parts = [
        replace(
            pair,
            mine=pair.mine.ravel()[pair.is_off],
            reference=pair.reference.ravel()[pair.is_off],
            is_off=pair.is_off[pair.is_off],
            before=None,
            after=None,
        )
        for pair in pairs
        if pair.is_off.any()
    ]
    relations: tuple[Callable[[Sequence[Pair], Context], str], ...] = (constant, factor, offset)
    said = either([relation(parts, context) for relation in relations])
    values = np.unique(np.concatenate([part.reference for part in parts]))
    is_told = len(values) >= MIN_OFF or said.startswith("mine is")
    return f"where they differ: {said}" if said and is_told else _side(pairs)


def _side(pairs: Sequence[Pair]) -> str:
    """Return whether mine is larger, or smaller, wherever it is off: a sentence of last resort."""
    gaps = np.concatenate([(p.mine.ravel() - p.reference.ravel())[p.is_off] for p in pairs])
    if gaps.size < MIN_ONE_SIDED or not np.isfinite(gaps).all():
        return ""
    if (gaps > 0).all():
        return "wherever they differ, mine is larger"
    return "wherever they differ, mine is smaller" if (gaps < 0).all() else ""
