"""Stored comparisons made of synthetic traces: input for benchmarks and tests of judging.

Nothing is trained. Each metric is a smooth trend plus AR(1) noise plus an offset per run: how
learning curves and metric traces look to the statistics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.judge import Gathered, RunId
from harness.pipeline import comparison_document
from harness.records import (
    ROLES,
    ComparisonSpec,
    EnvPlan,
    Episodes,
    Json,
    Margin,
    RunSpec,
    Series,
    SideSpec,
    Trace,
)
from harness.spec.metrics import metrics_of
from harness.store.store import Store
from harness.store.trace import TraceWriter

AUTOCORRELATION = 0.8
ENV_STEPS_PER_POINT = 100


def side(name: str) -> SideSpec:
    """Return a side that stands for a file which is never loaded."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return SideSpec(name, f"/nowhere/{name}.py", None, "side", None, digest)


def comparison(
    *, n_seeds: int, n_points: int, env_ids: tuple[str, ...] = ("CartPole-v1",), alpha: float = 0.05
) -> ComparisonSpec:
    """Return a comparison with one look at n_seeds per side."""
    total = n_points * ENV_STEPS_PER_POINT
    envs = tuple(EnvPlan(env_id, "easy", total, 1, {"gamma": 0.99}, {}) for env_id in env_ids)
    return ComparisonSpec(
        algo="dqn",
        envs=envs,
        mine=side("mine"),
        reference=side("reference"),
        looks=(n_seeds,),
        seeds=tuple(range(n_seeds)),
        alpha=alpha,
        margin=Margin(1.0),
        budget="synthetic",
    )


def store_comparison(
    spec: ComparisonSpec,
    results: Path,
    *,
    n_metrics: int,
    rng: np.random.Generator,
    shift: Mapping[str, float] | None = None,
    facts: Mapping[str, Mapping[str, Json]] | None = None,
) -> Path:
    """Write a synthetic run for every seed and side; returns the folder of the comparison.

    Args:
        n_metrics: traced metrics per run, beside the episodes.
        shift: metric -> what is added on mine, in standard deviations of its noise.
        facts: role -> facts of every run of that side.
    """
    store = Store(results)
    store.prepare(min_free_bytes=0)
    names = [name for name, row in metrics_of(spec.algo).items() if row.is_tested][:n_metrics]
    records = {}
    for env in spec.envs:
        for role in ROLES:
            for seed in spec.seeds:
                run = run_spec(spec, env, role=role, seed=seed)
                work = store.new_work_dir(run)
                offsets = (shift or {}) if role == "mine" else {}
                _write_trace(
                    TraceWriter(work),
                    run,
                    names=names,
                    rng=rng,
                    shift=offsets,
                    facts=(facts or {}).get(role, {}),
                )
                records[RunId(role, env.env_id, seed)] = store.publish(work, run)
    folder = store.comparison_dir("synthetic")
    store.write_comparison(folder, comparison_document(spec, Gathered(records, {})))
    return folder


def run_spec(spec: ComparisonSpec, env: EnvPlan, *, role: str, seed: int) -> RunSpec:
    """Return a run whose key depends on its place in the comparison only."""
    text = f"{role}|{env.env_id}|{seed}|{env.total_timesteps}"
    return RunSpec(
        key=hashlib.sha256(text.encode()).hexdigest(),
        side=spec.mine if role == "mine" else spec.reference,
        algo=spec.algo,
        env_id=env.env_id,
        seed=seed,
        total_timesteps=env.total_timesteps,
        n_envs=1,
        hyperparameters=env.hyperparameters,
        device="cpu",
        fingerprint={},
        taps={},
    )


def synthetic_trace(
    run: RunSpec,
    *,
    n_metrics: int,
    rng: np.random.Generator,
    shift: Mapping[str, float] | None = None,
) -> Trace:
    """Return the trace of one run, in memory: what `store_comparison` writes, without facts."""
    names = [name for name, row in metrics_of(run.algo).items() if row.is_tested][:n_metrics]
    n_points = run.total_timesteps // ENV_STEPS_PER_POINT
    env_steps = np.arange(1, n_points + 1, dtype=np.int64) * ENV_STEPS_PER_POINT
    columns = {
        name: _curve(n_points, rng) + (shift or {}).get(name, 0.0)
        for name in ("episode_return", *names)
    }
    episodes = Episodes(
        end_env_step=env_steps,
        returns=columns.pop("episode_return"),
        lengths=np.full(n_points, ENV_STEPS_PER_POINT, dtype=np.int64),
        terminated=np.ones(n_points, dtype=bool),
        truncated=np.zeros(n_points, dtype=bool),
        env_index=np.zeros(n_points, dtype=np.int64),
    )
    metrics = {name: Series(env_steps, values) for name, values in columns.items()}
    return Trace(episodes, metrics, {}, {})


def _write_trace(
    writer: TraceWriter,
    run: RunSpec,
    *,
    names: list[str],
    rng: np.random.Generator,
    shift: Mapping[str, float],
    facts: Mapping[str, Json],
) -> None:
    n_points = run.total_timesteps // ENV_STEPS_PER_POINT
    returns = _curve(n_points, rng) + shift.get("episode_return", 0.0)
    values = {name: _curve(n_points, rng) + shift.get(name, 0.0) for name in names}
    for point in range(n_points):
        env_step = (point + 1) * ENV_STEPS_PER_POINT
        writer.episode(
            end_env_step=env_step,
            episode_return=float(returns[point]),
            length=ENV_STEPS_PER_POINT,
            terminated=True,
            truncated=False,
        )
        writer.metrics(env_step, {name: float(column[point]) for name, column in values.items()})
    writer.finish(
        facts={"env_steps": run.total_timesteps, **facts},
        provenance={"synthetic": True},
        env_steps=run.total_timesteps,
        updates=n_points,
        first_non_finite=None,
    )


def _curve(n_points: int, rng: np.random.Generator) -> np.ndarray:
    """Return trend + offset + AR(1) noise: (n_points,), noise of unit variance."""
    noise = np.empty(n_points)
    noise[0] = rng.standard_normal()
    innovations = rng.standard_normal(n_points) * np.sqrt(1 - AUTOCORRELATION**2)
    for point in range(1, n_points):
        noise[point] = AUTOCORRELATION * noise[point - 1] + innovations[point]
    return np.linspace(0.0, 5.0, n_points) + rng.standard_normal() + noise
