"""Pairing the optimisers of both sides, so that facts about them are compared like with like."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from harness.records import Json

COUNT, SHAPES = "trained_parameter_count", "trained_parameter_shapes"

Facts = dict[int, dict[str, Json]]


def paired_optimisers(mine: Facts, reference: Facts, names: Collection[str]) -> tuple[Facts, Facts]:
    """Return both sides' facts with their optimisers in one order.

    Where each optimiser of mine trains as many elements as one of the reference, it takes that
    one's place. Where the sides have another number of optimisers, each fact holds the distinct
    values of all of them (of counts the sum).

    Args:
        mine, reference: seed -> facts. names: facts with one entry per optimiser.
    """
    known = [
        facts[COUNT] for side in (mine, reference) for facts in side.values() if facts.get(COUNT)
    ]
    if len({len(counts) for counts in known}) > 1:
        return _joined(mine, names), _joined(reference, names)
    pattern = next((facts for facts in reference.values() if facts.get(COUNT)), None)
    if pattern is None:
        return mine, reference
    return _in_order(mine, pattern, names), _in_order(reference, pattern, names)


def _in_order(side: Facts, pattern: Mapping[str, Json], names: Collection[str]) -> Facts:
    return {seed: _reordered(facts, pattern, names) for seed, facts in side.items()}


def _joined(side: Facts, names: Collection[str]) -> Facts:
    return {
        seed: {
            name: _join(name, value) if name in names else value for name, value in facts.items()
        }
        for seed, facts in side.items()
    }


def _join(name: str, values: Json) -> Json:
    if name == COUNT:
        return [sum(values)]
    if name == SHAPES:
        return [sorted(shape for shapes in values for shape in shapes)]
    return [
        json.loads(text) for text in sorted({json.dumps(one, sort_keys=True) for one in values})
    ]


def order_of(ours: Sequence[int], theirs: Sequence[int]) -> list[int] | None:
    """Return, for each of their optimisers, the place of ours that trains as many elements.

    None where one has no counterpart.

    >>> order_of([3, 7], [7, 3])
    [1, 0]
    """
    if sorted(ours) != sorted(theirs):
        return None
    left = list(range(len(ours)))
    order = []
    for size in theirs:
        place = next(k for k in left if ours[k] == size)
        left.remove(place)
        order.append(place)
    return order


def _reordered(
    facts: dict[str, Json], pattern: Mapping[str, Json], names: Collection[str]
) -> dict[str, Json]:
    """Return the facts with the optimisers in the pattern's order, if each has a counterpart."""
    order = order_of(sizes_of(facts), sizes_of(pattern))
    if order is None or order == sorted(order):
        return facts
    return {
        name: [value[k] for k in order] if name in names and len(value) == len(order) else value
        for name, value in facts.items()
    }


def sizes_of(facts: Mapping[str, Json]) -> list[int]:
    """Return the trained elements of each optimiser; empty where they were not observed."""
    return list(facts.get(COUNT, ()))
