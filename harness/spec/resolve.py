"""Request -> ComparisonSpec: every word of the user resolved, or answered with cause and fix."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from harness.errors import UnknownName, UsageError
from harness.records import ComparisonSpec, EnvPlan, Json, Margin, SideSpec
from harness.spec import environments
from harness.spec.cards import Card, card
from harness.spec.cards.card import idle
from harness.spec.hyperparameters import check_settings
from harness.spec.request import Request
from harness.spec.sides import find_side, with_taps
from harness.spec.tiers import BUDGETS, Budget, budget_row, looks_of, tier_of
from harness.spec.waivers import load_waivers

# A difference needs at least two seeds per side to have a spread.
MIN_SEEDS = 2
# Beyond this a comparison is a mistake of typing.
MAX_SEEDS = 1_000
# Seeds of numpy's legacy generator, which libraries seed too, lie below this.
SEED_LIMIT = 2**32
MAX_TIMESTEPS = 10**10
DifferenceTest = Literal["max-t", "cluster-mass"]
DIFFERENCE_TESTS: tuple[DifferenceTest, ...] = get_args(DifferenceTest)
DEVICES = ("cpu", "cuda", "mps")

_MARGIN_SD = re.compile(r"(?P<number>.+?)\s*sd")
_DEVICE = re.compile(r"cpu|mps|cuda(:[0-9]+)?")

# Fills the source digest and the versions of a side (`harness.plan.identity.identify`).
Identify = Callable[[SideSpec], SideSpec]


def resolve(request: Request, *, identify: Identify) -> ComparisonSpec:
    """Return the comparison that the request means.

    Raises:
        UsageError: (or UnknownName, MissingExtra) the first thing that cannot be carried out.
    """
    algorithm = card(request.algo)
    budget = _budget(request.budget)
    seeds, looks = parse_seeds(request.seeds, budget)
    mine = find_side(request.mine, algo=request.algo, role="mine")
    reference = find_side(request.reference, algo=request.algo, role="reference")
    mine = with_taps(mine, request.mine_taps, where="--mine-taps")
    reference = with_taps(reference, request.reference_taps, where="--reference-taps")
    env_ids = environments.expand(algorithm, request.envs)
    settings = check_settings(algorithm, request.settings)
    steps = parse_total_timesteps(request.total_timesteps)
    for env_id in env_ids:
        environments.check(algorithm, env_id)
    return ComparisonSpec(
        algo=request.algo,
        envs=tuple(_plan_env(algorithm, e, settings, (budget, steps)) for e in env_ids),
        mine=identify(mine),
        reference=identify(reference),
        looks=looks,
        seeds=seeds,
        alpha=_alpha(request.alpha),
        margin=parse_margin(request.margin),
        budget=budget,
        device=_device(request.device),
        is_paired=request.is_paired,
        keep_going=request.keep_going,
        difference_test=_difference_test(request.difference_test),
        asked=request.asked,
        taps=algorithm.tap_clocks,
        waivers=load_waivers(request.waivers, Path.cwd()),
        today=request.today or datetime.now().astimezone().date().isoformat(),
    )


def parse_seeds(text: str | None, budget: Budget) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return (seeds, looks): "5" is five seeds and one look, "0,1,7" these, None adaptive.

    Raises:
        UsageError: not a number or list, too few, too many, negative or repeated.

    >>> parse_seeds("0,1,7", "standard")
    ((0, 1, 7), (3,))
    >>> parse_seeds(None, "quick")
    ((0, 1, 2, 3, 4), (3, 5))
    """
    if text is None:
        looks = looks_of(budget)
        return tuple(range(looks[-1])), looks
    numbers = [_whole(part) for part in text.split(",") if part.strip()]
    if not numbers or None in numbers:
        raise _bad_seeds(text, "a number of seeds such as 5, or a list such as 0,1,7")
    chosen = [number for number in numbers if number is not None]
    is_list = "," in text
    count = len(chosen) if is_list else chosen[0]
    if not MIN_SEEDS <= count <= MAX_SEEDS:
        raise _bad_seeds(text, f"{MIN_SEEDS} to {MAX_SEEDS} seeds per side")
    seeds = tuple(chosen) if is_list else tuple(range(count))
    if len(set(seeds)) < len(seeds) or not all(0 <= seed < SEED_LIMIT for seed in seeds):
        raise _bad_seeds(text, f"different seeds from 0 to {SEED_LIMIT - 1}")
    return seeds, (count,)


def parse_total_timesteps(text: str | None) -> int | None:
    """Return the env steps asked for ("20000", "20_000" and "2e4" are the same), or None.

    Raises:
        UsageError: not a positive whole number.

    >>> parse_total_timesteps("2e4")
    20000
    """
    if text is None:
        return None
    steps = _whole(text)
    if steps is None or not 0 < steps <= MAX_TIMESTEPS:
        message = (
            f"--total-timesteps expected a positive whole number of env steps, got {text!r}\n"
            "Example: --total-timesteps 20000"
        )
        raise UsageError(message)
    return steps


def parse_margin(text: str) -> Margin:
    """Return the equivalence margin: "0.5sd" in reference standard deviations, "20" in reward.

    Raises:
        UsageError: not a positive number with or without "sd".

    >>> parse_margin("0.5sd"), parse_margin("20")
    (Margin(value=0.5, is_absolute=False), Margin(value=20.0, is_absolute=True))
    """
    match = _MARGIN_SD.fullmatch(text.strip())
    number = _number(match["number"] if match else text)
    if number is None or number <= 0:
        message = (
            f"--margin expected a positive number, got {text!r}\n"
            "Write 1sd for one standard deviation of the reference's seeds, or 20 for 20 reward."
        )
        raise UsageError(message)
    return Margin(number, is_absolute=match is None)


def _plan_env(
    algorithm: Card, env_id: str, settings: Mapping[str, Json], length: tuple[Budget, int | None]
) -> EnvPlan:
    budget, steps = length
    row = budget_row(algorithm.algo, env_id)
    hyperparameters = {**algorithm.defaults, **check_settings(algorithm, row.hyperparameters)}
    sources = dict.fromkeys(hyperparameters, algorithm.defaults_source)
    sources |= dict.fromkeys(row.hyperparameters, row.source)
    sources |= dict.fromkeys(settings, "--set")
    hyperparameters |= settings
    total_timesteps = steps or row.total_timesteps[budget]
    _check_warmup(algorithm, env_id, hyperparameters, total_timesteps)
    tier, off = tier_of(env_id), idle(algorithm.algo, hyperparameters)
    return EnvPlan(env_id, tier, total_timesteps, row.n_envs, hyperparameters, sources, off)


def _check_warmup(
    algorithm: Card, env_id: str, hyperparameters: Mapping[str, Json], total_timesteps: int
) -> None:
    warmup = hyperparameters.get(algorithm.warmup, -1)
    if total_timesteps <= warmup:
        message = (
            f"{total_timesteps} env steps on {env_id} end before learning begins "
            f"({algorithm.warmup}={warmup}): nothing would be compared\n"
            f"Give more --total-timesteps, or --set {algorithm.warmup}=... below it."
        )
        raise UsageError(message)


def _budget(word: str) -> Budget:
    for budget in BUDGETS:
        if budget == word:
            return budget
    raise UnknownName(kind="budget", name=word, valid=BUDGETS, where="--budget")


def _difference_test(word: str) -> DifferenceTest:
    for test in DIFFERENCE_TESTS:
        if test == word:
            return test
    raise UnknownName(kind="test", name=word, valid=DIFFERENCE_TESTS, where="--difference-test")


def _alpha(alpha: float) -> float:
    if not 0 < alpha < 0.5:  # NaN fails as well
        message = f"--alpha expected an error rate above 0 and below 0.5, got {alpha!r}"
        raise UsageError(message + "\nExample: --alpha 0.05 (the default)")
    return alpha


def _device(device: str) -> str:
    if not _DEVICE.fullmatch(device):
        raise UnknownName(kind="device", name=device, valid=DEVICES, where="--device")
    return device


def _bad_seeds(text: str, expected: str) -> UsageError:
    return UsageError(
        f"--seeds expected {expected}, got {text!r}\nLeave it out for adaptive seeds."
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() else None
