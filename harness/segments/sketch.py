"""Large arrays as a few numbers that keep distances: random projections.

The distance of two sketches estimates the distance of the arrays: for signs drawn at random,
E[(s . d)^2] = |d|^2 (Achlioptas 2003, Database-friendly random projections, Lemma 4.1), so the root
mean square over `SIZE` projections is within about 1 / sqrt(2 SIZE) of it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.segments.tape import Array

SIZE = 12
# Arrays up to this many elements are kept as they are.
KEPT_WHOLE = 128


@cache
def _signs(size: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(size)
    signs = rng.integers(0, 2, size=(SIZE, size), dtype=np.int8) * 2 - 1
    return signs.astype(np.float32)


def sketch(array: Array) -> Array:
    """Return the array itself when it is small, else its projections, (SIZE,) float32."""
    if array.size <= KEPT_WHOLE or array.dtype.kind not in "f":
        return array
    flat = array.reshape(-1).astype(np.float32)
    return np.asarray(_signs(flat.size) @ flat)
