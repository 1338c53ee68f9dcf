"""Networks from inside: what each layer of a tapped module receives, and what the module gives.

A wrong activation, a wrong input or a wrong output makes every quantity differ that a network
computes, whatever stage it belongs to. Layers are matched like parameters are, so what goes into
them can be compared one by one: the first difference on the way through a network is its cause.

Only passes that a gradient may flow through count (those of updates), and each is looked up by its
numbers among mine's passes at the same env step: the order of passes, and further ones, do not
matter. A pass that mine makes with another number of rows is not compared.
"""

# ruff: noqa: ANN401 - the edge to torch, whose modules take and return anything

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.judgement import SegmentRow
from harness.segments.tape import Array, Tape

if TYPE_CHECKING:
    from harness.segments.runtime import Runtime

# On the way through a network, in order: what is compared, and where a difference in it sits.
KINDS = (
    ("inputs", "observation-preprocessing"),
    ("layers", "network-architecture"),
    ("outputs", "network-architecture"),
)
# Equal up to this share of the largest entry: rounding of a few layers of float32.
RELATIVE = 1e-4
# Passes of one layer that are kept; later ones are like earlier ones.
MAX_PASSES = 400


class NetworkWatch:
    """A forward hook on every module; takes down the passes of tapped modules and their layers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._n_kept: dict[tuple[str, str, str], int] = {}

    def after(self, module: Any, inputs: Any, output: Any) -> None:
        """Take down what a layer received, or what a tapped module gave."""
        if not torch.is_grad_enabled():
            return
        found = self._runtime.modules.layer_of(module)
        if found is not None and inputs and isinstance(inputs[0], torch.Tensor):
            tap, field, is_first = found
            self._keep(tap, "inputs" if is_first else "layers", field, inputs[0])
        tap = self._runtime.modules.root_of(module)
        if tap and isinstance(output, torch.Tensor):
            self._keep(tap, "outputs", "", output)
        parts = output if isinstance(output, (tuple, list)) else [output]
        if tap and all(isinstance(part, torch.Tensor) for part in parts):
            # Several values of a row may come side by side, one by one, or as rows.
            together = torch.cat([part.detach().flatten() for part in parts])
            self._keep(tap, "outputs", "sorted", together.sort().values)

    def _keep(self, tap: str, kind: str, field: str, tensor: torch.Tensor) -> None:
        key = (tap, kind, field)
        n = self._n_kept[key] = self._n_kept.get(key, 0) + 1
        if n <= MAX_PASSES:
            array = np.array(tensor.detach().cpu().numpy(), dtype=np.float64)
            passes = self._runtime.tape.passes.setdefault(key, {})
            passes.setdefault(self._runtime.boundary.env_steps, []).append(array)


def network_rows(
    mine: Tape, reference: Tape, *, left_out: Collection[int] = ()
) -> tuple[SegmentRow, ...]:
    """Return one row per trained module and kind that both sides have, in order of the way.

    What comes after a difference on the way through one module is inherited, and not reported.

    Args:
        left_out: env steps at which mine could not be handed the reference's draws.
    """
    rows = []
    skipped = _off_schedule(mine, reference)
    for tap in reference.owners:
        is_right = True
        for kind, component in KINDS:
            keys = [k for k in reference.passes if k[:2] == (tap, kind) and k in mine.passes]
            # Layers and outputs say something of a pass that both sides make.
            unpaired = frozenset() if kind == "inputs" else _unpaired(mine, reference, tap)
            steps = {*skipped, *left_out, *unpaired}
            compared = [one for key in keys for one in _compared(mine, reference, key, steps)]
            if not compared or not is_right:
                continue
            is_right = all(one is None for one in compared)
            rows.append(_row(f"{tap}_{kind}", component, compared))
    return tuple(rows)


def _unpaired(mine: Tape, reference: Tape, tap: str) -> frozenset[int]:
    """Return the env steps at which mine lacks the inputs of a pass that the reference makes."""
    keys = [key for key in reference.passes if key[:2] == (tap, "inputs") and key in mine.passes]
    return frozenset(
        step
        for key in keys
        for step, known in reference.passes[key].items()
        for array in known
        if not any(
            one.size == array.size and _distance(one, array) <= RELATIVE
            for one in mine.passes[key].get(step, ())
        )
    )


def _off_schedule(mine: Tape, reference: Tape) -> frozenset[int]:
    """Return the env steps at which updates of another order are made, of a side that errs there.

    Where a module is updated at other times, the passes for it are made with other minibatches.
    """
    names = [f"{owner}_updates" for owner in reference.owners]
    if all(mine.of(name).keys() == reference.of(name).keys() for name in names):
        return frozenset()
    ours, theirs = _orders(mine, names), _orders(reference, names)
    return frozenset(step for step in theirs if ours.get(step) != theirs[step])


def _orders(tape: Tape, names: Sequence[str]) -> dict[int, list[str]]:
    """Return env step -> the modules updated there, in order."""
    events = [
        (event.update, name, event.env_step) for name in names for event in tape.of(name).values()
    ]
    orders: dict[int, list[str]] = {}
    for _, name, env_step in sorted(events):
        orders.setdefault(env_step, []).append(name)
    return orders


def _compared(
    mine: Tape, reference: Tape, key: tuple[str, str, str], skipped: Collection[int]
) -> Iterator[tuple[int, float] | None]:
    """Yield None per pass that both sides make, (env step, size) for one that nothing equals.

    Of the side that makes fewer passes at an env step every one must be among the other's; passes
    of mine that are all among the reference's have the right inputs, whatever they serve. Where
    mine makes fewer updates nothing is compared: which of them it leaves out cannot be told.
    """
    ours_made, theirs_made = (_updates_made(tape, key[0]) for tape in (mine, reference))
    for env_step, known in reference.passes[key].items():
        own = mine.passes[key].get(env_step, [])
        if ours_made[env_step] < theirs_made[env_step] or env_step in skipped:
            continue
        for n in dict.fromkeys(array.size for array in known):
            ours = [array for array in own if array.size == n]
            theirs = [array for array in known if array.size == n]
            if not ours:
                continue
            found = [min(_distance(one, array) for one in ours) for array in theirs]
            own_found = [min(_distance(one, array) for array in theirs) for one in ours]
            # Where mine has nothing of its own it passes right values, be it the wrong ones twice.
            is_fewer = len(ours) < len(theirs) or max(own_found) <= RELATIVE
            sizes = own_found if is_fewer else found
            yield from (None if size <= RELATIVE else (env_step, size) for size in sizes)


def _updates_made(tape: Tape, tap: str) -> Counter[int]:
    """Return env step -> updates of a module that were made there."""
    return Counter(event.env_step for event in tape.of(f"{tap}_updates").values())


def _distance(mine: Array, reference: Array) -> float:
    scale = float(np.abs(reference).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        return float(np.abs(mine.reshape(-1) - reference.reshape(-1)).max(initial=0.0)) / scale


def _row(name: str, component: str, compared: Sequence[tuple[int, float] | None]) -> SegmentRow:
    off = [one for one in compared if one is not None]
    return SegmentRow(
        name,
        component,
        "collect",
        "failed" if off else "passed",
        n_events=len(compared),
        n_failed=len(off),
        size=max((size for _, size in off), default=0.0) / RELATIVE,
        env_step=off[0][0] if off else 0,
        is_optional=True,
    )
