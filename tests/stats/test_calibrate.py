import json

import numpy as np
import pytest

from benchmarks.stats import calibrate
from benchmarks.stats.cells import Cell, all_cells

PAGE = f"# Statistics\n{calibrate.MARKERS[0]}\nold\n{calibrate.MARKERS[1]}\nend\n"


def test_calibration_smoke_when_resumed_then_goes_on_and_writes_table(tmp_path):
    docs, results = tmp_path / "statistics.md", tmp_path / "calibration"
    docs.write_text(PAGE)
    arguments = ["--scale", "0.0005", "--results", str(results), "--docs", str(docs)]
    calibrate.main(arguments)
    stored = json.loads((results / "stats.json").read_text())["cells"]
    assert set(stored) == {cell.name for cell in all_cells()}
    assert all(found["trials"] >= 1 for found in stored.values())
    calibrate.main(arguments)
    assert json.loads((results / "stats.json").read_text())["cells"] == stored
    page = docs.read_text()
    assert page.startswith("# Statistics\n")
    assert page.endswith("\nend\n")
    assert "old" not in page
    assert page.count("\n| ") == len(all_cells()) + 1


def test_calibrate_when_split_into_two_calls_then_counts_are_those_of_one():
    def trial(rng):
        return bool(rng.random() < 0.3)

    cell = Cell("kind", "world", 120, trial)
    whole, parts = {}, {}
    while not calibrate.calibrate([cell], whole, scale=1.0, seconds=5.0):
        pass
    calibrate.calibrate([cell], parts, scale=50 / 120, seconds=5.0)
    calibrate.calibrate([cell], parts, scale=1.0, seconds=5.0)
    assert parts == whole
    assert whole[cell.name]["trials"] == 120


def test_calibrate_when_trial_returns_numpy_bool_then_counted():
    counts = {}
    calibrate.calibrate([Cell("k", "w", 3, lambda rng: np.True_)], counts, scale=1.0, seconds=5.0)  # noqa: ARG005
    assert counts["k | w"] == {"events": 3, "counted": 3, "trials": 3}


def test_table_shows_exact_interval_and_what_did_not_count():
    cell = Cell("kind", "world", 10, bool)
    text = calibrate.table([cell], {cell.name: {"events": 5, "counted": 100, "trials": 120}})
    assert "| kind | world | 5.0 % | 1.6 - 11.3 % | 100 of 120 |" in text
    assert "| - | - | 0 of 0 |" in calibrate.table([cell], {})


def test_rewrite_table_when_markers_are_missing_then_refuses(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="must hold each of"):
        calibrate.rewrite_table(page, "table")


def test_cell_names_are_unique():
    names = [cell.name for cell in all_cells()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("shape", ["normal", "skewed", "bimodal"])
def test_worlds_have_the_stated_moments(shape):
    from benchmarks.stats.worlds import Noise, curves, endpoints

    rng = np.random.default_rng(0)
    values = endpoints(rng, 400_000, shape=shape, sd=2.0)
    assert values.mean() == pytest.approx(0.0, abs=0.02)
    assert values.std() == pytest.approx(2.0, rel=0.03)
    assert np.abs(curves(rng, 20_000, noise=Noise(shape)).mean(axis=0)).max() < 0.06
