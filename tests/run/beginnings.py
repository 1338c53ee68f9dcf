"""What the tests of the pre-flight share: begun runs of the sides of this project, and tables."""

import functools
from pathlib import Path

from harness.localise import compare_facts
from harness.probes.registry import register
from harness.records import RunSpec, SideSpec
from harness.run.preflight_child import begin
from harness.spec.cards import card
from tests.baselines import (
    test_sb3_a2c,
    test_sb3_dqn,
    test_sb3_ppo,
    test_sb3_sac,
    test_sb3_td3,
)
from tests.foreign import planting

register()

ROOT = Path(__file__).parents[2]
FOREIGN = ROOT / "tests" / "foreign"
SB3 = {
    "a2c": test_sb3_a2c.SIDE,
    "dqn": test_sb3_dqn.SIDE,
    "ppo": test_sb3_ppo.SIDE,
    "sac": test_sb3_sac.SIDE,
    **test_sb3_td3.SIDE,
}
HYPERPARAMETERS = {
    "a2c": {**test_sb3_a2c.EXPOSING, "optimizer_class": "RMSpropTFLike"},
    "dqn": planting.HYPERPARAMETERS,
    "ppo": test_sb3_ppo.EXPOSING,
    "sac": {**test_sb3_sac.EXPOSING, "net_arch": [16, 12]},
    **test_sb3_td3.EXPOSING,
}
ENV = {
    "a2c": ("Pendulum-v1", 2),
    "dqn": ("CartPole-v1", 1),
    "ppo": ("Pendulum-v1", 2),
    "sac": ("Pendulum-v1", 1),
    **dict.fromkeys(test_sb3_td3.ALGOS, ("Pendulum-v1", 1)),
}


def a_run(algo, side, *, seed=0, **changes):
    env_id, n_envs = ENV[algo]
    hyperparameters = {**HYPERPARAMETERS[algo], **changes}
    return RunSpec(
        key="k", side=side, algo=algo, env_id=env_id, seed=seed, total_timesteps=330,
        n_envs=n_envs, hyperparameters=hyperparameters, device="cpu", fingerprint={},
        taps=card(algo).tap_clocks,
    )  # fmt: skip


def side_of(path):
    return SideSpec(f"{path.name}:side", str(path), None, "side", None, "")


def planted(algo, folder, *changes):
    """Return a copy of the project's own implementation in which every text was replaced."""
    text = (ROOT / "my_impls" / f"{algo}.py").read_text()
    for old, new in changes:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    path = folder / f"{algo}.py"
    path.write_text(text)
    return side_of(path)


def written(folder, text):
    path = folder / "mine.py"
    path.write_text(text)
    return side_of(path)


def facts_of(run):
    answer = begin(run)
    assert answer["outcome"] == "done", answer
    return answer["facts"]


@functools.cache
def reference(algo):
    return {seed: facts_of(a_run(algo, SB3[algo], seed=seed)) for seed in (0, 1)}


def differing(algo, side):
    """Return name -> row of what differs, of the facts that both sides show."""
    rows = compare_facts({0: facts_of(a_run(algo, side))}, reference(algo), env_id=ENV[algo][0])
    seen = [row for row in rows if "not observed" not in (row.mine, row.reference)]
    return {row.name: row for row in seen if not row.is_equal}
