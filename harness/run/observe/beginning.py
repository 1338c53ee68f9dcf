"""The beginning of a run: ended after its first updates, with what is seen only there."""

# ruff: noqa: ANN401 - the edge to torch and watched code, whose values are of any type

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness import tap
from harness.records import Json
from harness.run.observe.graph import read_networks
from harness.run.observe.patches import Patches
from harness.run.observe.reduce import fields_of
from harness.run.observe.writer import Fault

# A run goes on until its first optimiser has made so many updates, and every other one so many:
# delayed ones (a policy updated every second time) are seen as well.
FIRST_UPDATES, OTHER_UPDATES = 8, 2
# After so many updates it ends whatever is missing (PPO: 10 epochs of 32 minibatches are 320).
MAX_UPDATES = 512
# So long (seconds) a run may take to its first updates; a longer warm-up stays unseen.
PATIENCE_S = 10.0
# Losses kept until the next update; more means that backward is used without an optimiser.
LOSSES_KEPT = 64


class Stop(BaseException):
    """Ends the side; no exception of ours, so that `except Exception` lets it through."""


@dataclass(slots=True)
class _Seen:
    """What the first update of one optimiser showed."""

    optimiser: torch.optim.Optimizer
    activations: list[str] | None
    rows: list[int]
    n_updates: int = 0
    n_first_round: int = 0


class Beginning:
    """Watches beside an `Observation`, as its writer, and ends the run after its first updates.

    Args:
        clocks: tap name -> clock. patience_s: ends a run that does not come to an update.
    """

    def __init__(self, clocks: Mapping[str, str], *, patience_s: float = PATIENCE_S) -> None:
        self._clocks = clocks
        self._handle: Callable[[str, Any], Any] = lambda _, value: value
        self._fault = Fault()
        self._patches = Patches()
        self._hooks: list[Any] = []
        self._seen: dict[int, _Seen] = {}
        self._losses: list[torch.Tensor] = []
        self._numbers: dict[str, float] = {}
        self._rows: dict[str, int] = {}
        self._updates = self._env_steps = 0
        self._first_env_step: int | None = None
        self._is_round_over = False
        self._patience_s = patience_s
        self._give_up_at_s = math.inf
        self._other_counts: Callable[[], Sequence[int]] = list

    def watching(
        self,
        handle: Callable[[str, Any], Any],
        *,
        other_counts: Callable[[], Sequence[int]] = list,
    ) -> Self:
        """Say what a tap does otherwise, then use as a context.

        Args:
            other_counts: updates so far of each optimiser that is none of torch's.
        """
        self._handle, self._other_counts = handle, other_counts
        return self

    def __enter__(self) -> Self:
        def seen(original: Callable[..., Any]) -> Callable[..., Any]:
            def derived(outputs: Any, *args: Any, **kwargs: Any) -> Any:
                every = [outputs] if isinstance(outputs, torch.Tensor) else [*outputs]
                self._losses = [*self._losses, *every][-LOSSES_KEPT:]
                return original(outputs, *args, **kwargs)

            return derived

        self._patches.replace_everywhere(torch.autograd, "backward", seen)
        self._patches.replace_everywhere(torch.autograd, "grad", seen)
        self._hooks = [register_optimizer_step_pre_hook(self._before_step)]
        tap.set_handler(self._tapped)
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._patches.restore()

    @property
    def fault(self) -> str:
        """The first error of the watching itself, or ""."""
        return self._fault.message

    def progress(self, env_steps: int, updates: int) -> None:
        """End the run once the first updates are made, or when none comes.

        Patience begins with the first env step: what is compiled before is no waiting.
        """
        if self._give_up_at_s == math.inf:
            self._give_up_at_s = time.monotonic() + self._patience_s
        is_update = updates != self._updates
        self._updates, self._env_steps = updates, env_steps
        if is_update:
            if updates >= MAX_UPDATES:
                raise Stop
            return
        self._is_round_over = self._is_round_over or bool(updates)
        if self._is_enough() or time.monotonic() > self._give_up_at_s:
            raise Stop

    def episode(self, **row: Any) -> None:
        """Store nothing."""

    def metrics(self, env_step: int, values: Mapping[str, float]) -> None:
        """Store nothing."""

    def facts(self) -> dict[str, Json]:
        """Return what only the beginning shows; what was not seen is left out."""
        every = [*self._seen.values()]
        facts: dict[str, Json] = {
            "tapped_numbers": dict(sorted(self._numbers.items())),
            "minibatch_rows": dict(sorted(self._rows.items())),
            "device": sorted({str(p.device) for one in every for p in _parameters(one.optimiser)}),
        }
        if every and all(one.activations is not None for one in every):
            facts["activations"] = [one.activations for one in every]
        if every and any(one.rows for one in every):
            facts["loss_rows"] = [one.rows for one in every]
        if self._is_round_over:
            facts["first_round_updates"] = [one.n_first_round for one in every]
        return {name: value for name, value in facts.items() if value not in ({}, [])}

    def _is_enough(self) -> bool:
        counts = [one.n_updates for one in self._seen.values()] or self._other_counts()
        return bool(counts) and counts[0] >= FIRST_UPDATES and min(counts) >= OTHER_UPDATES

    def _before_step(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        try:
            one = self._seen.get(id(optimiser)) or self._admit(optimiser)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note("first update", error)
            return
        one.n_updates += 1
        one.n_first_round += not self._is_round_over
        self._losses = []

    def _admit(self, optimiser: torch.optim.Optimizer) -> _Seen:
        activations, rows = self._read(_parameters(optimiser))
        one = self._seen[id(optimiser)] = _Seen(optimiser, activations, rows)
        return one

    def _read(self, parameters: Sequence[torch.Tensor]) -> tuple[list[str] | None, list[int]]:
        """Return the activations, layer after layer (None: cannot be read), and the input rows."""
        try:
            network = read_networks(self._losses, parameters)
        except (RecursionError, AttributeError):  # a graph of another torch, or a deep one
            return None, []
        if network.activations is None or not network.is_reached:
            return None, sorted(network.rows)
        layers = sorted(network.activations.items())
        return ["|".join(sorted(names)) for _, names in layers], sorted(network.rows)

    def _tapped(self, name: str, value: Any) -> Any:
        if not self._seen:
            self._note(name, value)
        return self._handle(name, value)

    def _note(self, name: str, value: Any) -> None:
        """Keep plain numbers and the rows of structured values, until the first update is made."""
        if isinstance(value, float):
            self._numbers[name] = float(value)
        if self._clocks.get(name) != "update":
            return
        try:
            fields = fields_of(value)
            rows = {len(part) for _, part in fields or () if part is not None}
        except TypeError:  # fields without a length
            return
        if len(rows) == 1:
            self._rows[name] = rows.pop()


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimiser.param_groups for p in group["params"]]
