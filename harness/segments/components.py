"""In which component a difference sits, where its numbers say more than the tap does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.segments.hints_base import Context, Failing, Floats, Pair, pairs_of
from harness.segments.hints_where import END_BEFORE, flags_of_rows
from harness.segments.quantities import Quantity

# Terms explain a difference when what is left of it is at most this share of its largest entry.
LEFT_OVER = 1e-3
# Elements beyond the number of terms that must be explained, in each fit.
MIN_BEYOND = 4


def component_of(
    quantity: Quantity, failing: Sequence[Failing], context: Context, *, extra: int
) -> str:
    """Return where the difference sits: a shape, single fields, a term or a count may say it.

    Args:
        extra: events of mine that the reference does not have.
    """
    if quantity.is_module and any(_is_other_shape(one) for one in failing):
        return "network-architecture"
    fields = {_of_field(quantity, one.field, failing, context) for one in failing}
    if len(fields) == 1 and "" not in fields:
        return fields.pop()
    spanning = quantity.spanning_under(context.hyperparameters)
    if failing and {one.field for one in failing} <= {*spanning}:
        return "return-advantage-estimation"
    if not failing and quantity.counts and extra:
        return quantity.extra_component or quantity.component
    return _of_terms(quantity, failing, context) or quantity.component


def _is_other_shape(one: Failing) -> bool:
    own, known = one.ours.arrays.get(one.field), one.theirs.arrays.get(one.field)
    return own is None or known is None or own.size != known.size


def _of_field(quantity: Quantity, field: str, failing: Sequence[Failing], context: Context) -> str:
    """Return the component of a field; "" for none of its own, or where it does not apply."""
    component = quantity.field_components.get(field, "")
    if field not in quantity.at_ends or not component:
        return component
    pairs = pairs_of(failing, field, context)
    return component if all(_is_at_ends(pair, context) for pair in pairs) else ""


def _is_at_ends(pair: Pair, context: Context) -> bool:
    """Return whether only rows of steps that ended an episode are off."""
    flags = flags_of_rows(pair.slot, pair.reference.shape, pair.n_rows, context).get(END_BEFORE)
    if flags is None or flags.size != pair.is_off.size:
        return True  # that cannot be told
    return not (pair.is_off & ~flags.ravel()).any()


def _of_terms(quantity: Quantity, failing: Sequence[Failing], context: Context) -> str:
    """Return the component whose terms alone make up the difference; "" when none do."""
    if not failing or not quantity.terms:
        return ""
    pairs = pairs_of(failing, failing[0].field, context)
    if any(pair.mine.size != pair.reference.size for pair in pairs):
        return ""
    for component in dict.fromkeys(quantity.terms.values()):
        names = [name for name, one in quantity.terms.items() if one == component]
        if _is_made_of(pairs, names, context):
            return component
    return ""


def _is_made_of(pairs: Sequence[Pair], names: Sequence[str], context: Context) -> bool:
    """Return whether the differences are sums of multiples of terms.

    An event of several elements has multiples of its own, numbers share theirs.
    """
    parts = [_part(pair, names, context.reference.events) for pair in pairs]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return False
    if all(len(y) == 1 for _, y in known):
        xs, ys = zip(*known, strict=True)
        known = [(np.concatenate(xs), np.concatenate(ys))]
    return all(_fits(x, y) for x, y in known)


def _part(
    pair: Pair, names: Sequence[str], events: Mapping[str, Mapping[tuple[int, ...], object]]
) -> tuple[Floats, Floats] | None:
    """Return ((n, terms), (n,)): the terms and the difference where an event is off."""
    columns = []
    for name in names:
        event = events.get(name, {}).get(pair.slot)
        array = getattr(event, "arrays", {}).get("")
        if array is not None and array.size == pair.reference.size:
            columns.append(array.astype(np.float64).ravel()[pair.is_off])
    if not columns:
        return None
    difference = (pair.mine.ravel() - pair.reference.ravel())[pair.is_off]
    return np.stack(columns, axis=1), difference


def _fits(terms: Floats, difference: Floats) -> bool:
    if not np.isfinite(terms).all() or not np.isfinite(difference).all():
        return False
    if len(difference) < terms.shape[1] + MIN_BEYOND:
        return len(difference) == 0
    multiples, *_ = np.linalg.lstsq(terms, difference, rcond=None)
    left = float(np.abs(difference - terms @ multiples).max())
    return left <= LEFT_OVER * float(np.abs(difference).max())
