"""Telling a side that never trains from one that trains without a torch optimiser."""

from __future__ import annotations

from typing import Any

import torch

# Nodes of one loss's graph that are visited in search of its weights.
NODES_VISITED = 10_000


class Leaves:
    """The weights below the first loss that `backward` saw, and what they were then."""

    def __init__(self) -> None:
        self._before: list[tuple[torch.Tensor, torch.Tensor]] = []

    def saw_loss(self, loss: torch.Tensor) -> None:
        """Copy the weights of the first loss; later ones cost nothing."""
        if not self._before:
            self._before = [(leaf, leaf.detach().clone()) for leaf in leaves_of(loss)]

    @property
    def have_moved(self) -> bool:
        """Whether any of the weights has changed in place since."""
        return any(not torch.equal(leaf.detach(), before) for leaf, before in self._before)


def leaves_of(loss: torch.Tensor) -> list[torch.Tensor]:
    """Return the tensors into which `loss.backward()` would accumulate a gradient."""
    found: list[torch.Tensor] = []
    waiting: list[Any] = [loss.grad_fn]
    visited: set[Any] = {None}
    while waiting and len(visited) < NODES_VISITED:
        node = waiting.pop()
        if node in visited:
            continue
        visited.add(node)
        if hasattr(node, "variable"):  # AccumulateGrad
            found.append(node.variable)
        waiting.extend(following for following, _ in node.next_functions)
    return found
