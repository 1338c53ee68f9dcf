"""Recording and replaying: what taps and optimiser hooks do while one side of a scenario runs."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from harness import tap
from harness.run.observe.sites import Sites
from harness.segments.tape import Event, Slot, Tape
from harness.segments.values import Arrays, arrays_of, hand_on

# The tap whose events count env steps.
STEP_TAP = "action"
# What is taken down at an optimiser's step.
HOOKED = ("update_env_step", "grad", "params")


class Runtime:
    """The tap handler of one side; with a reference tape it hands the reference's values on.

    Besides the taps it takes down, at every optimiser step, `update_env_step` (when it happens),
    `grad` (what the optimiser receives) and `params` (the change it makes); and at the first tap of
    every update, for each tapped module, `<tap>_params`.

    Args:
        update_taps: taps that fire inside an update, from the card.
    """

    def __init__(
        self,
        *,
        side_file: str | None,
        update_taps: frozenset[str],
        reference: Tape | None = None,
    ) -> None:
        self.tape = Tape()
        self._sites = Sites(side_file)
        self._reference = reference
        self._update_taps = update_taps
        self._modules: dict[str, torch.nn.Module] = {}
        self._before: list[torch.Tensor] = []
        self._updates = 0
        self._checked_update = -1
        self._updated_at = -1  # env steps made when the latest update began
        self._updates_here = 0  # updates at this env step so far
        self._seen_at: dict[tuple[str, tuple[int, int]], int] = {}
        self._kept_state: dict[str, Any] | None = None
        self._marks = Marks()

    @contextmanager
    def watching(self) -> Iterator[Tape]:
        """Handle taps and optimiser steps inside the with block; yields the tape."""
        hooks = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        tap.set_handler(self.handle)
        try:
            yield self.tape
        finally:
            tap.set_handler(None)
            for hook in hooks:
                hook.remove()
            self.tape.sites = {**self._sites.found, **self._marks.sites}

    def handle(self, name: str, value: Any) -> Any:
        """Take a value down; return the reference's at the same place, or the value itself."""
        self._sites.note(name)
        try:
            self._marks.look(self._modules, here=self._sites.here())
            if name in self._update_taps:
                self._check_modules()
            if isinstance(value, torch.nn.Module):
                self._modules[name] = value
            known = self._take(name, arrays_of(value))
            return value if known is None else hand_on(value, known)
        except Exception as error:  # noqa: BLE001 - a tap must never break the watched code
            self.tape.problems.append(f"tap {name!r}: {type(error).__name__}: {error}")
            return value

    def _take(self, name: str, arrays: Arrays) -> Arrays | None:
        """Append an event; return the reference's arrays at the same place, when replaying."""
        slot = self._slot(name)
        event = Event(arrays, self._env_steps, self._updates)
        self.tape.events.setdefault(name, {})[slot] = event
        known = self._reference.at(name, slot) if self._reference else None
        return known.arrays if known else None

    @property
    def _env_steps(self) -> int:
        return self.tape.count(STEP_TAP)

    def _slot(self, name: str) -> Slot:
        if name not in self._update_taps and name not in HOOKED and not name.endswith("_params"):
            return (self.tape.count(name),)
        env_steps = self._env_steps
        if env_steps != self._updated_at:
            self._updated_at, self._updates_here = env_steps, 0
        place = (env_steps, self._updates_here)
        self._seen_at[name, place] = self._seen_at.get((name, place), -1) + 1
        return (*place, self._seen_at[name, place])

    def _before_step(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        self._sites.note("step")
        is_extra = self._reference is not None and not self._has_counterpart()
        self._kept_state = copy.deepcopy(optimiser.state_dict()) if is_extra else None
        self._take("update_env_step", arrays_of(self._env_steps))
        trained = _trained(optimiser)
        self._check_modules()
        ids = {id(p) for p in trained}
        self.tape.optimised |= {
            name
            for name, module in self._modules.items()
            if ids & {id(p) for p in module.parameters()}
        }
        gradients = {str(i): p.grad for i, p in enumerate(trained)}
        known = self._take("grad", arrays_of(gradients))
        if known is not None:
            for i, p in enumerate(trained):
                p.grad = hand_on(p.grad, {"": known[str(i)]} if str(i) in known else {})
        self._before = [p.detach().clone() for p in trained]

    def _check_modules(self) -> None:
        """Once per update, before its first tap: take down and hand on every tapped module."""
        if self._checked_update == self._updates:
            return
        self._checked_update = self._updates
        for name, module in self._modules.items():
            known = self._take(f"{name}_params", arrays_of(module))
            if known is not None:
                hand_on(module, known)
        self._marks.reset(self._modules)

    def _after_step(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        trained = _trained(optimiser)
        with torch.no_grad():
            change = {
                str(i): p - b for i, (p, b) in enumerate(zip(trained, self._before, strict=True))
            }
            known = self._take("params", arrays_of(change))
            for i, (p, before) in enumerate(zip(trained, self._before, strict=True)):
                step = (known or {}).get(str(i))
                if step is not None and step.shape == tuple(p.shape):
                    p.copy_(before + torch.as_tensor(step, dtype=p.dtype))
                elif self._kept_state is not None:
                    p.copy_(before)
        if self._kept_state is not None:
            optimiser.load_state_dict(self._kept_state)
        self._updates += 1
        self._updates_here += 1
        self._marks.reset(self._modules)

    def _has_counterpart(self) -> bool:
        """Return whether the reference made this update too; an extra one is undone afterwards."""
        if self._env_steps != self._updated_at:
            self._updated_at, self._updates_here = self._env_steps, 0
        place = (self._env_steps, self._updates_here, 0)
        return self._reference is not None and self._reference.at("params", place) is not None


class Marks:
    """Notices between which two taps a module was changed outside the optimiser's steps."""

    def __init__(self) -> None:
        self.sites: dict[str, str] = {}
        self._sums: dict[str, float] = {}
        self._last = ""

    def look(self, modules: Mapping[str, torch.nn.Module], *, here: str) -> None:
        """Compare each module with the last look; a change lies between that tap and `here`."""
        for name, module in modules.items():
            total = _sum(module)
            quantity = f"{name}_params"
            if self._sums.get(name, total) != total and quantity not in self.sites:
                self.sites[quantity] = _between(self._last, here)
            self._sums[name] = total
        self._last = here

    def reset(self, modules: Mapping[str, torch.nn.Module]) -> None:
        """Take what the harness or the optimiser changed as known."""
        self._sums = {name: _sum(module) for name, module in modules.items()}


def _sum(module: torch.nn.Module) -> float:
    with torch.no_grad():
        return sum(float(p.double().sum()) for p in module.parameters())


def _between(last: str, here: str) -> str:
    """Return "file:first-last" of two places in one file, in whichever order; else the later."""
    file, _, line = here.rpartition(":")
    other, _, other_line = last.rpartition(":")
    if file != other or not line.isdigit() or not other_line.isdigit():
        return here
    first, final = sorted((int(line), int(other_line)))
    return f"{file}:{first}-{final}"


def _trained(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return the tensors that are about to be changed, in the optimiser's order."""
    return [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
