"""Taps in observe mode: each value is reduced to scalars on its own sampling clock."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import nearest
from harness.records import Json
from harness.run.observe.reduce import scalars
from harness.run.observe.sites import Sites
from harness.run.observe.stored import TRANSITION, StoredWatch
from harness.run.observe.writer import MEASURE_EVERY, Clock, Fault

MEASURED_CLOCKS = ("env_step", "update")


@dataclass(slots=True)
class _Tap:
    """One tap of the card; `due` is the env step at which one on the env clock is measured next."""

    clock: str
    due: int = MEASURE_EVERY
    is_seen: bool = False


class TapWatch:
    """The tap handler of a watched run: returns every value unchanged.

    A tap on the env clock is measured when 20, 40, 60 ... env steps have been made (before
    `total_timesteps`), so that tapping just before an action or just after the step before it makes
    no difference. A tap on the update clock is measured in updates 1, 21, 41 ... of the first
    optimiser; when it fires several times within one update, the last value counts. A tap with any
    other clock is part of the vocabulary and not measured.

    Attributes:
        updates: steps made by the first optimiser; the optimiser watch keeps it current.
        sites: where quantities are born; the optimiser watch adds to it.
        stored: what is stored against what was returned; the environment watch tells the latter.
    """

    def __init__(
        self,
        taps: Mapping[str, str],
        clock: Clock,
        fault: Fault,
        *,
        total_timesteps: int,
        sites: Sites,
    ) -> None:
        self._taps = {name: _Tap(kind) for name, kind in taps.items()}
        self._clock = clock
        self._fault = fault
        self._total_timesteps = total_timesteps
        self.sites = sites
        self._env_values: dict[str, list[float]] = {}
        self._update_values: dict[str, float] = {}
        self._unknown: dict[str, tuple[str, ...]] = {}
        self.updates = 0
        self.stored = StoredWatch()

    def handle(self, name: str, value: Any) -> Any:
        """Observe `value` if its tap is due; never raises, always returns `value` itself."""
        tap = self._taps.get(name)
        if tap is None:
            self._note_unknown(name)
            return value
        if not tap.is_seen:
            tap.is_seen = True
            self.sites.note(name)
        if name == TRANSITION:
            self._compare_stored(value)
        if tap.clock == "env_step":
            count = self._clock.env_steps
            if count >= tap.due and count < self._total_timesteps:
                tap.due = (count // MEASURE_EVERY + 1) * MEASURE_EVERY
                for metric, measured in self._measure(name, value).items():
                    self._env_values.setdefault(metric, []).append(measured)
        elif tap.clock == "update" and self.updates % MEASURE_EVERY == 0:
            self._update_values.update(self._measure(name, value))
        return value

    def take_env_values(self) -> dict[str, float]:
        """Return the env clock's taps, averaged over the measurements since the last call."""
        values, self._env_values = self._env_values, {}
        return {name: sum(measured) / len(measured) for name, measured in values.items()}

    def take_update_values(self) -> dict[str, float]:
        """Return what the update clock's taps measured since the last call, and forget it."""
        values, self._update_values = self._update_values, {}
        return values

    def facts(self) -> dict[str, Json]:
        """Return where quantities are born, which taps were never seen, and which are none."""
        return {
            "unseen_taps": sorted(
                name
                for name, tap in self._taps.items()
                if tap.clock in MEASURED_CLOCKS and not tap.is_seen
            ),
            "sites": dict(sorted(self.sites.found.items())),
            **self.stored.facts(),
            "unknown_taps": {name: list(near) for name, near in sorted(self._unknown.items())},
        }

    def _compare_stored(self, value: Any) -> None:
        try:
            self.stored.saw(value)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note(f"tap {TRANSITION!r}", error)

    def _measure(self, name: str, value: Any) -> dict[str, float]:
        try:
            return scalars(name, value)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note(f"tap {name!r}", error)
            return {}

    def _note_unknown(self, name: str) -> None:
        if name not in self._unknown:
            self._unknown[name] = nearest(str(name), self._taps)
