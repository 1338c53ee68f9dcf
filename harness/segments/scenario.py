"""A scenario as data: what is called, and what is perturbed.

`scenarios/<algorithm>.toml` holds those of one algorithm: short runs made to expose, in
environments that end in both ways, with hyperparameters that are no library's default and share no
factors, so that a wrong constant, counter or nesting shows. Mine and the reference receive them
under SB3's names. A quantity counts as passed when no scenario fails it and one exercises it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from harness.records import Json
from harness.side import Call
from harness.spec.cards import card
from harness.spec.cards.card import idle

FOLDER = Path(__file__).with_name("scenarios")
N_ENVS = "n_envs"


@dataclass(frozen=True)
class Scenario:
    """One short run made to expose.

    Attributes:
        perturbed: module taps whose weights get noise on both sides.
        perturbation: spread of that noise; the default is as large as weights themselves are.
        reward_scale: factor on the environment's rewards, on both sides.
        weight_seeds: initial weights are compared over so many seeds; 0: not in this scenario.
        fixed: hyperparameter (or "n_envs") that a side cannot vary -> the value taken instead.
    """

    algo: str
    name: str
    env_id: str
    total_timesteps: int
    seed: int
    n_envs: int
    hyperparameters: Mapping[str, Json]
    perturbed: tuple[str, ...] = ()
    perturbation: float = 0.3
    reward_scale: float = 1.0
    weight_seeds: int = 6
    fixed: Mapping[str, Json] = field(default_factory=dict)

    def call(self, *, seed: int | None = None) -> Call:
        """Return the call that both sides receive; what the scenario leaves out has its default."""
        hyperparameters = {**card(self.algo).defaults, **self.hyperparameters}
        return Call(
            algo=self.algo,
            env_id=self.env_id,
            seed=self.seed if seed is None else seed,
            total_timesteps=self.total_timesteps,
            n_envs=self.n_envs,
            hyperparameters=hyperparameters,
            idle=idle(self.algo, hyperparameters),
        )

    def fixing(self, name: str, value: Json) -> Scenario:
        """Return the scenario with a value that mine can express, on both sides."""
        fixed = {**self.fixed, name: value}
        if name == N_ENVS:
            return replace(self, n_envs=int(value), fixed=fixed)
        kept = {**self.hyperparameters, name: value}
        if value is None:
            del kept[name]
        return replace(self, hyperparameters=kept, fixed=fixed)

    def fixing_all(self, values: Mapping[str, Json]) -> Scenario:
        """Return the scenario with several values fixed."""
        found = self
        for name, value in values.items():
            found = found.fixing(name, value)
        return found

    def common_env_steps(self, mine: int, reference: int) -> int | None:
        """Return up to which env step both sides are compared; None when mine ended too early.

        Rounds may overrun what was asked for. Where schedules fall to 0 the last round is left out:
        a clip range of 0 has ties, whose gradients right formulas break differently.
        """
        if mine < self.total_timesteps:
            return None
        has_schedule = any(isinstance(v, str) and "_" in v for v in self.hyperparameters.values())
        return self.total_timesteps - 1 if has_schedule else min(mine, reference)


@cache
def scenarios() -> Mapping[str, tuple[Scenario, ...]]:
    """Return algorithm -> its scenarios, the one that says most first."""
    return {file.stem: _read(file) for file in sorted(FOLDER.glob("*.toml"))}


def _read(file: Path) -> tuple[Scenario, ...]:
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["scenarios"]
    return tuple(_scenario(file.stem, row) for row in rows)


def _scenario(algo: str, row: Mapping[str, Json]) -> Scenario:
    return Scenario(**{"algo": algo, **row, "perturbed": tuple(row.get("perturbed", ()))})
