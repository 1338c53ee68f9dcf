"""Whole runs under the reference's draws: the clean side stays, planted ones depart with lines."""

from pathlib import Path

import pytest

from harness.records import EnvPlan, SideSpec
from harness.segments.scenario import scenarios
from harness.segments.twin_run import TwinTask, run_twin
from harness.spec.references import find_reference

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "my_impls/dqn.py").read_text()
# Real capacity and a late end of exploration: what the short scenarios do not reach.
HYPERPARAMETERS = {
    **scenarios()["dqn"][0].call().hyperparameters,
    "learning_rate": 0.002,
    "buffer_size": 400,
    "learning_starts": 60,
    "train_freq": 4,
    "gradient_steps": 1,
    "exploration_fraction": 0.9,
    "max_grad_norm": 2.0,
}
PLAN = EnvPlan("probes/Exposing-v0", "", 900, 1, HYPERPARAMETERS, {})


def twin(source, folder):
    file = folder / "mine.py"
    file.write_text(source)
    mine = SideSpec("mine.py:side", str(file), None, "side", None, "")
    return run_twin(TwinTask("dqn", mine, find_reference("sb3", algo="dqn"), PLAN, 0), jobs=2)


def planted(old, new):
    assert SOURCE.count(old) == 1
    return SOURCE.replace(old, new)


def test_clean_side_stays_inside_over_the_whole_run(tmp_path):
    row = twin(SOURCE, tmp_path)
    assert (row.status, row.detail, row.segments) == ("inside", "", ())
    assert (row.env_steps, row.updates) == (900, 210)
    assert row.n_quantities >= 12
    assert max(distance for _, distance, _ in row.course) < 1e-6


def test_harmless_rounding_stays_inside(tmp_path):
    row = twin(planted("progress=0.0))", "progress=0.0), fused=True)"), tmp_path)
    assert row.status == "inside"


@pytest.mark.parametrize(
    ("old", "new", "component", "words"),
    [
        (
            "i = self.n_stored % self.capacity",
            "i = self.n_stored % (self.capacity if self.n_stored < 500 else 390)",
            "replay-buffer",
            "self.n_stored % (self.capacity",
        ),
        (
            '(1 - batch["terminated"]) * max_q_hat',
            '(1 - batch["terminated"] * float(self.D.n_stored < 600)) * max_q_hat',
            "bootstrapping-termination",
            "n_stored < 600",
        ),
    ],
)
def test_mistake_that_acts_late_departs_late_and_its_line_is_named(
    old, new, component, words, tmp_path
):
    row = twin(planted(old, new), tmp_path)
    assert row.status == "departed"
    assert row.env_step > 400
    assert component in {segment.component for segment in row.segments[:1]}
    lines = [place for segment in row.segments for place in segment.mine_lines]
    source = (tmp_path / "mine.py").read_text().splitlines()
    covered = {n for place in lines for n in _numbers(place)}
    assert any(words in source[n - 1] for n in covered)


def test_side_that_raises_is_not_run_and_says_why(tmp_path):
    row = twin(planted("        loss.backward()", "        loss.nothing()"), tmp_path)
    assert row.status == "not run"
    assert row.is_invalid
    assert "mine raised" in row.detail
    assert "nothing" in row.detail


def _numbers(place):
    first, _, last = place.rpartition(":")[2].partition("-")
    return range(int(first), int(last or first) + 1)
