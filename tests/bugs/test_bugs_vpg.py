"""Mistakes planted in REINFORCE are named, as in `test_bugs.py`: one scenario, shortened."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.bugs.catalogue import planted
from tests.bugs.recorded import found, lines_changed

SCENARIO, ENV_STEPS = "discrete", 112


@pytest.fixture(scope="module")
def ask():
    """A function that asks a process of its own: taps of A2C stay in it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield lambda bug: process.submit(
            found, "vpg", bug, scenario=SCENARIO, env_steps=ENV_STEPS
        ).result()


def test_clean_implementation_when_replayed_differs_in_nothing(ask):
    assert ask("") == ([], "")


@pytest.mark.parametrize("row", planted("vpg"), ids=lambda row: row.id)
def test_planted_change_is_named_with_component_and_line_or_not_at_all(row, ask):
    findings, reason = ask(row.id)
    assert reason == ""
    if row.kind == "benign":
        assert findings == []
        return
    level, quantity, component, lines = findings[0]
    assert (level, quantity) == (row.level, row.tap)
    assert component in row.components
    assert lines & lines_changed(row)
