"""Two mistakes in one copy: which pairs are asked, and what counts as naming both."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.calibrate import pairs
from harness.calibrate.bugs import Planted
from harness.calibrate.plan import Plan
from harness.calibrate.shared import Work

SECTIONS = {"detection": {"budget": "quick", "pairs": 9}}


@pytest.fixture
def at(tmp_path):
    plan = Plan((), 0, 1.0, SECTIONS)
    return Work(plan, tmp_path, tmp_path, 1, lambda _line: None, lambda: False)


@pytest.fixture
def row(tmp_path):
    file = Path(tmp_path / "mine.py")
    file.write_text("x = 1\ny = 1\nz = 1\n")

    def planted(name, old, new):
        return Planted("dqn", file, name, "t", "own", "bug", inside=file, changes=((old, new),))

    return planted


def alone(name, quantity, level="segment"):
    return {"name": f"dqn/{name}", "quantity": quantity, "level": level}


def test_pairs_show_in_different_quantities_and_leave_each_other_a_place(at, row):
    a, b = row("a", "x = 1", "x = 2"), row("b", "y = 1", "y = 2")
    same, clash = row("same", "z = 1", "z = 2"), row("clash", "x = 1\ny = 1", "x = y = 1")
    curve, benign = (
        row("curve", "z = 1", "z = 3"),
        replace(row("no", "z = 1", "z = 4"), kind="benign"),
    )
    shown = [
        alone("a", "loss"), alone("b", "action"), alone("same", "loss"), alone("clash", "rows"),
        alone("curve", "episode_return", "curve"), alone("no", "action"),
    ]  # fmt: skip
    found = pairs.tasks(at, [a, b, same, clash, curve, benign], shown)
    assert {one.name for one in found} == {"dqn/a + b", "dqn/b + same", "dqn/same + clash"}
    together = next(one.arguments[1] for one in found if one.name == "dqn/a + b")
    assert together.patched() == "x = 2\ny = 2\nz = 1\n"
    assert a.inside.read_text() == "x = 1\ny = 1\nz = 1\n"


def test_pair_counts_when_each_mistake_is_named_where_it_shows_alone():
    both = {"named": {"a": True, "b": True}, "reason": ""}
    one = {"named": {"a": True, "c": False}, "reason": ""}
    found = pairs.summary([both, one])
    assert (found["both"]["events"], found["both"]["trials"]) == (1, 2)
    assert found["lacking"] == [{"with": ["a"], "name": "c", "reason": ""}]
