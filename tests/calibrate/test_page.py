"""The page says what was measured, and of what is missing nothing."""

from harness.calibrate import STAGE_NAMES, detected, page_rows
from harness.calibrate.detection import lines_of
from harness.calibrate.page import page
from harness.calibrate.page_words import table
from harness.calibrate.rates import rate
from harness.calibrate.stages import STAGES

ROW = {
    "name": "dqn/one",
    "id": "one",
    "title": "a mistake",
    "algo": "dqn",
    "file": "dqn.py",
    "kind": "bug",
    "severity": "fails",
    "components": ["loss"],
    "verdict": "diverged",
    "levels": {"fact": False, "segment": True},
    "level": "segment",
    "component": "loss",
    "quantity": "loss",
    "is_first": True,
    "is_exact": True,
    "is_among": True,
    "is_inside": True,
    "n_lines": 4,
    "seconds": 10.0,
    "cpu_seconds": 8.0,
    "env_steps": 4_000,
    "seeds": 0,
    "reason": "",
    "code": "c",
}
STATE = {"command": "compare calibrate detection", "day": "2027-01-01", "asked": 3, "answered": 3}


def rows():
    missed = {**ROW, "name": "dqn/two", "id": "two", "severity": "slower"}
    missed |= {"verdict": "inconclusive", "levels": {"fact": False, "segment": False}, "level": ""}
    benign = {**missed, "name": "dqn/three", "kind": "benign"}
    return [ROW, missed, benign]


def test_figures_count_mistakes_and_keep_benign_changes_apart():
    found = detected.summary(rows())
    assert (found["detected"]["events"], found["detected"]["trials"]) == (1, 2)
    assert found["levels"]["segment"]["events"] == 1
    assert found["severity"]["fails"]["found"] == 1
    assert found["severity"]["slower"]["found"] == 0
    assert found["benign"]["events"] == 0
    assert [one["name"] for one in found["missed"]] == ["dqn/two"]
    assert found["misplaced"] == []


def test_page_shows_what_is_measured_and_leaves_out_the_rest():
    found = {name: {} for name in STAGE_NAMES}
    assert "Nothing is measured yet." in page(found)
    found["detection"] = {**STATE, "code_versions": {"c": 3}, **detected.summary(rows())}
    text = page(found)
    assert "## Planted mistakes" in text
    assert "- dqn/two (slower, loss): inconclusive" in text
    assert "## False alarms" not in text
    assert "50.0 % (1 of 2; 1.3 to 98.7 %)" in text


def test_page_of_rows_names_every_change_and_what_was_said_first():
    found = {name: {} for name in STAGE_NAMES}
    assert page_rows.page(found) == ""
    found["detection"] = {**STATE, "code_versions": {"c": 3}, **detected.summary(rows())}
    lacking = [{"with": ["dqn/one"], "name": "dqn/two", "reason": ""}]
    found["pairs"] = {**STATE, "code_versions": {"c": 3}}
    found["pairs"] |= {"both": vars(rate(1, 2)), "lacking": lacking}
    text = page_rows.page(found)
    assert "| dqn/one: a mistake | loss | loss: loss | segment | right | yes | 4 |" in text
    assert "| dqn/two: a mistake | loss | nothing | - | - | - | 4 |" in text
    assert "| dqn/three: a mistake | nothing |" in text
    assert "- dqn/one with dqn/two: the latter is not named" in text


def test_page_says_when_answers_are_missing_or_of_several_versions():
    state = {**STATE, "asked": 9, "code_versions": {"c": 2, "d": 1}}
    found = {name: {} for name in STAGE_NAMES}
    found["detection"] = {**state, **detected.summary(rows())}
    assert "3 of 9 parts answered so far; answers of 2 versions of the code" in page(found)


def test_bar_in_a_cell_stays_in_its_cell():
    assert table(["a"], [["x | y"]]).splitlines()[-1] == "| x \\| y |"


def test_lines_of_places_are_whole_ranges():
    assert lines_of(("mine.py:3-5", "mine.py:9", "entry")) == {3, 4, 5, 9}


def test_every_stage_has_its_name_and_its_place():
    assert tuple(STAGES) == STAGE_NAMES
