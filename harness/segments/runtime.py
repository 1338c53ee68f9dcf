"""Recording and replaying: what taps and optimiser hooks do while one side of a scenario runs."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from harness import tap
from harness.errors import nearest_sentence
from harness.run.observe.patches import Patches, watch_environments
from harness.run.observe.sites import Sites
from harness.segments.boundary import Boundary
from harness.segments.descent import watch_descent
from harness.segments.greedy import Greedy
from harness.segments.lines import Tracer
from harness.segments.modules import Modules
from harness.segments.networks import NetworkWatch
from harness.segments.optimisers import Optimisers
from harness.segments.tape import Arrays, Event, Slot, Tape, put
from harness.segments.values import arrays_of, hand_on
from harness.segments.watching import watch_clips, watch_construction, watch_seeding
from harness.side import Call
from harness.spec.cards import card
from harness.spec.cards.card import TapRow


class StopReplay(BaseException):
    """Ends a side early, from inside a tap: what follows is of no interest."""


class Known(Protocol):
    """Where the reference's events are looked up: a tape in memory, or one read from a file."""

    def at(self, name: str, slot: Slot) -> Event | None:
        """Return the event of a quantity at a slot; None when there is none."""


# Receives every event of a side, with the reference's event at the same place.
Keep = Callable[[str, Slot, Event, Event | None], None]


@dataclass(frozen=True)
class Policy:
    """What a runtime does with values.

    Attributes:
        perturbed: module taps whose weights get noise of spread `perturbation` when recorded.
        reward_scale: factor on the environment's rewards when recorded.
        hands_on: "all" taps and steps, "sources" alone, the "environment" alone, or "none".
        also: checks that are handed on as sources are. own: checks that never are.
        nudge_seed: move each weight by one unit in the last place when the initial ones are handed
            on and after every optimiser step.
        whole_from: from this many env steps on everything is handed on; None: as `hands_on` says.
        stop_after: env steps after which the side is ended; None: never.
        choices: module tap -> which of its candidate matchings to use.
        is_light: of what is trained only the value after each step is taken down: not the change
            that it is made of, nor the module before it.
        traced: folders whose lines are traced. is_wide: compute in float64.
    """

    perturbed: tuple[str, ...] = ()
    perturbation: float = 0.0
    reward_scale: float = 1.0
    hands_on: str = "all"
    also: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    nudge_seed: int | None = None
    whole_from: int | None = None
    stop_after: int | None = None
    choices: Mapping[str, int] = field(default_factory=dict)
    is_light: bool = False
    traced: tuple[Path, ...] = ()
    is_wide: bool = False


class Runtime:
    """The tap handler of one side; with a reference tape it hands the reference's values on.

    Besides the taps it takes down, per tapped module or tensor that an optimiser trains,
    `<tap>_updates` (that a step happens), `<tap>_grad` (what the optimiser receives) and
    `<tap>_step` (the change it makes); for every tapped module `<tap>_params` before each update;
    and what passes between the side and its environments (`harness.segments.boundary`).

    Attributes:
        tape: what is taken down. sites, tracer: where in the code quantities are born.
        seed_places: lines that seed or make a random generator.
    """

    def __init__(
        self,
        call: Call,
        *,
        side_file: str | None,
        reference: Known | None = None,
        policy: Policy | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.tape = Tape(capacity=int(call.hyperparameters.get("buffer_size", 0)))
        self.policy = policy or Policy()
        self.reference = reference
        self._keep = keep or self._put
        self.sites = Sites(side_file)
        self.tracer = Tracer(self.policy.traced)
        self._rows = {row.name: row for row in card(call.algo).taps}
        self._rng = np.random.default_rng(self.policy.nudge_seed or 0)
        self.seed_places: list[str] = []
        self._counts: dict[str, tuple[int, int]] = {}
        self._checks = 0  # of modules, since the env step count changed
        self._checked_at = -1
        self._acted_on = 0  # updates made when acting went on
        self._acting_at = -1  # env steps then
        self._order = {name: i for i, name in enumerate(self._rows)}
        self.modules = Modules(self.policy.choices)
        self.boundary = Boundary(
            call,
            take=self._take_at_boundary,
            tape=self.tape,
            sites=self.sites,
            reward_scale=self.policy.reward_scale,
        )
        self.optimisers = Optimisers(self)
        self.networks = NetworkWatch(self)
        self.greedy = Greedy(self)

    def _put(self, name: str, slot: Slot, event: Event, known: Event | None) -> None:
        del known
        put(self.tape, name, slot, event)

    @contextmanager
    def watching(self) -> Iterator[Tape]:
        """Handle taps, environments and optimiser steps inside the with block."""
        patches = Patches()
        watch_environments(patches, self.boundary)
        watch_construction(patches, self.modules, self.optimisers, self.sites)
        watch_clips(patches, self.tape)
        watch_seeding(patches, self.seed_places, self.sites)
        hooks = [
            register_optimizer_step_pre_hook(self.optimisers.before),
            register_optimizer_step_post_hook(self.optimisers.after),
        ]
        if not self.policy.is_light:
            hooks.append(register_module_forward_pre_hook(self.modules.was_called))
            hooks.append(register_module_forward_hook(self.networks.after))
        tap.set_handler(self.handle)
        try:
            with self.tracer.tracing(is_on=self.policy.whole_from is None):
                yield self.tape
        finally:
            tap.set_handler(None)
            for hook in hooks:
                hook.remove()
            patches.restore()
            self.tape.sites = dict(self.sites.found)
            self.tape.env_steps = self.boundary.env_steps
            self.tape.shared = dict(self.modules.shared)
            self.tape.others = [n for n in self.modules.parameters if n not in self.tape.owners]

    def handle(self, name: str, value: Any) -> Any:
        """Take a value down; return the reference's at the same place, or the value itself."""
        if self.greedy.is_asking:
            return value
        self.event(name)
        try:
            return self._handle(name, value)
        except Exception as error:  # noqa: BLE001 - a tap must never break the watched code
            self.problem(f"tap {name!r}: {type(error).__name__}: {error}")
            return value

    def event(self, name: str) -> None:
        """Note that something happens: where, after which lines, and what it changed in modules."""
        self.sites.note(name)
        self._stop_if_asked()
        if self.policy.is_light:
            return
        if self.hands_on_all:
            self.tracer.begin()
        self.tracer.credit(name)
        self.tape.callers.setdefault(name, set()).update(self.modules.called)
        self.modules.called.clear()
        for changed in (*self.modules.changed(), *self.optimisers.changed()):
            self.tracer.credit_also(changed)
            self.sites.note(changed)

    def is_update(self, name: str) -> bool:
        """Return whether events of a quantity belong to updating rather than to collecting."""
        row = self._rows.get(name)
        return name == "step" or (row is not None and row.clock == "update")

    def is_source(self, name: str) -> bool:
        """Return whether a quantity is a draw of its own that fires again and again: no network."""
        row = self._rows.get(name)
        if row is None or row.role != "source" or row.shape == "module":
            return False
        return not any(behind in self._counts for behind in row.drawn_from)

    def gathers(self, name: str) -> bool:
        """Return whether a quantity is a minibatch of stored rows."""
        row = self._rows.get(name)
        return row is not None and bool(row.gathers)

    def kept_after(self, name: str) -> str:
        """Return the tap after which what a quantity is made of is kept or forgotten, or "".

        A minibatch is gathered from what was stored; a noise that remembers forgets when an episode
        ends, which is decided after its last step was stored.
        """
        row = self._rows.get(name)
        if row is None:
            return ""
        if any(self._rows[behind].is_remembered for behind in row.drawn_from):
            return next((one.name for one in self._rows.values() if one.counts), "")
        return row.gathers

    def problem(self, sentence: str) -> None:
        """Remember why something could not be taken down; each once."""
        if sentence not in self.tape.problems:
            self.tape.problems.append(sentence)

    def slot(self, name: str) -> Slot:
        """Return the next place of a quantity: env steps made, n-th occurrence at that count."""
        at, seen = self._counts.get(name, (-1, -1))
        seen = seen + 1 if at == self.boundary.env_steps else 0
        self._counts[name] = (self.boundary.env_steps, seen)
        return (self.boundary.env_steps, seen)

    def take(
        self,
        name: str,
        slot: Slot,
        arrays: Arrays,
        *,
        is_source: bool = False,
        is_environment: bool = False,
    ) -> Arrays | None:
        """Put an event down; return the reference's arrays at the same place, to be handed on."""
        event = Event(arrays, self.boundary.env_steps, self.optimisers.updates)
        known = self.reference.at(name, slot) if self.reference else None
        self._keep(name, slot, event, known)
        is_handed = self.hands_on_all or (
            self.policy.hands_on == "sources" and (is_source or name in self.policy.also)
        )
        is_handed = is_handed or (self.policy.hands_on == "environment" and is_environment)
        return known.arrays if known and is_handed else None

    @property
    def hands_on_all(self) -> bool:
        """Whether checks and steps are handed on at this moment, not draws alone."""
        start = self.policy.whole_from
        if start is None:
            return self.policy.hands_on == "all"
        return self.boundary.env_steps >= start

    def nudge(self, parameters: Iterable[torch.Tensor]) -> None:
        """Move what has just been set, when the policy asks for it."""
        if self.policy.nudge_seed is not None:
            self.modules.nudge(parameters, self._rng)

    def check_modules(self) -> None:
        """Take down and hand on the tapped modules before an update."""
        for name in self.modules.parameters:
            if self.policy.is_light and name in self.tape.owners:
                continue
            slot = self.slot(f"{name}_params")
            known = self.take(f"{name}_params", slot, self.modules.arrays(name))
            if known is not None:
                self.modules.load(name, known)
        if not self.policy.is_light:
            self.modules.remember()

    def _handle(self, name: str, value: Any) -> Any:
        row = self._rows.get(name)
        if row is None:
            self._note_unknown(name)
            return value
        if row.clock == "update" and row.shape not in ("module", "parameter"):
            if not row.is_repeated:
                self._check_before(name)
        elif row.clock == "env_step":
            self._check_acting(row)
        if self.policy.is_light:
            self.greedy.take(row)
        slot = self.slot(name)
        is_source = row.role == "source"
        if self.modules.admits(value):
            return self._handle_module(name, value, slot)
        known = self.take(name, slot, arrays_of(value), is_source=is_source)
        handed = value
        if known is not None and name not in self.policy.own:
            handed = hand_on(value, known)
        watch_descent(self.tape, name, handed)
        self.greedy.remember(name, handed)
        return handed

    def _handle_module(self, name: str, value: Any, slot: Slot) -> Any:
        event = self.reference.at(name, slot) if self.reference else None
        self.modules.register(name, value, event.arrays if event else None)
        if self.reference is None and name in self.policy.perturbed:
            self.modules.perturb(name, self._rng, self.policy.perturbation)
        known = self.take(name, slot, self.modules.arrays(name), is_source=True)
        if known is not None:
            self.modules.load(name, known)
            self.nudge(self.modules.parameters[name])
        self.modules.remember()
        return value

    def _check_before(self, name: str) -> None:
        """Check modules once per update: when a tap fires oftener than they were checked."""
        env_steps = self.boundary.env_steps
        if self._checked_at != env_steps:
            self._checked_at, self._checks = env_steps, 0
        at, seen = self._counts.get(name, (-1, -1))
        following = seen + 1 if at == env_steps else 0
        if following >= self._checks:
            self._checks = following + 1
            self.check_modules()

    def _check_acting(self, row: TapRow) -> None:
        """Take down and hand on what was trained, at the taps where acting goes on after updates.

        A module of which an optimiser left a part as it was, or that had fewer updates than the
        reference's, acts on as the reference's.
        """
        if self.policy.is_light:
            return
        env_steps = self.boundary.env_steps
        if self._acted_on != self.optimisers.updates:
            self._acted_on, self._acting_at = self.optimisers.updates, env_steps
        slot = (env_steps, self._order[row.name])
        for name in self.modules.parameters:
            acting = f"{name}_acting"
            is_known = self.reference is not None and self.reference.at(acting, slot) is not None
            is_own = self._acting_at == env_steps and name in self.tape.owners
            known = (
                self.take(acting, slot, self.modules.arrays(name)) if is_known or is_own else None
            )
            if known is not None:
                self.modules.load(name, known)
                self.modules.remember()

    def _take_at_boundary(self, name: str, slot: Slot, arrays: Arrays) -> Arrays | None:
        self.event(name)
        return self.take(name, slot, arrays, is_source=True, is_environment=True)

    def _note_unknown(self, name: str) -> None:
        sentence = f"no tap {name!r} in the card; {nearest_sentence(name, self._rows)}"
        if sentence not in self.tape.unknown:
            self.tape.unknown.append(sentence)

    def _stop_if_asked(self) -> None:
        stop = self.policy.stop_after
        if stop is not None and self.boundary.env_steps > stop:
            raise StopReplay
