"""Reading a network off the graph of a loss: the same for modules, functions and flat weights.

A layer is a matrix product or convolution with a weight that the optimiser trains. Between two such
layers stand activations that have names, and operations that only arrange values; with anything
else in between (an activation written out by hand, a residual sum) the network counts as not read.
"""

# ruff: noqa: ANN401 - nodes of torch's graph have no type of their own

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

# Nodes of one loss's graph that are visited.
NODES_VISITED = 10_000

# Names of nodes are those of torch 2 (torch/csrc/autograd), without "Backward" and a number.
LAYERS = frozenset(
    {
        "Addmm", "Baddbmm", "Bmm", "Convolution", "Embedding", "Index", "IndexSelect", "Linear",
        "Mm", "Mv",
    }
)  # fmt: skip
ACTIVATIONS = {
    "Celu": "celu",
    "Elu": "elu",
    "Gelu": "gelu",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Hardtanh": "hardtanh",
    "LeakyRelu": "leaky_relu",
    "LogSigmoid": "log_sigmoid",
    "MaxPool2DWithIndices": "max_pool",
    "Mish": "mish",
    "NativeBatchNorm": "batch_norm",
    "NativeLayerNorm": "layer_norm",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Tanh": "tanh",
}
# Constants of an activation, part of its name where they are not the usual ones.
CONSTANTS = {"Celu": ("alpha", 1.0), "Elu": ("scale", 1.0), "LeakyRelu": ("negative_slope", 0.01)}
ARRANGING = frozenset(
    {
        "Alias", "Cat", "Clone", "Contiguous", "Expand", "Index", "Permute", "ReshapeAlias",
        "Select", "Slice", "Split", "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy",
        "Transpose", "Unbind", "UnsafeView", "Unsqueeze", "View",
    }
)  # fmt: skip
# Looking rows up in a weight is a layer (the product with a one-hot input), no rearrangement of it.
LOOK_UPS = frozenset({"Embedding", "Index", "IndexSelect"})
# Where a layer keeps the shape of its input.
INPUT_SIZES = {"Addmm": "_saved_mat1_sym_sizes", "Mm": "_saved_self_sym_sizes"}


@dataclass
class Network:
    """What one optimiser trains, as one loss shows it.

    Attributes:
        activations: number of layers below -> activations there ("relu", "tanh|relu"; "" between
            layers without one); None where something in between has no name.
        rows: of the inputs of the first layers.
        is_reached: whether the loss depends on any of the weights.
    """

    activations: dict[int, set[str]] | None = field(default_factory=dict)
    rows: set[int] = field(default_factory=set)
    is_reached: bool = False


def read_networks(losses: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> Network:
    """Return what the graphs of the losses say about the layers made of `weights`."""
    network = Network()
    reader = _Reader({id(weight) for weight in weights}, network)
    reached: set[int] = set()
    for loss in losses:
        for node in _nodes(loss.grad_fn):
            variable = getattr(node, "variable", None)
            reached |= {id(variable)} & reader.own
            reader.read_layer(node)
    network.is_reached = bool(reached)
    matrices = {id(weight) for weight in weights if sum(n > 1 for n in weight.shape) > 1}
    if not reached & matrices <= reader.in_layers:
        network.activations = None
    return network


@dataclass
class _Reader:
    """Finds layers, and what stands between them.

    Attributes:
        own: ids of the weights. in_layers: ids of those found in layers. depths: layers already
            read. n_left: nodes that may be visited.
    """

    own: set[int]
    network: Network
    in_layers: set[int] = field(default_factory=set)
    depths: dict[Any, int] = field(default_factory=dict)
    n_left: int = NODES_VISITED

    def read_layer(self, node: Any) -> int | None:
        """Return how many layers stand below this one; None when it is no layer of ours."""
        if node in self.depths:
            return self.depths[node]
        inputs = self._inputs(node)
        if inputs is None:
            return None
        below = [end for edge in inputs for end in self._below(edge, ())]
        depth = max((lower + 1 for lower, _ in below), default=0)
        self.depths[node] = depth
        for lower, found in below:
            self._note(lower, found)
        sizes = getattr(node, INPUT_SIZES.get(_kind(node), ""), None)
        if depth == 0 and sizes is not None:
            self.network.rows.add(int(sizes[0]))
        return depth

    def _note(self, lower: int, found: tuple[str, ...]) -> None:
        activations = self.network.activations
        if "" in found:
            self.network.activations = None
        elif activations is not None:
            activations.setdefault(lower, set()).add("+".join(reversed(found)))

    def _inputs(self, node: Any) -> list[Any] | None:
        """Return the edges through which a layer gets its input, or None when it is none."""
        if _kind(node) not in LAYERS:
            return None
        edges = [edge for edge, _ in node.next_functions]
        leaves = [_leaf(edge) for edge in edges]
        weights = [leaf for leaf in leaves if leaf is not None and id(leaf) in self.own]
        if not weights:
            return None
        self.in_layers |= {id(weight) for weight in weights}
        return [e for e, leaf in zip(edges, leaves, strict=True) if e is not None and leaf is None]

    def _below(self, node: Any, found: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield (layers below, what stands in between) of every layer that feeds this place.

        An operation without a name gives "". Paths that reach none of our layers say nothing.
        """
        while node is not None:
            self.n_left -= 1
            if self.n_left < 0:
                self.network.activations = None
                return
            depth = self.read_layer(node)
            if depth is not None:
                yield depth, found
                return
            if _kind(node) in LAYERS - LOOK_UPS:  # somebody else's: our network begins above it
                return
            found = (*found, *_names(node))
            edges = [e for e, _ in node.next_functions if e is not None and _leaf(e) is None]
            for other in edges[1:]:
                yield from self._below(other, found)
            node = edges[0] if edges else None


def _names(node: Any) -> tuple[str, ...]:
    """Return the activation at a node, () for mere arranging, ("",) for anything else."""
    kind = _kind(node)
    if kind in ARRANGING or (kind == "Add" and _adds_bias(node)):
        return ()
    if kind in ("Clamp", "ClampMin"):
        is_relu = node._saved_min == 0 and getattr(node, "_saved_max", None) is None
        return ("relu" if is_relu else "",)
    name = ACTIVATIONS.get(kind, "")
    if kind in CONSTANTS:
        constant, usual = CONSTANTS[kind]
        value = float(getattr(node, f"_saved_{constant}"))
        name += "" if value == usual else f"({constant} {value:.6g})"
    return (name,)


def _adds_bias(node: Any) -> bool:
    return any(_leaf(edge) is not None for edge, _ in node.next_functions)


def _leaf(node: Any) -> torch.Tensor | None:
    """Return the weight that a node gives, rearranged at most; None when it gives none."""
    while node is not None and not hasattr(node, "variable"):
        if _kind(node) not in ARRANGING - LOOK_UPS or len(node.next_functions) != 1:
            return None
        node = node.next_functions[0][0]
    return None if node is None else node.variable


def _kind(node: Any) -> str:
    name: str = node.name()
    return name.partition("Backward")[0].rpartition("::")[2]


def _nodes(root: Any) -> Iterator[Any]:
    """Yield every node of a graph once."""
    waiting, visited = [root], {None}
    while waiting and len(visited) < NODES_VISITED:
        node = waiting.pop()
        if node in visited:
            continue
        visited.add(node)
        yield node
        waiting.extend(following for following, _ in node.next_functions)
