"""Environments of a request: tier names and gymnasium ids, checked against the algorithm."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from harness.errors import MissingExtra, UnknownName, UsageError
from harness.spec.cards import Card
from harness.spec.tables import read_table
from harness.spec.tiers import (
    ACTION_TYPES,
    TIERS,
    Extra,
    extra_of,
    extras,
    known_ids,
    tier_ids,
)

# Gymnasium's action space -> the word for it in cards and tiers.
ACTION_KINDS = {
    "Discrete": "discrete",
    "Box": "continuous",
    "MultiDiscrete": "multi-discrete",
    "MultiBinary": "multi-binary",
}
_VERSIONED = re.compile(r"(?P<name>.+)-v(?P<version>\d+)")


@dataclass(frozen=True)
class EnvSpaces:
    """What an environment offers: action type (of ACTION_KINDS, or the space's name)."""

    action_type: str
    observation_space: str


def expand(card: Card, words: Sequence[str]) -> tuple[str, ...]:
    """Return the env ids that tier names and ids stand for, each once, from easy to hard.

    Ids outside the tiers come last, in the order given.

    Raises:
        UsageError: nothing was asked for, or a tier is empty for this algorithm.
    """
    env_ids = [env_id for word in words for env_id in _expand_word(card, word)]
    if not env_ids:
        message = f"--envs names no environment\nGive tiers ({', '.join(TIERS)}) or gymnasium ids."
        raise UsageError(message)
    ranks = {env_id: rank for rank, env_id in enumerate(_by_difficulty())}
    return tuple(sorted(dict.fromkeys(env_ids), key=lambda env_id: ranks.get(env_id, len(ranks))))


def check(card: Card, env_id: str) -> None:
    """Check that `env_id` exists, is installed, and suits the algorithm.

    Makes the environment once, without a reset, to see its spaces.

    Raises:
        UnknownName: no such id; names the nearest, or the version that replaced it.
        MissingExtra: an optional dependency is missing; the message holds the pip line.
        UsageError: spaces that the algorithm cannot take, or it cannot be made.
    """
    _require_extra(env_id)
    _require_registered(env_id)
    spaces = spaces_of(env_id)
    if spaces.action_type not in card.action_types:
        suitable = ", ".join(
            env for tier in ("easy", "medium") for env in tier_ids(card.algo, tier)
        )
        message = (
            f"--envs {env_id}: {card.algo} needs {' or '.join(card.action_types)} actions, "
            f"and this environment's are {spaces.action_type}\nSuitable: {suitable}"
        )
        raise UsageError(message)
    if spaces.observation_space not in card.observation_spaces:
        message = (
            f"--envs {env_id}: {card.algo} takes observations of type "
            f"{' or '.join(card.observation_spaces)}, and this environment's are "
            f"{spaces.observation_space}\nFlatten them in a wrapper and register that under an id."
        )
        raise UsageError(message)


@cache
def spaces_of(env_id: str) -> EnvSpaces:
    """Return the spaces of a registered environment by making it once.

    Raises:
        UsageError: it cannot be made; holds the first line of the cause.
    """
    import gymnasium

    with _quiet():
        try:
            env = gymnasium.make(env_id)
        except gymnasium.error.DependencyNotInstalled as error:
            message = f"--envs {env_id}: an optional dependency is missing\n{_first_line(error)}"
            raise MissingExtra(message) from error
        except Exception as error:  # a foreign constructor may raise anything
            message = (
                f"--envs {env_id} cannot be made: {type(error).__name__}: {_first_line(error)}\n"
                f"Try: python -c \"import gymnasium; gymnasium.make('{env_id}')\""
            )
            raise UsageError(message) from error
        action, observation = env.action_space, env.observation_space
        env.close()
    name = type(action).__name__
    return EnvSpaces(ACTION_KINDS.get(name, name), type(observation).__name__)


def _expand_word(card: Card, word: str) -> tuple[str, ...]:
    if word not in TIERS:
        return (word,)
    env_ids = tier_ids(card.algo, word)
    if not env_ids:
        filled = [tier for tier in TIERS if tier_ids(card.algo, tier)]
        message = f"--envs {word}: no environment in this tier for {card.algo} yet"
        raise UsageError(message + f"\nTiers with environments: {', '.join(filled)}")
    return env_ids


@cache
def _by_difficulty() -> tuple[str, ...]:
    tables = read_table("tiers.toml")["tiers"]
    return tuple(env for tier in TIERS for kind in ACTION_TYPES for env in tables[kind][tier])


def missing_extra(env_id: str) -> Extra | None:
    """Return the optional dependency that `env_id` needs and that is not installed, if any."""
    extra = extra_of(env_id)
    is_missing = extra is not None and importlib.util.find_spec(extra.module) is None
    return extra if is_missing else None


def _require_extra(env_id: str) -> None:
    extra = missing_extra(env_id)
    if extra is not None:
        message = (
            f"--envs {env_id} needs the optional package {extra.module!r}, which is not installed\n"
            f"Install it into the environment that runs compare: {extra.pip}"
        )
        raise MissingExtra(message)


def _require_registered(env_id: str) -> None:
    """Raise unless gymnasium knows the id; ids with a module ("module:Name-v0") import it first."""
    register_ids()
    import gymnasium

    module, colon, bare_id = env_id.partition(":")
    if colon:
        _import_env_module(env_id, module)
    else:
        bare_id = env_id
    if bare_id in gymnasium.registry:
        return
    valid = tuple(dict.fromkeys([*TIERS, *known_ids(), *gymnasium.registry]))
    replacement = _other_version(bare_id, tuple(gymnasium.registry))
    if replacement:
        message = (
            f"environment {env_id!r} is not in the installed gymnasium "
            f"{gymnasium.__version__}; its version there is {replacement!r}\n"
            f"Use --envs {replacement}"
        )
        raise UsageError(message)
    raise UnknownName(kind="environment or tier", name=env_id, valid=valid, where="--envs")


def _other_version(env_id: str, registry: Sequence[str]) -> str | None:
    """Return the newest registered version of the id's name, or None."""
    match = _VERSIONED.fullmatch(env_id)
    name = match["name"] if match else env_id
    versions = {
        int(found["version"]): candidate
        for candidate in registry
        if (found := _VERSIONED.fullmatch(candidate)) and found["name"] == name
    }
    return versions[max(versions)] if versions else None


def _import_env_module(env_id: str, module: str) -> None:
    with _quiet():
        try:
            importlib.import_module(module)
        except Exception as error:  # a foreign module may raise anything
            message = (
                f"--envs {env_id}: its module {module!r} cannot be imported: "
                f"{type(error).__name__}: {_first_line(error)}\n"
                "Install it, or put its folder on PYTHONPATH."
            )
            raise UsageError(message) from error


@cache
def register_ids() -> None:
    """Make known the project's own probes and the ids of installed packages; once per process."""
    from harness.probes.registry import register

    register()
    modules = [extra.register for extra in extras() if extra.register]
    with _quiet():
        for module in modules:
            if importlib.util.find_spec(module) is not None:
                importlib.import_module(module)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep foreign code from writing to stdout (it may carry JSON) and from warning users."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
