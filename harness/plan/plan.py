"""ComparisonSpec -> planned runs, in the order in which evidence is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.plan.identity import env_fingerprint, fingerprint, run_key
from harness.records import ROLES, ComparisonSpec, EnvPlan, Role, RunSpec


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison and the side it belongs to."""

    role: Role
    run: RunSpec


def plan_run(spec: ComparisonSpec, env: EnvPlan, *, role: Role, seed: int) -> RunSpec:
    """Return the run of one side on one environment with one seed, with its key."""
    run = RunSpec(
        key="",
        side=spec.mine if role == "mine" else spec.reference,
        algo=spec.algo,
        env_id=env.env_id,
        seed=seed,
        total_timesteps=env.total_timesteps,
        n_envs=env.n_envs,
        hyperparameters=env.hyperparameters,
        device=spec.device,
        fingerprint={**fingerprint(), **env_fingerprint(env.env_id)},
        taps=spec.taps,
        idle=env.idle,
    )
    return replace(run, key=run_key(run))


def runs_of_look(spec: ComparisonSpec, n_seeds: int) -> tuple[PlannedRun, ...]:
    """Return every run of the first `n_seeds` seeds: env by env, seed by seed, mine first."""
    return tuple(_in_order(spec, n_seeds))


def _in_order(spec: ComparisonSpec, n_seeds: int) -> Iterator[PlannedRun]:
    for env in spec.envs:
        for seed in spec.seeds[:n_seeds]:
            for role in ROLES:
                yield PlannedRun(role, plan_run(spec, env, role=role, seed=seed))
