"""Tiers of environments, and the table of budgets and hyperparameters per (algo, env)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

from harness.probes.listed import probe_of
from harness.records import Json
from harness.spec.cards import card
from harness.spec.tables import read_table

Budget = Literal["quick", "standard", "thorough"]
BUDGETS: tuple[Budget, ...] = get_args(Budget)
DEFAULT_BUDGET: Budget = "standard"
TIERS = ("probe", "easy", "medium", "hard")
ACTION_TYPES = ("discrete", "continuous")


@dataclass(frozen=True)
class Extra:
    """An optional dependency of some environments.

    Attributes:
        module: importable when it is installed. pip: the line that installs it.
        prefixes: of the ids that need it. register: module whose import registers them, or "".
    """

    name: str
    module: str
    pip: str
    prefixes: tuple[str, ...]
    register: str = ""


@dataclass(frozen=True)
class BudgetRow:
    """What the table says about one (algo, env).

    Attributes:
        total_timesteps: budget -> env steps.
        hyperparameters: those that differ from the card's defaults. source: where they come from.
        env_steps_per_s: speed of one run on one core, for estimates.
        is_listed: False for an id outside the table. n_envs: parallel environments.
    """

    total_timesteps: Mapping[str, int]
    hyperparameters: Mapping[str, Json]
    source: str
    env_steps_per_s: float
    is_listed: bool
    n_envs: int = 1


def tier_ids(algo: str, tier: str) -> tuple[str, ...]:
    """Return the ids of `tier` that `algo` can act in, from easy to hard.

    >>> tier_ids("dqn", "medium")
    ('Acrobot-v1', 'LunarLander-v3')
    """
    by_type = read_table("tiers.toml")["tiers"]
    ids = (env for kind in card(algo).action_types for env in by_type[kind].get(tier, ()))
    return tuple(env for env in ids if _has_enough_envs(algo, env))


def _has_enough_envs(algo: str, env_id: str) -> bool:
    """Return whether `algo` trains on as many parallel environments as a probe takes."""
    probe = probe_of(env_id)
    return probe is None or budget_row(algo, env_id).n_envs >= probe.n_envs


def tier_of(env_id: str) -> str:
    """Return the tier that lists `env_id`, or "" for an id outside the tiers.

    >>> tier_of("Acrobot-v1")
    'medium'
    """
    for by_tier in read_table("tiers.toml")["tiers"].values():
        for tier, env_ids in by_tier.items():
            if env_id in env_ids:
                return str(tier)
    return ""


def known_ids() -> tuple[str, ...]:
    """Return the ids of all tiers and native gymnasium ids, without importing gymnasium."""
    table = read_table("tiers.toml")
    listed = [env for by_tier in table["tiers"].values() for ids in by_tier.values() for env in ids]
    return tuple(dict.fromkeys([*listed, *table["completion"]["ids"]]))


def extras() -> tuple[Extra, ...]:
    """Return every optional dependency that environments may need."""
    rows = read_table("tiers.toml")["extras"].items()
    return tuple(Extra(**{**row, "name": n, "prefixes": tuple(row["prefixes"])}) for n, row in rows)


def extra_of(env_id: str) -> Extra | None:
    """Return the optional dependency that `env_id` needs, if any.

    >>> extra_of("HalfCheetah-v5").name
    'mujoco'
    """
    return next((extra for extra in extras() if env_id.startswith(extra.prefixes)), None)


def budget_row(algo: str, env_id: str) -> BudgetRow:
    """Return budgets and hyperparameters of (algo, env); the card's defaults outside the table.

    >>> budget_row("dqn", "CartPole-v1").total_timesteps["standard"]
    20000
    """
    table = read_table("budgets.toml")
    rows = budget_rows(algo)
    row = next((rows[name] for name in rows if fnmatchcase(env_id, name)), None)
    outside = table["outside"]
    return BudgetRow(
        total_timesteps=(row or outside)["total_timesteps"],
        hyperparameters=row.get("hyperparameters", {}) if row else {},
        source=row["source"] if row else card(algo).defaults_source,
        env_steps_per_s=float((row or outside).get("env_steps_per_s", outside["env_steps_per_s"])),
        is_listed=row is not None,
        n_envs=int((row or {}).get("n_envs", 1)),
    )


def budget_rows(algo: str) -> dict[str, dict[str, Json]]:
    """Return the rows of an algorithm by environment, or pattern of environments.

    One that is `like` another has that one's rows as well, without hyperparameters that its card
    lacks.
    """
    table = read_table("budgets.toml")
    own = {name: row for name, row in table.get(algo, {}).items() if isinstance(row, dict)}
    like = table.get(algo, {}).get("like")
    if not like:
        return own
    known = card(algo).hyperparameters
    shared = {
        name: {
            **row,
            "source": f"as for {like}, not run with {algo} yet ({row['source']})",
            "hyperparameters": {
                n: value for n, value in row.get("hyperparameters", {}).items() if n in known
            },
        }
        for name, row in budget_rows(str(like)).items()
    }
    return {**own, **shared}


def looks_of(budget: Budget) -> tuple[int, ...]:
    """Return the own seeds per side at each interim look of `budget`.

    >>> looks_of("standard")
    (3, 5, 8)
    """
    return tuple(read_table("budgets.toml")["looks"][budget])
