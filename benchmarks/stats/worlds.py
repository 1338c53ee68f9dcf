"""Simulated curves and endpoints whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

Shape = Literal["normal", "skewed", "bimodal"]
Growth = Literal["jump", "ramp", "quadratic", "exponential"]
GROWTHS: tuple[Growth, ...] = ("jump", "ramp", "quadratic", "exponential")
SHAPES: tuple[Shape, ...] = ("normal", "skewed", "bimodal")
N_CHECKPOINTS = 50
RHO = 0.9  # correlation of neighbouring checkpoints
LOG_SD = 0.75  # of the lognormal: skewness 3.3
FAILURE = 0.2  # share of runs in the lower mode
FAILURE_SPREAD = 0.15  # spread inside a mode, in distances between the modes


def endpoints(rng: np.random.Generator, n: int, *, shape: Shape, sd: float = 1.0) -> FloatArray:
    """Return (n,) values with mean 0 and standard deviation `sd`."""
    if shape == "normal":
        return sd * rng.normal(size=n)
    if shape == "skewed":
        mean = np.exp(LOG_SD**2 / 2.0)
        spread = mean * np.sqrt(np.exp(LOG_SD**2) - 1.0)
        return np.asarray(sd * (rng.lognormal(0.0, LOG_SD, size=n) - mean) / spread)
    failed = rng.random(n) < FAILURE
    spread = np.sqrt(FAILURE * (1.0 - FAILURE) + FAILURE_SPREAD**2)
    return np.asarray(sd * (FAILURE - failed + FAILURE_SPREAD * rng.normal(size=n)) / spread)


@dataclass(frozen=True)
class Noise:
    """Noise of curves: AR(1) with correlation `rho`, plus what `shape` adds; scaled by `sd`.

    `skewed`: exp of the AR(1); `bimodal`: a fifth of the runs collapses by 4 at a random time.
    `offset`: standard deviation of a constant per run. `doubles_every`: checkpoints in which the
    noise doubles, to 1 at the last checkpoint; 0: it does not grow.
    """

    shape: Shape = "normal"
    sd: float = 1.0
    rho: float = RHO
    offset: float = 0.0
    doubles_every: float = 0.0


def curves(rng: np.random.Generator, n: int, *, noise: Noise) -> FloatArray:
    """Return (n, N_CHECKPOINTS) curves with the same mean at equal `shape` up to centring."""
    values = rng.normal(size=(n, N_CHECKPOINTS))
    for t in range(1, N_CHECKPOINTS):
        values[:, t] = noise.rho * values[:, t - 1] + np.sqrt(1 - noise.rho**2) * values[:, t]
    times = np.arange(N_CHECKPOINTS)
    if noise.shape == "skewed":
        values = np.exp(LOG_SD * values) - np.exp(LOG_SD**2 / 2.0)
    if noise.shape == "bimodal":
        start = rng.integers(0, N_CHECKPOINTS, size=(n, 1))
        collapsed = (rng.random((n, 1)) < FAILURE) & (times >= start)
        values = values - 4.0 * (collapsed - FAILURE * (times + 1.0) / N_CHECKPOINTS)
    if noise.offset:
        values = values + noise.offset * rng.normal(size=(n, 1))
    if noise.doubles_every:
        values = values * 2.0 ** ((times - N_CHECKPOINTS + 1.0) / noise.doubles_every)
    return np.asarray(noise.sd * values)


def growth(kind: Growth, start: int) -> FloatArray:
    """Return (N_CHECKPOINTS,): 0 before `start`, then growing to 1 at the last checkpoint.

    A jump is 1 at once, a ramp after 10 checkpoints; the exponential doubles every 4 checkpoints.
    """
    since = np.clip(np.arange(N_CHECKPOINTS) - start + 1.0, 0.0, None)
    if kind == "jump":
        return np.minimum(since, 1.0)
    if kind == "ramp":
        return np.minimum(since / 10.0, 1.0)
    grown = since**2 if kind == "quadratic" else np.exp2(since / 4.0) - 1.0
    return np.asarray(grown / grown[-1])
