"""`compare calibrate` from end to end, small: it measures, resumes, writes the page."""

import json
from pathlib import Path

import pytest

from tests.cli_driver import ask

HERE = Path(__file__).parent
PARTS = ("pool", "false-alarms", "false-parity", "power", "untapped")


@pytest.fixture
def words(tmp_path):
    return (
        *("--plan", str(HERE / "smoke.toml"), "--bugs", str(HERE / "bugs")),
        *("--work", str(tmp_path / "work"), "--output", str(tmp_path / "figures")),
        *("--docs", str(tmp_path / "docs" / "calibration.md")),
    )


def test_calibration_when_run_twice_measures_once_and_writes_the_page(words, tmp_path, capsys):
    first = ask(capsys, "calibrate", *PARTS, "page", *words)
    assert first.code == 0, first.err
    figures = {part: tmp_path / "figures" / f"{part}.json" for part in PARTS[1:]}
    found = {part: json.loads(file.read_text()) for part, file in figures.items()}
    assert found["false-alarms"]["all"]["trials"] == 3
    assert found["false-parity"]["parity"]["trials"] == 4
    assert found["power"]["curves"]
    (group,) = found["untapped"]["severity"].values()
    assert group["bugs"] == group["found"] == group["first"] == 1
    page = (tmp_path / "docs" / "calibration.md").read_text()
    assert "## False alarms" in page
    assert "## Without taps" in page
    assert "## Planted mistakes" not in page  # was not asked for

    second = ask(capsys, "calibrate", *PARTS, *words)
    assert second.code == 0
    assert second.out == ""  # nothing was trained or asked again
    assert {part: json.loads(file.read_text()) for part, file in figures.items()} == found
