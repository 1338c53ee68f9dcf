"""Simulated sources of random draws: the reference's three draws and a mine that errs, or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from harness.stats.draws_record import DrawKind, DrawRecord

Rng = np.random.Generator
Array = np.ndarray
Draw = Callable[[Rng, int], list[Array]]  # one array per event

N_ACTIONS = 4
BATCH = 32
ROLLOUT = 256
LAYERS = {"body.0.weight": (64, 4), "body.2.weight": (64, 64), "head.weight": (2, 64)}


def record(
    source: str,
    kind: DrawKind,
    draws: tuple[Draw, Draw],
    *,
    rng: Rng,
    n: int,
    **fields: tuple[int, ...] | tuple[str, ...],
) -> DrawRecord:
    """Return a record of n events: draws of mine, and twice of the reference."""
    mine, again, known = (tuple(draw(rng, n)) for draw in (draws[0], draws[1], draws[1]))
    return DrawRecord(source, kind, mine, again, known, **fields)  # type: ignore[arg-type]


# Discrete actions: mostly greedy, the greedy action changes from state to state.


def epsilon_greedy(
    rng: Rng, n: int, *, epsilon: float = 0.3, extra: float = 0.0, n_envs: int = 1
) -> list[Array]:
    """Return epsilon-greedy actions; `extra` is added to the chance of action 0."""
    greedy = (np.arange(n)[:, None] // 7 + np.arange(n_envs)) % N_ACTIONS
    uniform = rng.integers(N_ACTIONS, size=(n, n_envs))
    actions = np.where(rng.random((n, n_envs)) < epsilon, uniform, greedy)
    return list(np.where(rng.random((n, n_envs)) < extra, 0, actions))


def gumbel(rng: Rng, n: int, *, sign: float = 1.0) -> list[Array]:
    """Return samples of a softmax policy (0.7, 0.2, 0.1) by the Gumbel trick."""
    logits = np.log([0.7, 0.2, 0.1])
    return list(np.argmax(logits + sign * rng.gumbel(size=(n, 1, 3)), axis=2))


def sticky(rng: Rng, n: int, *, stay: float) -> list[Array]:
    """Return uniform actions that repeat the one before with a chance of `stay`."""
    actions = rng.integers(N_ACTIONS, size=n)
    stays = rng.random(n) < stay
    for i in range(1, n):
        if stays[i]:
            actions[i] = actions[i - 1]
    return list(actions)


# Continuous actions and noises.


def gaussian_policy(
    rng: Rng, n: int, *, sd: float = 0.5, shift: float = 0.0, rho: float = 0.0
) -> list[Array]:
    """Return two-dimensional Gaussian actions around a mean that moves from state to state."""
    mean = np.stack([np.sin(np.arange(n) / 20.0), np.cos(np.arange(n) / 30.0)], axis=1)
    noise = rng.normal(size=(n, 2))
    noise[:, 1] = rho * noise[:, 0] + np.sqrt(1.0 - rho**2) * noise[:, 1]
    return list((mean + shift + sd * noise)[:, None, :])


def white_noise(
    rng: Rng,
    n: int,
    *,
    sd: float = 1.0,
    rows: int = BATCH,
    dimensions: int = 2,
    law: str = "normal",
) -> list[Array]:
    """Return minibatches of independent noise of mean 0 and standard deviation `sd`."""
    shape = (n, rows, dimensions)
    if law == "uniform":
        return list(sd * np.sqrt(3.0) * rng.uniform(-1.0, 1.0, shape))
    return list(sd * rng.normal(size=shape))


def broadcast_noise(rng: Rng, n: int, *, axis: int) -> list[Array]:
    """Return noise drawn once for all rows (axis 1) or dimensions (axis 2) of a minibatch."""
    shape = [n, BATCH, 2]
    shape[axis] = 1
    return list(np.broadcast_to(rng.normal(size=shape), (n, BATCH, 2)))


def ornstein_uhlenbeck(
    rng: Rng, n: int, *, episode: int = 20, is_reset: bool = True, scale: float = 1.0
) -> list[Array]:
    """Return Ornstein-Uhlenbeck noise that keeps a state of its own (theta 0.15, sigma 0.2)."""
    steps = 0.2 * scale * rng.normal(size=(n, 2))
    state, values = np.zeros(2), []
    for i in range(n):
        state = np.zeros(2) if is_reset and i % episode == 0 else state
        state = 0.85 * state + steps[i]
        values.append(state.copy())
    return values


def episodes(n: int, *, episode: int = 20) -> tuple[int, ...]:
    """Return the episode of each event."""
    return tuple(i // episode for i in range(n))


# Replay indices: the buffer grows by one row per event.


def capacities(n: int) -> tuple[int, ...]:
    """Return the rows stored at each event."""
    return tuple(range(100, 100 + n))


def uniform_rows(
    rng: Rng, n: int, *, share: float = 1.0, lacks_newest: bool = False, is_distinct: bool = False
) -> list[Array]:
    """Return minibatches of uniform indices, or with the mistake that an argument names."""
    rows = []
    for capacity in capacities(n):
        high = int(share * capacity) - int(lacks_newest)
        if is_distinct:
            rows.append(rng.choice(high, BATCH, replace=False))
        else:
            rows.append(rng.integers(high, size=BATCH))
    return rows


def consecutive_rows(rng: Rng, n: int) -> list[Array]:
    """Return minibatches of neighbouring rows."""
    return [rng.integers(c - BATCH + 1) + np.arange(BATCH) for c in capacities(n)]


# Orders of a rollout: n events are minibatches, ROLLOUT // BATCH of them make an epoch.


def epoch_numbers(n: int) -> tuple[int, ...]:
    """Return the epoch of each minibatch."""
    return tuple(i // (ROLLOUT // BATCH) for i in range(n))


def orders(rng: Rng, n: int, *, how: str = "shuffled", epochs_per_rollout: int = 1) -> list[Array]:
    """Return minibatches that go through permutations of a rollout.

    Args:
        how: "shuffled", "sorted", "blocks" (shuffled minibatches of neighbouring rows), "halves"
            (the first half of the rows before the second), "replaced" (drawn with replacement).
        epochs_per_rollout: epochs that use the same permutation.
    """
    minibatches: list[Array] = []
    per_epoch = ROLLOUT // BATCH
    while len(minibatches) < n:
        order = _order(rng, how)
        for _ in range(epochs_per_rollout):
            minibatches += list(order.reshape(per_epoch, BATCH))
    return minibatches[:n]


def _order(rng: Rng, how: str) -> Array:
    rows = np.arange(ROLLOUT)
    if how == "sorted":
        return rows
    if how == "blocks":
        return rng.permutation(rows.reshape(-1, BATCH)).reshape(-1)
    if how == "halves":
        return np.concatenate([rng.permutation(half) for half in np.split(rows, 2)])
    if how == "replaced":
        return rng.integers(ROLLOUT, size=ROLLOUT)
    return rng.permutation(rows)


# Initial weights: n is the number of seeds.


def labels(n: int) -> tuple[str, ...]:
    """Return the parameter of each event."""
    return tuple(LAYERS) * n


def weights(rng: Rng, n: int, *, init: str = "kaiming", gain: float = 1.0) -> list[Array]:
    """Return the layers of n networks: uniform as PyTorch's default, normal, or orthogonal."""
    drawn = {"kaiming": _uniform, "normal": _normal, "orthogonal": _orthogonal}[init]
    return [
        (gain * drawn(rng, shape)).astype(np.float32) for _ in range(n) for shape in LAYERS.values()
    ]


def _uniform(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.uniform(-1.0, 1.0, shape) / np.sqrt(shape[1])


def _normal(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.normal(size=shape) / np.sqrt(3.0 * shape[1])


def _orthogonal(rng: Rng, shape: tuple[int, int]) -> Array:
    tall = max(shape), min(shape)
    q, r = np.linalg.qr(rng.normal(size=tall))
    q *= np.sign(np.diag(r))
    return q if shape[0] >= shape[1] else q.T


# One function per kind of source: what a mistake, or none, does to a record of n events.


def actions(rng: Rng, n: int, draw: Draw = epsilon_greedy, truth: Draw | None = None) -> DrawRecord:
    """Return a record of discrete actions."""
    return record("action", "categorical", (draw, truth or epsilon_greedy), rng=rng, n=n)


def boxes(rng: Rng, n: int, draw: Draw = gaussian_policy) -> DrawRecord:
    """Return a record of continuous actions."""
    groups = episodes(n)
    return record("action", "continuous", (draw, gaussian_policy), rng=rng, n=n, groups=groups)


def noises(rng: Rng, n: int, draw: Draw = white_noise) -> DrawRecord:
    """Return a record of minibatches of policy noise."""
    return record("policy_noise", "noise", (draw, white_noise), rng=rng, n=n)


def ou_noises(rng: Rng, n: int, draw: Draw = ornstein_uhlenbeck) -> DrawRecord:
    """Return a record of Ornstein-Uhlenbeck exploration noise in episodes of 20 steps."""
    draws, groups = (draw, ornstein_uhlenbeck), episodes(n)
    return record("explore_noise", "noise", draws, rng=rng, n=n, groups=groups)


def replays(rng: Rng, n: int, draw: Draw = uniform_rows) -> DrawRecord:
    """Return a record of replay indices."""
    draws, capacity = (draw, uniform_rows), capacities(n)
    return record("rows", "indices", draws, rng=rng, n=n, capacity=capacity)


def permutations(rng: Rng, n: int, draw: Draw = orders) -> DrawRecord:
    """Return a record of minibatch orders."""
    draws, groups = (draw, orders), epoch_numbers(n)
    capacity = (ROLLOUT,) * n
    return record("rows", "permutation", draws, rng=rng, n=n, groups=groups, capacity=capacity)


def networks(rng: Rng, n: int, draw: Draw = weights, truth: Draw | None = None) -> DrawRecord:
    """Return a record of the initial weights of n seeds."""
    draws, names = (draw, truth or weights), labels(n)
    return record("q_net", "weights", draws, rng=rng, n=n, labels=names)


Source = Callable[[Rng, int], DrawRecord]

NULLS: dict[str, Source] = {
    "discrete actions": actions,
    "continuous actions": boxes,
    "minibatches of noise": noises,
    "Ornstein-Uhlenbeck noise": ou_noises,
    "replay indices": replays,
    "minibatch orders": permutations,
    "weights, uniform": networks,
    "weights, orthogonal": partial(
        networks,
        draw=partial(weights, init="orthogonal"),
        truth=partial(weights, init="orthogonal"),
    ),
}
