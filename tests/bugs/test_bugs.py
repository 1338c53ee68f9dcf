"""Mistakes planted in the clean implementations are named with component and line.

A fast part of `make bench-bugs`: one scenario each, with the reference recorded once. Each
algorithm has a process of its own, as every scenario of a comparison has.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.bugs.catalogue import ALGOS, planted, table
from tests.bugs.recorded import found, lines_changed

# (algorithm, scenario, env steps) -> ids of tests/bugs/*.toml that show there.
WHERE = {
    ("a2c", "continuous", 88): (
        "A2C-05", "own-terminal-bootstrapped", "own-flags-shifted", "own-no-gamma", "A2C-03",
        "own-advantages-biased", "own-returns-raw", "ON-11", "ON-30", "own-one-env-only",
        "own-with-replacement", "own-last-step-twice", "A2C-01c", "A2C-02", "B16", "own-columns",
    ),
    ("a2c", "discrete", 112): (
        "own-paper-lambda", "ON-14", "A2C-01d", "own-rate-constant", "own-step-each-second", "B02",
        "B16b",
    ),
    ("dqn", "base", 222): (
        "OFF-01", "OFF-19", "own-time-limit-terminal", "OFF-03", "OFF-09", "own-ring-short",
        "DQN-17", "own-tanh", "DQN-11", "DQN-08", "own-tau-turned", "DQN-28", "own-rate-constant",
        "own-update-more", "own-exploration-turned", "OFF-06", "own-init-xavier",
        "B02", "B06", "B08", "B19", "own-columns",
    ),
    ("dqn", "image", 60): (
        "own-image-bytes", "own-convolutions-linear", "own-convolutions-transposed",
    ),
    ("ppo", "continuous", 114): (
        "A2C-05", "ON-02", "own-no-lambda", "own-action-unclipped", "PPO-10", "PPO-04", "GEN-13",
        "own-advantages-biased", "own-gain-one", "ON-12", "ON-29", "ON-30",
        "own-kl-limit", "B10", "B16",
    ),
    ("ppo", "discrete", 102): (
        "ON-14", "PPO-08", "own-clip-apart", "PPO-14", "ON-20", "ON-34", "PG-01", "PPO-18", "B09",
    ),
    ("ppo", "normalised", 78): (
        "ON-23", "ON-26", "own-sums-go-on", "own-sums-end-early", "own-scales-ddof",
        "own-scales-after-use", "own-scales-twice", "own-obs-unclipped", "own-reward-unclipped",
        "B-scales-row-by-row", "B-sums-masked",
    ),
    ("a2c", "normalised", 78): ("own-scales-last-too", "own-reward-centred", "B-scales-wide"),
    ("a2c", "multi-binary", 600): ("own-switches-one-draw",),
    ("ppo", "multi-discrete", 400): ("own-choices-order", "own-choices-padded"),
    ("sac", "base", 117): (
        "OFF-01", "SAC-07", "TD3-10", "DDPG-09", "own-temperature-turned", "own-huber",
        "own-one-target-moves", "own-bounds-symmetric", "own-noise-for-all-rows", "SAC-13",
        "GEN-13", "own-action-detached", "SAC-02", "B19", "own-target-with-graph",
    ),
    ("td3", "base", 117): (
        "OFF-01", "OFF-19", "OFF-09", "TD3-02", "TD3-10", "own-noise-unclipped", "own-tau-turned",
        "B19",
    ),
    ("sac", "shaped", 40): ("own-obs-transposed",),
}  # fmt: skip
ROWS = [
    pytest.param(where, row, id=row.name)
    for where, ids in WHERE.items()
    for row in planted(where[0])
    if row.id in ids
]


@pytest.fixture(scope="module")
def ask():
    """A function that asks the process of an algorithm what is found."""
    context = get_context("spawn")
    processes = {algo: ProcessPoolExecutor(1, mp_context=context) for algo in ALGOS}

    def asked(algo, bug, *, scenario, env_steps):
        asking = processes[algo].submit(found, algo, bug, scenario=scenario, env_steps=env_steps)
        return asking.result()

    yield asked
    for process in processes.values():
        process.shutdown()


@pytest.mark.parametrize("where", WHERE, ids=lambda where: "-".join(where[:2]))
def test_clean_implementation_when_replayed_differs_in_nothing(where, ask):
    algo, scenario, env_steps = where
    assert ask(algo, "", scenario=scenario, env_steps=env_steps) == ([], "")


@pytest.mark.parametrize(("where", "row"), ROWS)
def test_planted_change_is_named_with_component_and_line_or_not_at_all(where, row, ask):
    algo, scenario, env_steps = where
    findings, reason = ask(algo, row.id, scenario=scenario, env_steps=env_steps)
    assert reason == ""
    if row.kind == "benign":
        assert findings == []
        return
    level, quantity, component, lines = findings[0]
    assert level == row.level
    assert component in row.components
    assert quantity == (row.tap or quantity)
    assert lines & lines_changed(row)


def test_every_id_of_the_list_is_planted_once():
    listed = [(where[0], one) for where, ids in WHERE.items() for one in ids]
    assert len(listed) == len(set(listed)) == len(ROWS)


@pytest.mark.parametrize("algo", ALGOS)
def test_planted_changes_apply_to_the_clean_file_and_still_compile(algo):
    rows = planted(algo)
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        compile(row.patched(), row.name, "exec")
        assert row.kind in ("bug", "benign", "convention")
        assert row.kind == "benign" or row.component
        assert bool(row.also) == bool(row.why)


@pytest.mark.parametrize("algo", ALGOS)
def test_each_algorithm_has_mistakes_in_most_components(algo):
    bugs = [row for row in planted(algo) if row.kind == "bug"]
    assert len(bugs) >= 25
    assert len({row.component for row in bugs}) >= 15
    assert {row["id"] for row in table(algo)["not_injectable"]}.isdisjoint(r.id for r in bugs)
