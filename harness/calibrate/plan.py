"""What is measured: the table of `plan.toml`, or a smaller one for a quick look."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UsageError

PLAN = Path(__file__).with_name("plan.toml")


@dataclass(frozen=True)
class Cell:
    """One algorithm on one environment, for so many env steps per run."""

    algo: str
    env: str
    total_timesteps: int

    @property
    def name(self) -> str:
        """Return how tables call the cell."""
        return f"{self.algo} {self.env}"


@dataclass(frozen=True)
class Plan:
    """What is measured and how often.

    Attributes:
        scale: share of the trials of the table that are made.
        seeds: pool runs per cell. sections: the table, section by section.
        algos: to which all is narrowed; (): every one.
    """

    cells: tuple[Cell, ...]
    seeds: int
    scale: float
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    algos: tuple[str, ...] = ()

    def trials(self, section: str, name: str = "trials") -> int:
        """Return how many trials a section asks for, scaled, at least one."""
        return max(1, round(int(self.sections[section][name]) * self.scale))


def load_plan(file: Path = PLAN, *, algos: tuple[str, ...] = (), scale: float = 1.0) -> Plan:
    """Return the plan of a table, for some algorithms only when they are named.

    Raises:
        UsageError: there is no such file, it is no TOML, or its pool is incomplete.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        cells = tuple(Cell(**row) for row in table["pool"]["cells"])
        seeds = int(table["pool"]["seeds"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        message = (
            f"--plan {file}: expected [pool] with `seeds`, and with `cells` of algo, env "
            f"and total_timesteps, saw: {error}\nStart from {PLAN}."
        )
        raise UsageError(message) from error
    sections = {name: rows for name, rows in table.items() if name != "pool"}
    chosen = tuple(cell for cell in cells if not algos or cell.algo in algos)
    return Plan(chosen, seeds, scale, sections, algos)
