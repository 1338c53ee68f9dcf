"""A few mistakes planted in the implementations whose reference is sb3-contrib are named.

As `test_bugs.py`: one scenario each, shortened, with the reference recorded once.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.bugs.catalogue import planted
from tests.bugs.recorded import found, lines_changed

pytest.importorskip("sb3_contrib", reason="the reference is pip install 'rl-parity[contrib]'")

# Algorithm -> scenario, env steps.
WHERE = {"qrdqn": ("base", 120), "tqc": ("base", 75), "trpo": ("discrete", 204)}
ROWS = [pytest.param(row, id=row.name) for algo in WHERE for row in planted(algo)]


@pytest.fixture(scope="module")
def ask():
    """A function that asks the process of an algorithm what is found."""
    context = get_context("spawn")
    processes = {algo: ProcessPoolExecutor(1, mp_context=context) for algo in WHERE}

    def asked(algo, bug):
        scenario, env_steps = WHERE[algo]
        asking = processes[algo].submit(found, algo, bug, scenario=scenario, env_steps=env_steps)
        return asking.result()

    yield asked
    for process in processes.values():
        process.shutdown()


@pytest.mark.parametrize("algo", WHERE)
def test_clean_implementation_when_replayed_differs_in_nothing(algo, ask):
    assert ask(algo, "") == ([], "")


@pytest.mark.parametrize("row", ROWS)
def test_planted_change_is_named_with_component_and_line_or_not_at_all(row, ask):
    findings, reason = ask(row.algo, row.id)
    assert reason == ""
    if row.kind == "benign":
        assert findings == []
        return
    level, quantity, component, lines = findings[0]
    assert (level, quantity) == (row.level, row.tap)
    assert component in row.components
    assert lines & lines_changed(row)
