"""Relabellings of runs under the null hypothesis, and a score that is monotone in |t|.

Under "both sides draw their runs from the same distribution" every assignment of the labels mine
and reference to the runs is equally likely (paired: every sign flip of the differences). All tests
here need one number per relabelling and hypothesis. With columns centred and scaled to unit sum of
squares, the squared Welch statistic is a monotone function of

    score = C r / (A q + B (1 - q)),   r = (sum of runs labelled mine)^2,  q = their sum of squares,
    A = 1 / (n (n - 1)),  B = 1 / (m (m - 1)),  C = A / n + B / m,   n = n_mine, m = n_reference,
    t^2 = (1 / n + 1 / m)^2 / C * score / (1 - score),

which follows from t^2 = (mean difference)^2 / (s_mine^2 / n + s_reference^2 / m) by expanding both
variances about the pooled mean. `score` lies in [0, 1], is free of cancellation and of division by
zero, and is 1 exactly when both sides are constant and different: the most extreme outcome. For a
column that is constant over all runs it is defined as 0. Paired: score = (sum d)^2 / (n sum d^2).

Moderated, each column borrows variance from its neighbours in time (`Scorer.neighbours`): the noise
term V of score = S / (S + V) becomes (df V + PRIOR_DF mean of V nearby) / (df + PRIOR_DF). With few
runs some column nearly always separates some relabelling perfectly by chance (a bin's mean of few
0/1 values takes few values), and its infinite t would hide every real difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from harness.errors import TooFewSeeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

N_PERMUTATIONS = 10_000
MIN_SEEDS = 2  # per side: a variance needs two runs
# A column whose spread is below this share of its magnitude is constant up to float64 rounding.
CONSTANT_RTOL = 1e-12
# Two scores closer than this are tied: 1e6 times the rounding error of a score in float64.
SCORE_ATOL = 1e-10
# Weight of the neighbours' variance, in degrees of freedom: a prior as in Smyth (2004), Stat. Appl.
# Genet. Mol. Biol. 3, whose estimates for real data are mostly 2 to 6.
PRIOR_DF = 4.0
N_NEIGHBOURS = 9  # columns in the mean of the variance, the column's own included
# Elements of one chunk of scores (float64): 8 MiB, so that the working set of a pass stays small.
CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Design:
    """How runs may be relabelled.

    Attributes:
        n_mine, n_reference: runs per side; equal when is_paired.
        n_permutations: relabellings to use; all of them when they are not more than this.
    """

    n_mine: int
    n_reference: int
    is_paired: bool
    n_permutations: int = N_PERMUTATIONS

    def __post_init__(self) -> None:
        require_seeds(self.n_mine, self.n_reference, is_paired=self.is_paired)
        if self.n_permutations < 1:
            msg = f"n_permutations must be at least 1, seen {self.n_permutations}"
            raise ValueError(msg)

    @property
    def n_relabellings(self) -> int:
        """All distinct relabellings: C(n + m, n), or 2^n for pairs."""
        if self.is_paired:
            return int(2**self.n_mine)
        return math.comb(self.n_mine + self.n_reference, self.n_mine)

    @property
    def is_exact(self) -> bool:
        """Whether all relabellings are enumerated."""
        return self.n_relabellings <= self.n_permutations

    @property
    def smallest_p(self) -> float:
        """Smallest p value that any data can give.

        Swapping equal sides (or flipping all signs) leaves |t| as it is: two relabellings tie.
        """
        if not self.is_exact:
            return 1.0 / (self.n_permutations + 1)
        has_mirror = self.is_paired or self.n_mine == self.n_reference
        return (2.0 if has_mirror else 1.0) / self.n_relabellings


def require_seeds(
    n_mine: int, n_reference: int, *, is_paired: bool, least: int = MIN_SEEDS
) -> None:
    """Raise TooFewSeeds, naming side and count, unless both sides have at least `least` seeds.

    Raises:
        TooFewSeeds: a side has fewer than `least` seeds.
        ValueError: a paired design with unequal numbers of seeds.
    """
    for side, seen in (("mine", n_mine), ("reference", n_reference)):
        if seen < least:
            msg = f"{side} has {seen} seed(s), this test needs at least {least}; add seeds"
            raise TooFewSeeds(msg)
    if is_paired and n_mine != n_reference:
        msg = f"a paired test needs one reference run per own run, seen {n_mine} and {n_reference}"
        raise ValueError(msg)


def relabellings(design: Design, *, rng: np.random.Generator) -> FloatArray:
    """Return the relabellings as a matrix to multiply the runs with.

    Unpaired: (n_relabellings, n_mine + n_reference) of 0 and 1, 1 = labelled mine, rows of the data
    in the order mine, reference. Paired: (n_relabellings, n_pairs) of signs. Exact designs hold the
    observed labelling as their first row; sampled ones are uniform draws with replacement.
    """
    n_units = design.n_mine if design.is_paired else design.n_mine + design.n_reference
    if design.is_paired:
        if design.is_exact:
            return np.array(list(product((1.0, -1.0), repeat=n_units)))
        return 1.0 - 2.0 * rng.integers(0, 2, size=(design.n_permutations, n_units)).astype(float)
    if design.is_exact:
        chosen = np.array(list(combinations(range(n_units), design.n_mine)))
    else:
        keys = rng.random((design.n_permutations, n_units))
        chosen = np.argpartition(keys, design.n_mine - 1, axis=1)[:, : design.n_mine]
    labels = np.zeros((len(chosen), n_units))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def standardise(mine: FloatArray, reference: FloatArray, *, is_paired: bool) -> FloatArray:
    """Return units x hypotheses with unit sum of squares per column; constant columns are 0.

    Unpaired: both sides stacked, centred per column. Paired: mine - reference, not centred.

    Args:
        mine: (n_mine, n_hypotheses), finite. reference: (n_reference, n_hypotheses), finite.
    """
    stacked = np.concatenate([mine, reference])
    magnitude = np.abs(stacked).max(axis=0, initial=0.0)
    scale = np.where(magnitude > 0.0, magnitude, 1.0)
    if is_paired:
        units = mine / scale - reference / scale
    else:
        units = stacked / scale
        units -= units.mean(axis=0)
    units[:, np.abs(units).max(axis=0, initial=0.0) <= CONSTANT_RTOL] = 0.0
    largest = np.abs(units).max(axis=0, initial=0.0)
    units /= np.where(largest > 0.0, largest, 1.0)
    length = np.sqrt((units**2).sum(axis=0))
    return np.asarray(units / np.where(length > 0.0, length, 1.0))


def neighbours(units: FloatArray, starts: NDArray[np.bool_]) -> csr_array:
    """Return the matrix that averages a column of hypotheses over their neighbours in time.

    A row is the mean over the up to N_NEIGHBOURS hypotheses around it that belong to the same
    stretch and are not constant; 0 where there is none. Shape: (n_hypotheses, n_hypotheses).

    Args:
        units: (n_units, n_hypotheses) from `standardise`.
        starts: (n_hypotheses,), True where a new stretch begins.
    """
    n = len(starts)
    stretch = np.cumsum(starts)
    varies = np.abs(units).max(axis=0, initial=0.0) > 0.0
    reach = N_NEIGHBOURS // 2
    rows = np.repeat(np.arange(n), 2 * reach + 1)
    columns = rows + np.tile(np.arange(-reach, reach + 1), n)
    inside = np.clip(columns, 0, n - 1)
    is_near = (columns == inside) & (stretch[inside] == stretch[rows]) & varies[inside]
    rows, columns = rows[is_near], columns[is_near]
    count = np.bincount(rows, minlength=n)
    return csr_array((1.0 / count[rows], (rows, columns)), shape=(n, n))


@dataclass(frozen=True)
class Scorer:
    """Scores of relabellings on standardised units.

    Attributes:
        units: (n_units, n_hypotheses) from `standardise`.
        neighbours: from `neighbours`; None: every hypothesis has its own variance alone.
    """

    design: Design
    units: FloatArray
    neighbours: csr_array | None = None

    def signed(self, labels: FloatArray) -> FloatArray:
        """Return sum over the runs labelled mine (or signed sum): (n_hypotheses, n_labels)."""
        return np.asarray(self.units.T @ labels.T)

    def scores(self, labels: FloatArray, signed: FloatArray | None = None) -> FloatArray:
        """Return scores in [0, 1]: (n_hypotheses, n_labels)."""
        total = self.signed(labels) if signed is None else signed
        score = np.square(total)
        n, m = self.design.n_mine, self.design.n_reference
        if self.design.is_paired:
            score /= n
            return self._moderated(score, 1.0)
        a, b = 1.0 / (n * (n - 1)), 1.0 / (m * (m - 1))
        score *= a / n + b / m
        if n == m:
            score /= b
            return self._moderated(score, 1.0)
        weight = np.square(self.units).T @ labels.T
        weight *= a - b
        weight += b
        score /= weight
        return self._moderated(score, weight)

    def _moderated(self, score: FloatArray, weight: FloatArray | float) -> FloatArray:
        """Return the scores with the neighbours' noise mixed in; `weight` = signal + noise."""
        if self.neighbours is None:
            return score
        signal = score * weight
        noise = weight - signal
        near = self.neighbours @ noise
        noise *= self.df / (self.df + PRIOR_DF)
        near *= PRIOR_DF / (self.df + PRIOR_DF)
        noise += near
        noise += signal
        return np.asarray(np.divide(signal, noise, out=score, where=noise > 0.0))

    @property
    def df(self) -> int:
        """Degrees of freedom of one hypothesis's own noise."""
        n, m = self.design.n_mine, self.design.n_reference
        return n - 1 if self.design.is_paired else n + m - 2

    @property
    def t_scale(self) -> float:
        """Factor f in t^2 = f * score / (1 - score)."""
        n, m = self.design.n_mine, self.design.n_reference
        if self.design.is_paired:
            return float(n - 1)
        c = 1.0 / (n**2 * (n - 1)) + 1.0 / (m**2 * (m - 1))
        return float((1.0 / n + 1.0 / m) ** 2 / c)

    def statistic(self, score: FloatArray, signed: FloatArray) -> FloatArray:
        """Return the signed t statistic; infinite where both sides are constant and differ."""
        rest = np.where(score >= 1.0 - SCORE_ATOL, 0.0, 1.0 - score)
        with np.errstate(divide="ignore"):
            size = np.sqrt(self.t_scale * score / rest)
        return np.asarray(np.copysign(size, signed))

    def observed(self) -> FloatArray:
        """Return the labelling that was observed: (1, n_units)."""
        if self.design.is_paired:
            return np.ones((1, self.design.n_mine))
        labels = np.zeros((1, self.design.n_mine + self.design.n_reference))
        labels[0, : self.design.n_mine] = 1.0
        return labels


def in_chunks(labels: FloatArray, n_hypotheses: int) -> Iterator[FloatArray]:
    """Yield consecutive rows of `labels`, few enough to bound the memory of their scores."""
    step = max(1, CHUNK_ELEMENTS // max(1, n_hypotheses))
    for start in range(0, len(labels), step):
        yield labels[start : start + step]
