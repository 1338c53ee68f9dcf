"""What the tests of the closed forms share: sides trained on a probe, in this process."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.localise.closed_form import last_of
from harness.probes.registry import register
from harness.records import Episodes, RunSpec, Series, SideSpec, Trace
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call
from harness.spec.cards import card
from harness.spec.hyperparameters import check_settings
from harness.spec.references import find_reference
from harness.spec.tiers import budget_row
from tests.run.observing import MemoryWriter

ROOT = Path(__file__).resolve().parents[2]
MINE = {path.stem: path for path in (ROOT / "my_impls").glob("[a-z]*.py")}


def side_of(path):
    return SideSpec(f"{Path(path).name}:side", str(path), None, "side", None, "")


def reference_of(algo):
    return find_reference(None, algo=algo)


def planned(algo, side, env_id, *, seed=0, budget="standard"):
    """Return the run of the table of budgets."""
    known, row = card(algo), budget_row(algo, env_id)
    settings = {**known.defaults, **check_settings(known, row.hyperparameters)}
    return RunSpec(
        key="k", side=side, algo=algo, env_id=env_id, seed=seed,
        total_timesteps=row.total_timesteps[budget], n_envs=row.n_envs,
        hyperparameters=settings, device="cpu", fingerprint={}, taps=known.tap_clocks,
    )  # fmt: skip


def trained(run, *, seed=None):
    """Return the trace of a run, with another seed if one is given."""
    register()
    run = run if seed is None else replace(run, seed=seed)
    writer = MemoryWriter()
    call = Call(
        run.algo, run.env_id, run.seed, run.total_timesteps, run.n_envs, run.hyperparameters
    )
    with Observation(run, writer) as observation:
        load_side(run.side)(call)
    assert observation.unobserved_reason() is None
    names = {name for _, values in writer.lines for name in values}
    pairs = {name: np.array(writer.series(name)) for name in names}
    series = {name: Series(p[:, 0].astype(np.int64), p[:, 1]) for name, p in pairs.items()}
    kinds = {
        "end_env_step": np.int64, "episode_return": np.float64, "length": np.int64,
        "terminated": bool, "truncated": bool, "env_index": np.int64,
    }  # fmt: skip
    columns = (np.array([row[n] for row in writer.episodes], dtype=k) for n, k in kinds.items())
    return Trace(Episodes(*columns), series, observation.facts(), {})


def ends(trace, estimates):
    """Return metric -> median of its last quarter: the estimates' extremes, and the return."""
    names = [f"{tap}.{statistic}" for tap in estimates for statistic in ("min", "max")]
    series = {name: trace.metrics[name].values for name in names}
    series["episode return"] = trace.episodes.returns
    return {name: float(np.median(last_of(values))) for name, values in series.items()}
