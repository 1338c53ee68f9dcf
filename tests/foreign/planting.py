"""What the tests of foreign sides share: watched runs, and copies with one line changed."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.localise import (
    Compared,
    Subject,
    check_sanity,
    compare_facts,
    differing_sanity,
    find_divergences,
)
from harness.localise.places import SidePlaces
from harness.records import Episodes, Series, SideSpec, Trace
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call
from tests.baselines.test_sb3_dqn import SIDE, TAPS
from tests.run.observing import MemoryWriter, a_run

FOLDER = Path(__file__).parent
SEEDS = (0, 1)
TOTAL_TIMESTEPS = 330  # not a whole number of rounds of 16
HYPERPARAMETERS = {
    "learning_rate": 0.01,
    "buffer_size": 150,
    "learning_starts": 60,
    "batch_size": 8,
    "tau": 1.0,
    "gamma": 0.99,
    "train_freq": 16,
    "gradient_steps": 4,
    "target_update_interval": 24,
    "exploration_fraction": 0.5,
    "exploration_initial_eps": 1.0,
    "exploration_final_eps": 0.05,
    "max_grad_norm": 0.5,
    "net_arch": [16],
}


def side_of(file):
    return SideSpec(f"{Path(file).name}:side", str(file), None, "side", None, "")


def planted(base, folder, *changes):
    """Return the path of a copy of `base` in which every (old, new) text was replaced."""
    source = FOLDER / base
    copied = folder / source.parent.name
    shutil.copytree(source.parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for old, new in changes:
        holders = [f for f in copied.glob("*.py") if old in f.read_text()]
        if source.parent == FOLDER:
            holders = [copied / source.name]
        (holder,) = holders
        text = holder.read_text()
        assert text.count(old) == 1
        holder.write_text(text.replace(old, new))
    return copied / source.name


def trained(side, *, env_id="CartPole-v1", seeds=SEEDS[:1]):
    """Train once per seed, watched; return seed -> Trace."""
    traces = {}
    for seed in seeds:
        writer = MemoryWriter()
        run = replace(a_run(TOTAL_TIMESTEPS, env_id=env_id, taps=TAPS, seed=seed), side=side)
        with Observation(run, writer) as observation:
            load_side(side)(Call("dqn", env_id, seed, TOTAL_TIMESTEPS, 1, HYPERPARAMETERS))
        assert observation.unobserved_reason() is None
        traces[seed] = Trace(_episodes(writer), _series(writer), observation.facts(), {})
    return traces


@functools.cache
def reference():
    return trained(SIDE, seeds=SEEDS)


def compared(mine):
    """Return (fact rows, findings of facts and sanity checks) of CartPole traces against SB3's."""
    sides = {"mine": mine, "reference": reference()}
    facts = [{seed: trace.facts for seed, trace in side.items()} for side in sides.values()]
    rows = compare_facts(*facts, env_id="CartPole-v1")
    checks = [
        row
        for role, side in sides.items()
        for row in check_sanity(
            [Subject(t, HYPERPARAMETERS, "easy", TOTAL_TIMESTEPS) for t in side.values()],
            role=role,
            env_id="CartPole-v1",
        )
    ]
    places = SidePlaces("entry", mine[SEEDS[0]].facts["sites"])
    compared = Compared(("CartPole-v1",), facts=rows, sanity=differing_sanity(checks))
    findings = find_divergences(compared, (places, SidePlaces()))
    return {row.name: row for row in rows}, findings


def _series(writer):
    names = {name for _, values in writer.lines for name in values}
    pairs = {name: np.array(writer.series(name)) for name in names}
    return {name: Series(p[:, 0].astype(np.int64), p[:, 1]) for name, p in pairs.items()}


def _episodes(writer):
    def column(name, kind):
        return np.array([row[name] for row in writer.episodes], dtype=kind)

    return Episodes(
        column("end_env_step", np.int64),
        column("episode_return", np.float64),
        column("length", np.int64),
        column("terminated", bool),
        column("truncated", bool),
        column("env_index", np.int64),
    )
