"""The trials of the calibration: one cell is one question in one simulated world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.stats.worlds import GROWTHS, SHAPES, Noise, Shape, curves, endpoints, growth
from harness.records import Curves, Margin
from harness.stats.equivalence import smallest_p_equivalence, tost
from harness.stats.family import DifferenceTest, FamilyOptions, family_test
from harness.stats.onset import onset_interval
from harness.stats.permutation import smallest_p
from harness.stats.sequential import DEFAULT_LOOKS, look_levels, spend_on_equivalence

ALPHA = 0.05
# Sampled p values are valid with any number of permutations; 999 resolve every look's level.
N_PERMUTATIONS = 999
ONSET = 20  # checkpoint at which a simulated difference begins
DEFAULT_MARGIN = Margin(1.0)

# A trial returns whether the event happened, or None when it does not count (nothing found).
Trial = Callable[[np.random.Generator], bool | None]


@dataclass(frozen=True)
class Cell:
    """One row of the calibration table.

    Attributes:
        kind: what is counted. world: under which truth. n_trials: full run.
    """

    kind: str
    world: str
    n_trials: int
    trial: Trial

    @property
    def name(self) -> str:
        """Key in the stored results."""
        return f"{self.kind} | {self.world}"


def _record(values: np.ndarray, metric: str = "episode_return") -> Curves:
    grid = np.arange(1, values.shape[1] + 1, dtype=np.int64)
    return Curves(metric, grid, values, tuple(range(len(values))))


def _false_alarm(
    rng: np.random.Generator,
    *,
    method: DifferenceTest,
    noises: tuple[Noise, Noise],
    n_reference: int | None,
) -> bool:
    """Return whether any look of a whole sequence rejects although the mean curves are equal."""
    sizes = [(n, n_reference or n) for n in DEFAULT_LOOKS]
    least = [smallest_p(n, m, is_paired=False, n_permutations=N_PERMUTATIONS) for n, m in sizes]
    levels = look_levels(DEFAULT_LOOKS, ALPHA, least)
    mine = curves(rng, sizes[-1][0], noise=noises[0])
    reference = curves(rng, sizes[-1][1], noise=noises[1])
    options = FamilyOptions(method, n_permutations=N_PERMUTATIONS)
    for (n, m), level in zip(sizes, levels, strict=True):
        if level > 0.0:
            pair = {"episode_return": (_record(mine[:n]), _record(reference[:m]))}
            tested = family_test(pair, rng=rng, options=options)
            if tested is not None and np.nanmin(tested.p_adjusted["episode_return"]) <= level:
                return True
    return False


def _joint_false_alarm(rng: np.random.Generator, *, method: DifferenceTest) -> bool:
    """Return whether one of six metrics, alternately correlated and skewed, is rejected."""
    pairs = {}
    for k in range(6):
        noise = Noise(SHAPES[k % 3])
        mine, reference = (curves(rng, n, noise=noise) for n in (8, 12))
        pairs[f"metric_{k}"] = (_record(mine, f"metric_{k}"), _record(reference, f"metric_{k}"))
    options = FamilyOptions(method, n_permutations=N_PERMUTATIONS)
    tested = family_test(pairs, rng=rng, options=options)
    return tested is not None and bool(
        min(np.nanmin(p) for p in tested.p_adjusted.values()) <= ALPHA
    )


@dataclass(frozen=True)
class _Gap:
    """A true gap of `size` reference standard deviations between two endpoint distributions."""

    shapes: tuple[Shape, Shape]
    sd_mine: float
    n_reference: int | None
    size: float
    margin: Margin = DEFAULT_MARGIN


def _parity(rng: np.random.Generator, *, gap: _Gap) -> bool:
    """Return whether any look of a whole sequence declares parity."""
    sizes = [(n, gap.n_reference or n) for n in DEFAULT_LOOKS]
    least = [smallest_p_equivalence(n, m, margin=gap.margin) for n, m in sizes]
    levels = look_levels(DEFAULT_LOOKS, ALPHA, least, spending=spend_on_equivalence)
    mine = endpoints(rng, sizes[-1][0], shape=gap.shapes[0], sd=gap.sd_mine) + gap.size
    reference = endpoints(rng, sizes[-1][1], shape=gap.shapes[1])
    for (n, m), level in zip(sizes, levels, strict=True):
        p = tost(mine[:n], reference[:m], margin=gap.margin).p if level > 0.0 else None
        if p is not None and p <= level:
            return True
    return False


def _single_parity(
    rng: np.random.Generator, *, gap: _Gap, n_mine: int, is_paired: bool = False
) -> bool:
    """Return whether one look at level ALPHA declares parity."""
    mine = endpoints(rng, n_mine, shape=gap.shapes[0], sd=gap.sd_mine) + gap.size
    reference = endpoints(rng, gap.n_reference or n_mine, shape=gap.shapes[1])
    if is_paired:  # half of the variance is shared by the two runs of a pair
        shared = endpoints(rng, n_mine, shape=gap.shapes[1])
        mine = (mine - gap.size + shared) / np.sqrt(2.0) + gap.size
        reference = (reference + shared) / np.sqrt(2.0)
    p = tost(mine, reference, margin=gap.margin, is_paired=is_paired).p
    return p is not None and p <= ALPHA


def _onset(
    rng: np.random.Generator, *, n: int, noise: Noise, effect: np.ndarray, is_naive: bool = False
) -> bool | None:
    """Return whether the interval holds the true onset; None when no difference was found.

    With is_naive the answer is the first significant checkpoint alone.

    Args:
        effect: (N_CHECKPOINTS,), 0 before ONSET.
    """
    mine = curves(rng, n, noise=noise) + effect
    reference = curves(rng, n, noise=noise)
    pair = (_record(mine), _record(reference))
    options = FamilyOptions(n_permutations=N_PERMUTATIONS)
    tested = family_test({"episode_return": pair}, rng=rng, options=options)
    p = np.ones(len(effect)) if tested is None else tested.p_adjusted["episode_return"]
    found = onset_interval(*pair, p_adjusted=p, alpha=ALPHA)
    if found is None:
        return None
    if is_naive:
        return int(np.argmax(p <= ALPHA)) == ONSET
    return found.low <= ONSET + 1 <= found.high  # env step k is checkpoint index k - 1


def _difference_cells() -> Iterator[Cell]:
    for method in ("max-t", "cluster-mass"):
        kind = f"false alarm, {method}"
        for shape in SHAPES:
            same = (Noise(shape), Noise(shape))
            for m, words in ((None, "equal n"), (20, "20 reference seeds")):
                trial = partial(_false_alarm, method=method, noises=same, n_reference=m)
                yield Cell(kind, f"{shape}, {words}", 1500, trial)
        wider = (Noise(sd=2.0), Noise())
        for m, words in ((None, "equal n"), (20, "20 reference seeds")):
            trial = partial(_false_alarm, method=method, noises=wider, n_reference=m)
            yield Cell(kind, f"normal, mine twice as wide, {words}", 1500, trial)
        joint = partial(_joint_false_alarm, method=method)
        yield Cell(kind, "6 metrics x 50 checkpoints, 8 and 12 seeds, one look", 1000, joint)


def _parity_cells() -> Iterator[Cell]:
    for shape in SHAPES:
        for m, words in ((None, "equal n"), (20, "20 reference"), (50, "50 reference")):
            for sign, side in ((1.0, "above"), (-1.0, "below")):
                gap = _Gap((shape, shape), 1.0, m, sign)
                world = f"{shape}, {words}, {side}"
                yield Cell("false parity at the margin", world, 3000, partial(_parity, gap=gap))
    for sd, words in ((0.5, "half as wide"), (2.0, "twice as wide")):
        for m in (None, 50):
            gap = _Gap(("normal", "normal"), sd, m, 1.0)
            world = f"normal, mine {words}, {m or 'equal'} reference"
            yield Cell("false parity at the margin", world, 3000, partial(_parity, gap=gap))
    gap = _Gap(("bimodal", "normal"), 1.0, 50, 1.0)
    world = "mine bimodal, reference normal, 50 reference"
    yield Cell("false parity at the margin", world, 3000, partial(_parity, gap=gap))


def _single_parity_cells() -> Iterator[Cell]:
    kind = "false parity at the margin, one look at 5 %"
    for shape in SHAPES:
        for n, m in ((3, 20), (5, 20), (8, 8), (20, 20), (12, 50), (20, 8)):
            trial = partial(_single_parity, gap=_Gap((shape, shape), 1.0, m, 1.0), n_mine=n)
            yield Cell(kind, f"{shape}, {n} and {m} seeds", 3000, trial)
        gap = _Gap((shape, shape), 1.0, None, 1.0)
        trial = partial(_single_parity, gap=gap, n_mine=20, is_paired=True)
        yield Cell(kind, f"{shape}, 20 pairs", 3000, trial)
        absolute = _Gap((shape, shape), 1.0, 20, 1.0, Margin(1.0, is_absolute=True))
        for n in (5, 20):
            trial = partial(_single_parity, gap=absolute, n_mine=n)
            yield Cell(f"{kind}, margin in reward", f"{shape}, {n} and 20 seeds", 3000, trial)


def _power_cells() -> Iterator[Cell]:
    for shape in SHAPES:
        for m, words in ((None, "equal n"), (50, "50 reference")):
            trial = partial(_parity, gap=_Gap((shape, shape), 1.0, m, 0.0))
            yield Cell("parity shown when there is no gap", f"{shape}, {words}", 2000, trial)


def _onset_cells() -> Iterator[Cell]:
    kind = "onset covered, 90 % interval"
    noises = {
        "noise constant": Noise(rho=0.8),
        "an offset per seed": Noise(rho=0.8, offset=1.0),
        "noise doubling every 7 checkpoints": Noise(rho=0.8, doubles_every=7.0),
    }
    for n in (5, 8, 20):
        for words, noise in noises.items():
            for shape in GROWTHS:
                trial = partial(_onset, n=n, noise=noise, effect=4.0 * growth(shape, ONSET))
                yield Cell(kind, f"{n} and {n} seeds, {shape}, {words}", 400, trial)
    ramp = 4.0 * growth("ramp", ONSET)
    for shape in ("skewed", "bimodal"):
        trial = partial(_onset, n=8, noise=Noise(shape, rho=0.8), effect=ramp)
        yield Cell(kind, f"8 and 8 seeds, ramp, {shape} noise", 400, trial)
    trial = partial(_onset, n=8, noise=Noise(rho=0.8), effect=ramp, is_naive=True)
    world = "8 and 8 seeds, ramp, noise constant"
    yield Cell("onset hit by the first significant checkpoint", world, 400, trial)


def all_cells() -> tuple[Cell, ...]:
    """Return every row of the calibration table."""
    return (
        *_difference_cells(),
        *_parity_cells(),
        *_single_parity_cells(),
        *_power_cells(),
        *_onset_cells(),
    )
