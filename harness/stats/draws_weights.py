"""Features of initial weights, layer by layer: what their elements and matrices have in common.

Elements at the same place of the same layer in the two sides' networks are exchangeable, and
elements within a layer are independent under the usual initialisers (uniform, normal), so elements
are the units: one seed already says much. The elements of an orthogonal matrix are uncorrelated but
not independent; sums over them vary less than the test assumes (see the calibration).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.draws_flip import Feature, feature_of, flip_p, signed_root, squares_of
from harness.stats.draws_record import DrawRecord, Exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Layers = dict[str, "Layer"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SAME_RTOL = 1e-5  # two float32 constants this close are the same
# (Largest - smallest) / mean singular value: below the first, orthogonal in float32; above the
# second, not. A random 64 x 64 matrix has 2, a random 2 x 64 matrix 0.2.
ORTHOGONAL_RTOL = 1e-4
APART_RTOL = 1e-3
# A layer whose elements share a random factor shows it by differing between two reference draws.
SELF_P = 1e-3
SIDES = ("mine", "again", "known")

Layer = dict[str, "FloatArray"]


def layers_of(record: DrawRecord) -> Layers:
    """Return label -> side -> (n_seeds, ...) in the order of the record's first seed."""
    layers: Layers = {}
    for label in dict.fromkeys(record.labels):
        chosen = [i for i, other in enumerate(record.labels) if other == label]
        if len({record.known[i].shape for i in chosen}) > 1:
            msg = f"{record.source}: {label} has another shape in another seed"
            raise ValueError(msg)
        layers[label] = {
            side: np.stack([getattr(record, side)[i] for i in chosen]).astype(np.float64)
            for side in SIDES
        }
    return layers


def weight_features(record: DrawRecord) -> tuple[Feature, ...]:
    """Return features of every layer that the reference draws at random."""
    layers = layers_of(record).items()
    return tuple(
        feature
        for label, layer in layers
        if not _is_fixed(layer)
        for feature in _layer_features(label, layer)
    )


def _layer_features(label: str, layer: Layer) -> Iterator[Feature]:
    mine, again, known = (layer[side].reshape(-1) for side in SIDES)
    if flip_p(signed_root(known**2 - again**2)) > SELF_P:
        yield squares_of(f"{label}: scale", f"{label}: root mean square", mine**2, again**2)
    if flip_p(signed_root(known - again)) > SELF_P:
        yield feature_of(f"{label}: mean", f"{label}: mean", mine, again)
    limits = np.unique([known.min(), *np.quantile(known, LEVELS), known.max()])
    for limit in limits:
        below = ((side <= limit).astype(np.float64) for side in (mine, again))
        name = f"{label}: distribution, share of elements up to {limit:.4g}"
        yield feature_of(f"{label}: distribution", name, *below)


def _is_fixed(layer: Layer) -> bool:
    """Return whether the reference starts from the same values in every seed."""
    values = np.concatenate([layer["again"], layer["known"]])
    return bool((np.abs(values - values[0]) <= SAME_RTOL * np.abs(values[0])).all())


def weight_exacts(record: DrawRecord) -> tuple[Exact, ...]:
    """Return what cannot happen by chance: other constants, no draw, orthogonality, copies."""
    layers = layers_of(record)
    found = [exact for label, layer in layers.items() for exact in _layer_exacts(label, layer)]
    return (*found, *_copies(layers))


def _layer_exacts(label: str, layer: Layer) -> Iterator[Exact]:
    mine, again = layer["mine"], layer["again"]
    if _is_fixed(layer):
        fixed = again[0]
        if not (np.abs(mine - fixed) <= SAME_RTOL * np.abs(fixed)).all():
            seen = _words(fixed)
            reason = f"the reference starts at {seen}, mine does not"
            yield Exact(f"{label}: initial value", float(mine.mean()), float(fixed.mean()), reason)
        return
    if np.ptp(mine) == 0.0 and np.ptp(again[0]) > 0.0:
        reason = f"mine starts at {_words(mine[0])}, the reference draws"
        yield Exact(f"{label}: initial value", float(mine.mean()), float(again.mean()), reason)
    elif len(mine) > 1 and (mine == mine[0]).all():
        reason = "mine starts from the same values in every seed, the reference does not"
        yield Exact(f"{label}: one draw per seed", 0.0, 1.0, reason)
    elif mine.ndim > 2 and min(mine.shape[1:3]) > 1:
        yield from _orthogonality(label, layer)
    elif mine.ndim > 2 and len(mine) > 1:
        yield from _length(label, layer)


def _words(values: FloatArray) -> str:
    return f"{values.flat[0]:g} throughout" if np.ptp(values) == 0.0 else "fixed, differing values"


def _orthogonality(label: str, layer: Layer) -> Iterator[Exact]:
    """Compare orthogonality, and the gain of orthogonal layers."""
    values = {side: _singular_values(layer[side]) for side in SIDES}
    reference = np.concatenate([values["again"], values["known"]])
    mine_spread, spread = (_spread(side) for side in (values["mine"], reference))
    name = f"{label}: spread of the singular values"
    shown = float(mine_spread.mean()), float(spread.mean())
    if spread.max() < ORTHOGONAL_RTOL and mine_spread.min() > APART_RTOL:
        yield Exact(name, *shown, "the reference's matrix is orthogonal, mine is not")
    if mine_spread.max() < ORTHOGONAL_RTOL and spread.min() > APART_RTOL:
        yield Exact(name, *shown, "mine is orthogonal, the reference's matrix is not")
    if max(spread.max(), mine_spread.max()) < ORTHOGONAL_RTOL:
        gains = float(values["mine"].mean()), float(reference.mean())
        yield from _gain(label, *gains)


def _length(label: str, layer: Layer) -> Iterator[Exact]:
    """Compare the length of a single row or column that the reference scales to a fixed length."""
    values = {side: _singular_values(layer[side])[:, 0] for side in SIDES}
    reference = np.concatenate([values["again"], values["known"]])
    if np.ptp(reference) <= SAME_RTOL * reference.max():
        other = values["mine"][np.abs(values["mine"] - reference.mean()).argmax()]
        yield from _gain(label, float(other), float(reference.mean()))


def _gain(label: str, mine: float, reference: float) -> Iterator[Exact]:
    if abs(mine - reference) > APART_RTOL * abs(reference):
        reason = "the reference's matrix is orthogonal, with another gain"
        yield Exact(f"{label}: gain of the orthogonal matrix", mine, reference, reason)


def _singular_values(matrices: FloatArray) -> FloatArray:
    return np.asarray(
        np.linalg.svd(matrices.reshape(*matrices.shape[:2], -1), compute_uv=False), np.float64
    )


def _spread(values: FloatArray) -> FloatArray:
    """Return (largest - smallest) / mean singular value of each seed: (n_seeds,)."""
    mean = values.mean(axis=1)
    return np.asarray(np.ptp(values, axis=1) / np.where(mean > 0.0, mean, 1.0))


def _copies(layers: Layers) -> Iterator[Exact]:
    """Compare which random layers of one network start as copies of one another."""
    drawn = [(label, layer) for label, layer in layers.items() if not _is_fixed(layer)]
    for (a, one), (b, other) in combinations(drawn, 2):
        if one["known"].shape != other["known"].shape or one["known"][0].size < 2:
            continue
        mine, again, known = (
            np.mean([np.array_equal(x, y) for x, y in zip(one[side], other[side], strict=True)])
            for side in SIDES
        )
        if {mine, again, known} <= {0.0, 1.0} and again == known != mine:
            who = "mine" if mine else "the reference"
            reason = f"only in {who} do the two start as copies of one another"
            yield Exact(f"{a} and {b}: equal at the start", float(mine), float(known), reason)
