"""The centre of several seeds' curves and its band, for pictures only; no verdict rests on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

N_BOOT = 400  # resamples; the Monte-Carlo error of a 95 % limit is then below a line's width
LEVEL = 0.95
BAND_SEED = 20240501  # any fixed number: the same inputs must give the same picture


@dataclass(frozen=True)
class Band:
    """Mean over seeds at each checkpoint with a pointwise percentile interval.

    Attributes:
        centre, low, high: (n_checkpoints,); NaN where no seed has a finite value; low and high
            are NaN too where fewer than two seeds have one.
        n: (n_checkpoints,) seeds with a finite value.
    """

    centre: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.int64]


def band(values: NDArray[np.float64], rng: Generator, *, n_boot: int = N_BOOT) -> Band:
    """Return the mean over seeds and its bootstrap band over whole seeds.

    Args:
        values: (n_seeds, n_checkpoints); NaN and infinities are left out, and show as a smaller n.
        rng: source of the resamples. n_boot: resamples of whole seeds.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13 (percentile).

    >>> one = band(np.array([[1.0, 2.0], [3.0, 2.0]]), np.random.default_rng(0))
    >>> one.centre.tolist(), one.n.tolist()
    ([2.0, 2.0], [2, 2])
    """
    n_seeds, n_checkpoints = values.shape
    finite = np.isfinite(values)
    present = finite.astype(np.float64)
    filled = np.where(finite, values, 0.0)
    n = finite.sum(axis=0)
    low = np.full(n_checkpoints, np.nan)
    high = low.copy()
    centre = _ratio(filled.sum(axis=0), n)
    shown = n >= 2
    if shown.any():
        weights = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_boot)
        means = _ratio(weights @ filled[:, shown], weights @ present[:, shown])
        tail = (1 - LEVEL) / 2
        low[shown], high[shown] = _limits(means, tail)
    return Band(centre, low, high, n)


def _limits(means: NDArray[np.float64], tail: float) -> NDArray[np.float64]:
    """Return the two percentiles of each column, (2, n_columns); empty resamples are left out."""
    ordered = np.sort(means, axis=0)  # NaN last
    last = np.isfinite(ordered).sum(axis=0) - 1
    columns = np.arange(means.shape[1])
    rows = [np.rint(share * last).astype(np.int64) for share in (tail, 1 - tail)]
    return np.stack([ordered[row, columns] for row in rows])


def _ratio(total: NDArray[Any], count: NDArray[Any]) -> NDArray[np.float64]:
    """Return total / count, NaN where nothing was counted."""
    ratio: NDArray[np.float64] = np.full(np.shape(total), np.nan)
    np.divide(total, count, out=ratio, where=np.asarray(count) > 0)
    return ratio
