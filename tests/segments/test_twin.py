"""Whole runs under the reference's draws: the clean side stays, planted ones depart with lines."""

from pathlib import Path

import numpy as np
import pytest

from harness.records import EnvPlan, SideSpec
from harness.segments.distances import regret
from harness.segments.names import GREEDY
from harness.segments.play import play
from harness.segments.runtime import Policy
from harness.segments.scenario import scenarios
from harness.segments.twin_run import TwinTask, run_twin
from harness.spec.references import find_reference
from tests.bugs.recorded import asked

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

# The bands, measured once: they do not depend on mine.
KEPT: dict[str, object] = {}


def twin(source, folder):
    file = folder / "mine.py"
    file.write_text(source)
    mine = SideSpec("mine.py:side", str(file), None, "side", None, "")
    task = TwinTask("dqn", mine, find_reference("sb3", algo="dqn"), PLAN, 0)
    found = run_twin(task, jobs=2, bands=KEPT.get("bands"))
    KEPT["bands"] = found.bands or None
    return found.row


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


def test_actions_of_its_own_that_are_greedy_too_rarely_depart(tmp_path):
    late = "epsilon if self.D.n_stored < 300 else 0.9"
    row = twin(planted("self.rng.random() < epsilon", f"self.rng.random() < ({late})"), tmp_path)
    assert (row.status, row.quantity, row.component) == ("departed", "greedy_action", "exploration")
    assert row.env_step > 300
    assert row.mine_place.startswith("./mine.py:")


def test_regret_counts_what_the_greedy_action_of_mine_is_worth_to_the_reference():
    known = np.array([[1.0, 3.0], [2.0, 2.0]])
    assert regret(np.array([[0.0, 9.0], [5.0, 4.0]]), known) == 0.0
    assert regret(np.array([[9.0, 0.0], [5.0, 4.0]]), known) == 2.0
    assert regret(np.array([[1.0, 3.0, 0.0]]), known) == np.inf


def test_module_that_chooses_actions_is_asked_without_a_trace(tmp_path):
    plays = [
        play(
            asked("dqn"),
            scenarios()["dqn"][0].call(),
            policy=Policy(is_light=light),
        )
        for light in (True, False)
    ]
    greedy, plain = (one.tape for one in plays)
    assert greedy.count(GREEDY) == greedy.count("action") > 0
    assert plain.count(GREEDY) == 0
    for name in ("action", "rows", "loss"):
        pairs = zip(greedy.of(name).values(), plain.of(name).values(), strict=True)
        assert all(np.array_equal(a.arrays[""], b.arrays[""]) for a, b in pairs)


def test_side_that_raises_is_not_run_and_says_why(tmp_path):
    row = twin(planted("        loss.backward()", "        loss.nothing()"), tmp_path)
    assert row.status == "not run"
    assert row.is_invalid
    assert "mine raised" in row.detail
    assert "nothing" in row.detail


def _numbers(place):
    first, _, last = place.rpartition(":")[2].partition("-")
    return range(int(first), int(last or first) + 1)
