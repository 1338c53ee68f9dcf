"""Which parameter of mine is which parameter of the reference: by shape, in order.

Layers are matched as units (a weight and the bias after it). Where several layers have the same
shapes, every assignment is a candidate, the one that keeps the order first; which one is right is
settled by replaying (`harness.segments.child`): under the right one the values agree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

Shape = tuple[int, ...]
# Position in the reference of each parameter of mine; None: the reference has no such parameter.
Matching = tuple[int | None, ...]

# More assignments than this are not tried one by one.
MAX_CANDIDATES = 24
WEIGHT_DIMENSIONS = 2


def candidates(mine: Sequence[Shape], reference: Sequence[Shape]) -> tuple[Matching, ...]:
    """Return the matchings to try, most likely first; never empty.

    >>> candidates([(4, 3), (4,)], [(4, 3), (4,)])
    ((0, 1),)
    """
    if list(mine) == list(reference):
        first: Matching = tuple(range(len(mine)))
        return tuple(dict.fromkeys([first, *_by_units(mine, reference)]))[:MAX_CANDIDATES]
    found = tuple(itertools.islice(_by_units(mine, reference), MAX_CANDIDATES))
    return found or (_in_order(mine, reference),)


def _by_units(mine: Sequence[Shape], reference: Sequence[Shape]) -> Iterator[Matching]:
    """Yield the matchings that pair whole layers; none when the layers differ."""
    ours, theirs = _units(mine), _units(reference)
    if sorted(_key(mine, unit) for unit in ours) != sorted(_key(reference, u) for u in theirs):
        return
    classes: dict[tuple[Shape, ...], tuple[list[Shape], list[Shape]]] = {}
    for units, shapes, side in ((ours, mine, 0), (theirs, reference, 1)):
        for unit in units:
            classes.setdefault(_key(shapes, unit), ([], []))[side].append(unit)
    sizes = {len(units) for units, _ in classes.values() if len(units) > 1}
    orders = _coherent(sizes) if len(sizes) == 1 else _every(classes)
    for order in orders:
        matching: list[int | None] = [None] * len(mine)
        for index, (own, known) in enumerate(classes.values()):
            chosen = order[index] if len(sizes) != 1 else order[0]
            places = chosen if len(own) > 1 else (0,)
            for unit, place in zip(own, places, strict=True):
                for i, j in zip(unit, known[place], strict=True):
                    matching[i] = j
        yield tuple(matching)


def _coherent(sizes: set[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield permutations that all classes share: whole networks change places."""
    (size,) = sizes
    if math.factorial(size) <= MAX_CANDIDATES:
        for permutation in itertools.permutations(range(size)):
            yield (permutation,)
    else:
        yield (tuple(range(size)),)


def _every(
    classes: dict[tuple[Shape, ...], tuple[list[Shape], list[Shape]]],
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield one permutation per class, in every combination, up to the cap."""
    each = [itertools.permutations(range(len(own))) for own, _ in classes.values()]
    sizes = [len(own) for own, _ in classes.values()]
    if math.prod(map(math.factorial, sizes)) > MAX_CANDIDATES**2:
        yield tuple(tuple(range(size)) for size in sizes)
        return
    yield from itertools.islice(itertools.product(*each), MAX_CANDIDATES)


def _units(shapes: Sequence[Shape]) -> list[Shape]:
    """Return the positions of each layer: a weight with the bias after it, or one parameter."""
    units: list[Shape] = []
    i = 0
    while i < len(shapes):
        has_bias = (
            len(shapes[i]) >= WEIGHT_DIMENSIONS
            and i + 1 < len(shapes)
            and shapes[i + 1] == shapes[i][:1]
        )
        units.append((i, i + 1) if has_bias else (i,))
        i += len(units[-1])
    return units


def _key(shapes: Sequence[Shape], unit: Shape) -> tuple[Shape, ...]:
    """Return the shapes of a unit; a parameter alone is taken without its axes of size 1."""
    if len(unit) == 1:
        return (tuple(size for size in shapes[unit[0]] if size != 1),)
    return tuple(shapes[i] for i in unit)


def _in_order(mine: Sequence[Shape], reference: Sequence[Shape]) -> Matching:
    """Return each parameter's place in order of shape; those without a counterpart have None."""
    free: dict[Shape, list[int]] = {}
    for j, shape in enumerate(reference):
        free.setdefault(shape, []).append(j)
    return tuple(free[shape].pop(0) if free.get(shape) else None for shape in mine)
