"""Curves of optimisers, matched between the sides before they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.localise.optimisers import order_of
from harness.records import Curves

# Measured of each optimiser over what it trains: those of two optimisers are another thing than
# that of one which trains both networks. (Learning rates and rounds of updates are not.)
OVER_WHAT_IS_TRAINED = ("loss", "grad_norm_unclipped", "grad_norm", "update_norm", "param_norm")
PER_OPTIMISER = (*OVER_WHAT_IS_TRAINED, "learning_rate", "updates_per_env_step")


def matched_optimisers(
    curves: Mapping[str, Curves], *, mine: Sequence[int], reference: Sequence[int]
) -> tuple[dict[str, Curves], dict[str, str]]:
    """Return mine's curves under the reference's numbers of optimisers, and what is not comparable.

    Args:
        mine, reference: trained elements of each optimiser, in order of first step; empty: unknown.
    """
    if not mine or not reference:
        return dict(curves), {}
    if len(mine) != len(reference):
        why = f"optimisers that train {_sizes(mine)} elements beside {_sizes(reference)}"
        unlike = [name for name in curves if name.partition(".")[0] in OVER_WHAT_IS_TRAINED]
        return dict(curves), dict.fromkeys(unlike, f"of {why}, not compared")
    order = order_of(mine, reference)
    if order is None:
        return dict(curves), {}
    names = {
        f"{base}{_suffix(old)}": f"{base}{_suffix(new)}"
        for base in PER_OPTIMISER
        for new, old in enumerate(order)
    }
    renamed = {names.get(name, name): curve for name, curve in curves.items()}
    return {name: replace(curve, metric=name) for name, curve in renamed.items()}, {}


def _suffix(place: int) -> str:
    return f".{place}" if place else ""


def _sizes(sizes: Sequence[int]) -> str:
    return " + ".join(f"{size:,}" for size in sizes)
