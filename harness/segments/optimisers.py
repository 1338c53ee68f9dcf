"""What optimisers do, seen from their hooks: gradients received, changes made, steps counted."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.run.observe.optimisers import class_name
from harness.segments.bare import KINDS as BARE_KINDS
from harness.segments.bare import BareSteps, norm_of
from harness.segments.names import CONSTANTS, ROUNDS
from harness.segments.tape import Arrays, Slot, Tape, squeezed
from harness.segments.values import hand_on

if TYPE_CHECKING:
    from harness.segments.runtime import Runtime

# A trained parameter with the quantity prefix, field and slot of its events.
Placed = tuple[torch.Tensor, str, str, Slot]


class Optimisers:
    """The hooks of every optimiser of one side.

    Parameters are grouped by the tapped module that holds them, so that two optimisers over the
    halves of a module give the same events as one over the whole. Of those of no tapped module only
    the steps themselves are seen (`BareSteps`).
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._bare = BareSteps(runtime)
        self.updates = 0
        self._counts: dict[int, tuple[int, int]] = {}
        self._placed: list[Placed] = []
        self._before: list[torch.Tensor] = []
        self._kept_state: dict[str, Any] | None = None
        self._round_at = -1
        self._own_rates: list[tuple[dict[str, Any], float]] = []
        self._made: dict[int, tuple[str, ...]] = {}
        self._rates: dict[int, tuple[torch.optim.Optimizer, list[str], list[float]]] = {}
        self.birthplaces: dict[str, list[str]] = {}

    def made(self, optimiser: Any, places: tuple[str, ...]) -> None:
        """Remember the calls by which an optimiser is made: its class may be the side's own."""
        self._made[id(optimiser)] = places

    def changed(self) -> Iterator[str]:
        """Yield what stands for learning rates that changed since the last look."""
        for optimiser, quantities, rates in self._rates.values():
            now = [group["lr"] for group in optimiser.param_groups]
            if now != rates:
                rates[:] = now
                yield from quantities

    def before(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Take gradients down and hand the reference's on."""
        del args, kwargs
        self._runtime.event("step")
        try:
            self._before_step(optimiser)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._runtime.problem(f"optimiser step: {type(error).__name__}: {error}")

    def after(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Take the changes down and set the parameters to the reference's."""
        del args, kwargs
        try:
            self._after_step(optimiser)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._runtime.problem(f"optimiser step: {type(error).__name__}: {error}")

    def _before_step(self, optimiser: torch.optim.Optimizer) -> None:
        runtime = self._runtime
        every = [p for group in optimiser.param_groups for p in group["params"]]
        trained = [p for p in every if p.grad is not None] or self._expected(every)
        tapped = [p for p in trained if self._is_named(p)]
        self._placed = [self._place(p) for p in tapped]
        self._own_rates = []
        here = runtime.boundary.env_steps
        if here != self._round_at:
            self._round_at = here
            runtime.take(ROUNDS, (here, 0), {"": np.array(here)})
        is_extra = self._is_extra()
        self._kept_state = copy.deepcopy(optimiser.state_dict()) if is_extra else None
        for name, slot, group in self._groups():
            self._note_owner(name)
            runtime.take(f"{name}updates", slot, {"": np.array(slot[0])})
            self._hand_on_rate(optimiser, name, slot)
            gradients = {field: _array(p.grad) for p, field in group if p.grad is not None}
            if runtime.reference is None and not runtime.policy.is_light:
                runtime.take(f"{name}grad_norm", slot, {"": np.array(norm_of(trained))})
            known = runtime.take(f"{name}grad", slot, gradients)
            for parameter, field in group:
                if known and field in known:
                    own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                    parameter.grad = hand_on(own, {"": known[field]})
        is_light = runtime.policy.is_light and not is_extra
        self._before = [p if is_light else p.detach().clone() for p in tapped]
        self._credit(optimiser, [name for name, _, _ in self._groups()])
        if len(tapped) < len(trained) and not runtime.policy.is_light:
            unnamed = [p for p in trained if not self._is_named(p)]
            self._credit(optimiser, [self._bare.before(optimiser, unnamed)], kinds=BARE_KINDS)

    def _after_step(self, optimiser: torch.optim.Optimizer) -> None:
        before = {id(p): b for (p, *_), b in zip(self._placed, self._before, strict=True)}
        self._runtime.tracer.credit_inside([f"{name}step" for name, _, _ in self._groups()])
        with torch.no_grad():
            for name, slot, group in self._groups():
                if not self._runtime.policy.is_light:
                    change = {field: _array(p - before[id(p)]) for p, field in group}
                    self._runtime.take(f"{name}step", slot, change)
                after = {field: _array(p) for p, field in group}
                known = self._runtime.take(f"{name}after", slot, after)
                self._set(group, known, before)
                self._runtime.nudge(parameter for parameter, _ in group)
        if self._kept_state is not None:
            optimiser.load_state_dict(self._kept_state)
        for group_, rate in self._own_rates:
            group_["lr"] = rate
        self.updates += 1
        if not self._runtime.policy.is_light:
            self._runtime.modules.remember()

    def _hand_on_rate(self, optimiser: torch.optim.Optimizer, name: str, slot: Slot) -> None:
        """Compare the learning rate and step with the reference's; it is put back afterwards."""
        own = float(optimiser.param_groups[0]["lr"])
        known = self._runtime.take(f"{name}learning_rate", slot, {"": np.array(own)})
        if known is not None and not self._own_rates:
            self._own_rates = [(group, group["lr"]) for group in optimiser.param_groups]
            for group in optimiser.param_groups:
                group["lr"] = float(known[""])

    def _set(
        self,
        group: list[tuple[torch.Tensor, str]],
        known: Arrays | None,
        before: dict[int, torch.Tensor],
    ) -> None:
        """Set parameters to the reference's; a step that it did not make is undone."""
        for parameter, field in group:
            if known is not None and field in known and known[field].size == parameter.numel():
                value = torch.as_tensor(known[field], dtype=parameter.dtype)
                parameter.copy_(value.reshape(parameter.shape))
            elif self._kept_state is not None:
                parameter.copy_(before[id(parameter)])

    def _expected(self, parameters: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return those that the reference has gradients for, in a step that mine has none in."""
        reference = self._runtime.reference
        if reference is None:
            return []
        found = []
        for parameter in parameters:
            name, field = self._runtime.modules.owner_of(parameter)
            known = reference.at(f"{name}_grad", self._next(parameter)) if name else None
            if known is not None and field in known.arrays:
                found.append(parameter)
        return found

    def _next(self, parameter: torch.Tensor) -> Slot:
        """Return the place of a parameter's next step."""
        env_steps = self._runtime.boundary.env_steps
        at, seen = self._counts.get(id(parameter), (-1, -1))
        return (env_steps, seen + 1 if at == env_steps else 0)

    def _place(self, parameter: torch.Tensor) -> Placed:
        name, field = self._runtime.modules.owner_of(parameter)
        prefix = f"{name}_" if name else ""
        slot = self._next(parameter)
        self._counts[id(parameter)] = (slot[0], slot[1])
        return parameter, prefix, field or str(len(self._placed)), slot

    def _groups(self) -> Iterator[tuple[str, Slot, list[tuple[torch.Tensor, str]]]]:
        """Yield (prefix, slot, [(parameter, field)]) of the step being taken."""
        groups: dict[tuple[str, Slot], list[tuple[torch.Tensor, str]]] = {}
        for i, (parameter, prefix, field, slot) in enumerate(self._placed):
            groups.setdefault((prefix, slot), []).append((parameter, field if prefix else str(i)))
        for (prefix, slot), group in groups.items():
            yield prefix, slot, group

    def _is_named(self, parameter: torch.Tensor) -> bool:
        """Return whether a tap of this side, or of the reference beside it, says whose it is."""
        reference = self._runtime.reference
        name, _ = self._runtime.modules.owner_of(parameter)
        if self._runtime.policy.is_light or not isinstance(reference, Tape) or not reference.bare:
            return bool(name) or self._runtime.policy.is_light
        return name in reference.owners

    def _is_extra(self) -> bool:
        """Return whether the reference makes no step of these parameters here."""
        runtime = self._runtime
        if runtime.reference is None or not runtime.hands_on_all or not self._placed:
            return False
        return not any(
            runtime.reference.at(f"{name}after", slot) for name, slot, _ in self._groups()
        )

    def _note_owner(self, prefix: str) -> None:
        owner = prefix.removesuffix("_")
        tape = self._runtime.tape
        if owner and owner not in tape.owners:
            tape.owners.append(owner)
            held = [p for p, prefix_, *_ in self._placed if prefix_ == prefix]
            tape.trained.setdefault(owner, []).extend(squeezed(p.shape) for p in held)

    def _credit(
        self,
        optimiser: torch.optim.Optimizer,
        prefixes: Sequence[str],
        *,
        kinds: Sequence[str] = ("updates", "learning_rate", "grad", "step"),
    ) -> None:
        """Credit the lines before the step to everything that is seen at it."""
        runtime = self._runtime
        if runtime.policy.is_light:
            return
        names = [name for name in dict.fromkeys(prefixes) if name]
        for name in names:
            for kind in kinds:
                runtime.tracer.credit_also(f"{name}{kind}")
                runtime.sites.note(f"{name}{kind}")
            runtime.tape.constants.setdefault(name, _constants(optimiser))
            # Which parameters there are, how far they are moved, and how.
            for kind in ("grad", "learning_rate", "step", CONSTANTS):
                self.birthplaces[f"{name}{kind}"] = [*self._made.get(id(optimiser), ())]
        if id(optimiser) not in self._rates:
            rates = [group["lr"] for group in optimiser.param_groups]
            self._rates[id(optimiser)] = (
                optimiser,
                [f"{name}learning_rate" for name in names],
                rates,
            )


def _constants(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the class and the plain options of an optimiser."""
    options = optimiser.param_groups[0].items()
    plain = {key: value for key, value in options if isinstance(value, (bool, int, float, tuple))}
    return {"class": class_name(optimiser), **plain}


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    return np.array(tensor.detach().cpu().numpy())
