"""Options of torch's optimisers: which of them take part in the update rule, and which differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# They change speed or bookkeeping only; the learning rate is a quantity of its own.
NOT_CONSTANTS = frozenset({"lr", "foreach", "fused", "capturable", "differentiable", "maximize"})
# Does nothing where weights do not decay.
DECAY, DECOUPLED = "weight_decay", "decoupled_weight_decay"


def differing_options(mine: Mapping[str, Any], reference: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one sentence per option that takes part in the update rule and differs.

    Args:
        mine, reference: class and options. Between two classes the options say nothing more.
    """
    if is_other_class(mine, reference):
        return (f"the optimiser is {mine['class']}, the reference's {reference['class']}",)
    neutral = {*NOT_CONSTANTS, *(() if mine.get(DECAY) else (DECOUPLED,))}
    return tuple(
        f"{key} {mine.get(key)!r}, reference {reference.get(key)!r}"
        for key in sorted((mine.keys() | reference.keys()) - neutral)
        if mine.get(key) != reference.get(key)
    )


def is_other_class(mine: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Return whether both classes are known and differ."""
    classes = {side.get("class") for side in (mine, reference)}
    return len(classes - {None}) > 1
