"""Optimiser steps of parameters that no tap names: when, how fast, and how long a gradient is.

What an optimiser trains is told by its shapes: it counts as the module of the reference whose
parameters it holds. Nothing that depends on draws is compared or handed on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.segments.names import UNCLAIMED
from harness.segments.tape import Shape, Slot, Tape, squeezed

if TYPE_CHECKING:
    from harness.segments.runtime import Runtime

# What is seen of each step.
KINDS = ("updates", "learning_rate", "grad_norm")
NAME = "optimiser"  # owner of parameters that neither side taps; the second one is "optimiser_2"


class BareSteps:
    """What the hooks of an optimiser say where no tap says whose parameters it trains."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._owners: dict[int, str] = {}
        self._counts: dict[int, tuple[int, int]] = {}

    def before(self, optimiser: torch.optim.Optimizer, trained: Sequence[torch.Tensor]) -> str:
        """Take the step down; return the prefix of its quantities, "" when nothing fits."""
        if id(optimiser) not in self._owners:
            self._owners[id(optimiser)] = self._owner_of(trained)
        owner = self._owners[id(optimiser)]
        slot = self._slot(optimiser)
        if not owner:
            # It trains something, nobody knows what: no module is said to be never updated.
            self._runtime.take(UNCLAIMED, slot, {"": np.array(slot[0])})
            return ""
        values = (slot[0], float(optimiser.param_groups[0]["lr"]), norm_of(trained))
        for kind, value in zip(KINDS, values, strict=True):
            self._runtime.take(f"{owner}_{kind}", slot, {"": np.array(value)})
        return f"{owner}_"

    def _owner_of(self, trained: Sequence[torch.Tensor]) -> str:
        tape, reference = self._runtime.tape, self._runtime.reference
        shapes = [squeezed(p.shape) for p in trained]
        if reference is not None:
            known = reference.trained if isinstance(reference, Tape) else {}
            return owner_of_shapes(shapes, known)
        owner = f"{NAME}_{len(tape.bare) + 1}" if tape.bare else NAME
        tape.bare.append(owner)
        tape.owners.append(owner)
        tape.trained[owner] = shapes
        return owner

    def _slot(self, optimiser: torch.optim.Optimizer) -> Slot:
        env_steps = self._runtime.boundary.env_steps
        at, seen = self._counts.get(id(optimiser), (-1, -1))
        seen = seen + 1 if at == env_steps else 0
        self._counts[id(optimiser)] = (env_steps, seen)
        return (env_steps, seen)


def norm_of(trained: Sequence[torch.Tensor]) -> float:
    """Return the Euclidean norm of all gradients together."""
    squares = (float(p.grad.detach().double().pow(2).sum()) for p in trained if p.grad is not None)
    return math.sqrt(sum(squares))


def owner_of_shapes(own: Sequence[Shape], known: Mapping[str, Sequence[Shape]]) -> str:
    """Return which owner has parameters of these shapes: most of them, and fewest others.

    "" when none has one, or two fit alike.

    >>> owner_of_shapes([(4, 3), (4,)], {"actor": [(4, 3), (4,), (2, 4)], "critic": [(5, 3), (5,)]})
    'actor'
    """
    fits: dict[str, tuple[int, int]] = {}
    for owner, shapes in known.items():
        shared = sum((Counter(own) & Counter(shapes)).values())
        if shared:
            fits[owner] = (shared, shared - len(shapes))
    best = max(fits.values(), default=(0, 0))
    owners = [owner for owner, fit in fits.items() if fit == best]
    return owners[0] if len(owners) == 1 else ""
