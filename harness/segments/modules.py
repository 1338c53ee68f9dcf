"""The tapped modules and trained tensors of one side: matched, read, loaded and watched."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from harness.segments.matching import WEIGHT_DIMENSIONS, Matching, candidates
from harness.segments.noise import FLOAT32_UNIT
from harness.segments.tape import Array, Arrays

# Of which numpy sees the memory without a copy.
NUMPY_FLOATS = (torch.float32, torch.float64)


class Modules:
    """Modules by the name of their tap; their parameters are numbered as the reference's are.

    Args:
        choices: module tap -> which of its candidate matchings to use; default the first.

    Attributes:
        parameters: tap -> its parameters in mine's order. n_candidates: tap -> matchings to try.
        birthplaces: tap -> lines on which it and its parts were made, "file:line".
        shared: tap -> another tap that holds the same tensors.
        called: taps of modules that computed something since it was last emptied.
    """

    def __init__(self, choices: Mapping[str, int]) -> None:
        self._choices = choices
        self._matchings: dict[str, Matching] = {}
        self._owners: dict[int, tuple[str, str]] = {}
        self._marks: dict[str, tuple[float, ...]] = {}
        self._views: dict[int, tuple[int, Array]] = {}
        self.parameters: dict[str, list[torch.Tensor]] = {}
        self.n_candidates: dict[str, int] = {}
        self.shared: dict[str, str] = {}
        self.birthplaces: dict[str, list[str]] = {}
        self._made: dict[int, tuple[str, ...]] = {}
        self._of_module: dict[int, str] = {}
        self._roots: dict[int, str] = {}
        self._modules: dict[str, torch.nn.Module] = {}
        self.called: set[str] = set()

    def was_called(self, module: Any, args: Any) -> None:
        """Remember that a tapped module, or a part of one, computes something."""
        del args
        name = self._of_module.get(id(module))
        if name is not None:
            self.called.add(name)

    def made(self, module: Any, places: tuple[str, ...]) -> None:
        """Remember the line on which a module is made, and the call that led there."""
        self._made[id(module)] = places

    @staticmethod
    def admits(value: Any) -> bool:
        """Return whether a tapped value is a module, or a tensor that is itself trained."""
        if isinstance(value, torch.nn.Module):
            return True
        return isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad

    def register(self, name: str, value: Any, known: Arrays | None) -> None:
        """Take a module's parameters in; `known` are those of the reference, when replaying."""
        if isinstance(value, torch.nn.Module):
            parameters: list[torch.Tensor] = list(value.parameters())
            places = (self._made.get(id(part), ()) for part in value.modules())
            self.birthplaces[name] = sorted({place for calls in places for place in calls})
            self._of_module |= {id(part): name for part in value.modules()}
            self._roots[id(value)] = name
            self._modules[name] = value
        else:
            parameters = [value]
        shapes = [tuple(p.shape) for p in parameters]
        theirs = shapes if known is None else [array.shape for array in known.values()]
        found = candidates(shapes, theirs)
        self.n_candidates[name] = len(found)
        self._matchings[name] = found[self._choices.get(name, 0) % len(found)]
        for other, held in self.parameters.items():
            if other != name and _overlap(held, parameters):
                self.shared[name] = other
        self.parameters[name] = parameters
        for i, parameter in enumerate(parameters):
            self._owners.setdefault(id(parameter), (name, self._field(name, i)))

    def owner_of(self, parameter: torch.Tensor) -> tuple[str, str]:
        """Return (tap, field) of a parameter; ("", "") when no tapped module holds it."""
        return self._owners.get(id(parameter), ("", ""))

    def root_of(self, module: Any) -> str:
        """Return the tap of a module, "" for one that is not tapped itself."""
        return self._roots.get(id(module), "")

    def module_of(self, name: str) -> torch.nn.Module | None:
        """Return the module of a tap; None where none is tapped under this name."""
        return self._modules.get(name)

    def layer_of(self, module: Any) -> tuple[str, str, bool] | None:
        """Return (tap, field of its weight, whether it is a first layer) of a layer; else None.

        First layers are those as wide as the module's first weight: they receive what it does.
        """
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.dim() < WEIGHT_DIMENSIONS:
            return None
        tap, field = self.owner_of(weight)
        if not tap or not field.isdigit():
            return None
        first = next(p for p in self.parameters[tap] if p.dim() >= WEIGHT_DIMENSIONS)
        return tap, field, weight.shape[1:] == first.shape[1:]

    def arrays(self, name: str) -> Arrays:
        """Return copies of a module's parameters, numbered as the reference's are."""
        return {
            self._field(name, i): np.array(p.detach().cpu().numpy())
            for i, p in enumerate(self.parameters[name])
        }

    def load(self, name: str, known: Arrays) -> None:
        """Set a module's parameters in place; those of another shape stay as they are."""
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters[name]):
                array = known.get(self._field(name, i))
                if array is not None and array.size == parameter.numel():
                    value = torch.as_tensor(array, dtype=parameter.dtype)
                    parameter.copy_(value.reshape(parameter.shape))

    def nudge(self, parameters: Iterable[torch.Tensor], rng: np.random.Generator) -> None:
        """Move every number by one unit in its last place, up, down or not at all."""
        with torch.no_grad():
            for parameter in parameters:
                signs = rng.integers(-1, 2, size=tuple(parameter.shape))
                unit = torch.as_tensor(signs * FLOAT32_UNIT, dtype=parameter.dtype)
                parameter.add_(parameter * unit)

    def perturb(self, name: str, rng: np.random.Generator, spread: float) -> None:
        """Add normal noise of the given spread to a module's parameters."""
        with torch.no_grad():
            for parameter in self.parameters[name]:
                noise = rng.normal(scale=spread, size=tuple(parameter.shape))
                parameter.add_(torch.as_tensor(noise, dtype=parameter.dtype))

    def changed(self) -> Iterator[str]:
        """Yield "<tap>_params" of modules whose numbers changed since the last look.

        The first element of each parameter stands for it: whatever changes weights outside an
        optimiser (a copy, an average) changes all of them.
        """
        for name, marks in self._marks.items():
            now = self._mark(name)
            if now != marks:
                self._marks[name] = now
                yield f"{name}_params"

    def remember(self) -> None:
        """Take what the harness or the optimiser changed as known."""
        self._marks = {name: self._mark(name) for name in self.parameters}

    def _mark(self, name: str) -> tuple[float, ...]:
        return tuple(self._first(p) for p in self.parameters[name] if p.numel())

    def _first(self, parameter: torch.Tensor) -> float:
        """Return the first element. Looked at after every line: views in memory are kept."""
        if parameter.device.type != "cpu" or parameter.dtype not in NUMPY_FLOATS:
            return float(parameter.detach().flatten()[0])
        place = parameter.data_ptr()
        known = self._views.get(id(parameter))
        if known is None or known[0] != place:
            first = parameter.detach()[(0,) * parameter.dim()]
            known = self._views[id(parameter)] = (place, first.numpy())
        return float(known[1])

    def _field(self, name: str, i: int) -> str:
        """Return the reference's number of mine's parameter i; "mine.i" when it has none."""
        place = self._matchings[name][i]
        return f"mine.{i}" if place is None else str(place)


def _overlap(some: Iterable[torch.Tensor], others: Iterable[torch.Tensor]) -> bool:
    """Return whether two modules hold one tensor between them."""
    return bool({p.data_ptr() for p in some if p.numel()} & {p.data_ptr() for p in others})
