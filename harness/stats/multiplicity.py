"""Holm's procedure over several hypotheses. Source: Holm (1979), Scand. J. Statist. 6, 65-70."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """Return Holm-adjusted p values: (n,). Valid whatever the dependence between the hypotheses.

    NaN (could not be tested) stays NaN but still counts as a hypothesis, so that losing a test
    never makes the others easier to reject.

    Raises:
        ValueError: a value lies outside [0, 1].

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = _checked(p)
    filled = np.where(np.isnan(values), 1.0, values)
    order = np.argsort(filled, kind="stable")
    factors = np.arange(len(values), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(filled[order] * factors))
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return np.where(np.isnan(values), np.nan, adjusted)


def holm_levels(p: Sequence[float] | FloatArray, alpha: float) -> FloatArray:
    """Return the level that each hypothesis's own p value is compared with: (n,).

    The k-th smallest p value is compared with alpha / (n - k + 1) as long as all before it were
    rejected; once one is not, it and all later ones are compared with that same level.

    Raises:
        ValueError: a p value or alpha lies outside [0, 1].

    >>> holm_levels([0.001, 0.04, 0.03], 0.05).round(4).tolist()
    [0.0167, 0.025, 0.025]
    """
    values = _checked(p)
    _checked([alpha])
    filled = np.where(np.isnan(values), 1.0, values)
    order = np.argsort(filled, kind="stable")
    levels = alpha / np.arange(len(values), 0, -1)
    is_kept = filled[order] > levels
    if is_kept.any():
        first = int(is_kept.argmax())
        levels[first:] = levels[first]
    by_hypothesis = np.empty_like(levels)
    by_hypothesis[order] = levels
    return by_hypothesis


def _checked(p: Sequence[float] | FloatArray) -> FloatArray:
    values = np.asarray(p, dtype=np.float64).reshape(-1)
    finite = values[~np.isnan(values)]
    if ((finite < 0.0) | (finite > 1.0)).any():
        msg = f"expected values in [0, 1], seen {values.tolist()}"
        raise ValueError(msg)
    return values
