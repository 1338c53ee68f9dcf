"""How long planned runs will take: measured on stored runs of the same kind, else from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from harness.records import RunRecord, RunSpec

# (algo, env_id) -> env steps per second of one run on one core.
Speed = Callable[[str, str], float]


def measured_speed(records: Iterable[RunRecord], otherwise: Speed) -> Speed:
    """Return the median speed of stored runs per (algo, env), and `otherwise` where none is stored.

    Args:
        records: stored runs; those without wall time or env steps are skipped.
    """
    speeds: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if record.wall_time_s > 0 and record.env_steps > 0:
            kind = (record.spec.algo, record.spec.env_id)
            speeds.setdefault(kind, []).append(record.env_steps / record.wall_time_s)
    medians = {kind: median(values) for kind, values in speeds.items()}
    return lambda algo, env_id: medians.get((algo, env_id)) or otherwise(algo, env_id)


def run_time_s(run: RunSpec, speed: Speed) -> float:
    """Return the seconds that one run takes on one core at the given speed."""
    return run.total_timesteps / speed(run.algo, run.env_id)


def total_time_s(times_s: Iterable[float], *, jobs: int) -> float:
    """Return the seconds until the last run ends, with `jobs` side by side, begun in order.

    >>> total_time_s([3.0, 1.0, 1.0], jobs=2)
    3.0
    """
    ends = [0.0] * jobs
    for time_s in times_s:
        ends[ends.index(min(ends))] += time_s
    return max(ends)
