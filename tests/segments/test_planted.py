"""One replay names the faulty stretch: planted bugs and benign twins of my_impls/dqn.py."""

from pathlib import Path

import pytest
import torch

from harness.records import SideSpec
from harness.segments.child import AGAIN_SEED
from harness.segments.compare import Limits, compare_tapes
from harness.segments.exercised import exercised
from harness.segments.noise import floors_of
from harness.segments.play import play
from harness.segments.quantities import quantities_of
from harness.segments.runtime import Policy
from harness.segments.scenario import scenarios
from harness.spec.cards import card
from harness.spec.environments import register_ids

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "my_impls/dqn.py").read_text()
REFERENCE = SideSpec(
    "sb3", None, "baselines.sb3.dqn", "side", str(ROOT / "baselines/sb3/dqn.toml"), ""
)
SCENARIO = scenarios()["dqn"][0]
CALL = SCENARIO.call()

# name: what is replaced, by what, the first segment that must fail, its component.
BUGS = {
    "wrong gamma": (
        'batch["discounts"] * (1',
        "0.99 * (1",
        "td_target",
        "bootstrapping-termination",
    ),
    "no terminal mask": (
        '(1 - batch["terminated"]) * max_q_hat',
        "max_q_hat",
        "td_target",
        "bootstrapping-termination",
    ),
    "online network in the target": (
        "max_q_hat = self.Q_hat(",
        "max_q_hat = self.Q(",
        "td_target",
        "bootstrapping-termination",
    ),
    "squared loss": ("F.smooth_l1_loss(q, y)", "F.mse_loss(q, y)", "loss", "loss"),
    "wrong Adam epsilon": (
        "progress=0.0))",
        "progress=0.0), eps=1e-5)",
        "q_net_step",
        "gradient-optimiser",
    ),
    "no gradient clip": (
        "        nn.utils.clip_grad_norm_(self.Q.parameters(), self.h.max_grad_norm)\n",
        "",
        "q_net_grad",
        "gradient-optimiser",
    ),
    "late target": (
        "% h.target_update_interval == 0",
        "% (h.target_update_interval + 1) == 0",
        "target_net_params",
        "target-network",
    ),
    "epsilon over the whole run": (
        "fall * progress / h.exploration_fraction",
        "fall * progress",
        "epsilon",
        "exploration",
    ),
    "time limit stored as terminal": (
        '"terminated": terminated,\n        }\n        self.D',
        '"terminated": terminated or truncated,\n        }\n        self.D',
        "transition",
        "bootstrapping-termination",
    ),
    "one update too many": (
        "h.gradient_steps if",
        "h.gradient_steps + 1 if",
        "q_net_updates",
        "update-schedule",
    ),
    "target never copied at first": (
        "        self.Q_hat.load_state_dict(self.Q.state_dict())\n",
        "",
        "target_net",
        "target-network",
    ),
}
TWINS = {
    "foreach off": ("progress=0.0))", "progress=0.0), foreach=False)"),
    "sum over n": ("F.smooth_l1_loss(q, y)", 'F.smooth_l1_loss(q, y, reduction="sum") / len(q)'),
    "Huber by name": ("F.smooth_l1_loss(q, y)", "F.huber_loss(q, y)"),
    "lerp": (
        "theta_hat.mul_(1 - self.h.tau).add_(theta, alpha=self.h.tau)",
        "theta_hat.lerp_(theta, self.h.tau)",
    ),
    "targets listed in the optimiser": (
        "torch.optim.Adam(self.Q.parameters(),",
        "torch.optim.Adam([*self.Q.parameters(), *self.Q_hat.parameters()],",
    ),
}


@pytest.fixture(scope="module")
def reference():
    torch.set_num_threads(1)
    register_ids()
    played = play(REFERENCE, CALL)
    assert played.error == ""
    return played.tape


@pytest.fixture(scope="module")
def quantities(reference):
    return quantities_of(card("dqn"), reference, reference)


@pytest.fixture(scope="module")
def limits(reference, quantities):
    call = SCENARIO.call(seed=SCENARIO.seed + AGAIN_SEED)
    again = play(REFERENCE, call, reference=reference, policy=Policy(is_wide=True))
    assert again.error == ""
    return Limits(floors_of(reference, again.tape, [q.name for q in quantities if q.is_computed]))


@pytest.fixture
def replayed(reference, quantities, limits, tmp_path):
    def replay(source):
        file = tmp_path / "mine.py"
        file.write_text(source)
        side = SideSpec("mine.py:side", str(file), None, "side", None, "")
        mine = play(side, CALL, reference=reference)
        assert mine.error == ""
        assert mine.tape.problems == []
        return compare_tapes(mine.tape, reference, quantities, limits)

    return replay


def planted(old, new):
    assert SOURCE.count(old) == 1
    return SOURCE.replace(old, new)


def test_clean_implementation_passes_every_segment_and_nothing_is_unobserved(replayed):
    rows = replayed(SOURCE)
    assert {row.tap: row.status for row in rows if row.status != "passed"} == {}
    assert len(rows) == 19


def test_scenario_exercises_what_it_claims(reference):
    events = exercised(reference, CALL.hyperparameters)
    assert min(events.values()) > 0
    assert events["truncations"] >= 10
    assert events["terminations"] >= 10


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_fails_its_own_segment_first(name, replayed):
    old, new, tap, component = BUGS[name]
    rows = replayed(planted(old, new))
    first = next(row for row in rows if row.status == "failed")
    assert (first.tap, first.component) == (tap, component)


@pytest.mark.parametrize("name", TWINS)
def test_benign_twin_fails_nothing(name, replayed):
    rows = replayed(planted(*TWINS[name]))
    assert [row.tap for row in rows if row.status == "failed"] == []


def test_two_bugs_at_once_are_both_named(replayed):
    source = planted(*BUGS["wrong gamma"][:2])
    old, new, *_ = BUGS["wrong Adam epsilon"]
    rows = replayed(source.replace(old, new))
    assert [row.tap for row in rows if row.status == "failed"] == ["td_target", "q_net_step"]


def test_reference_replayed_against_itself_passes(reference, quantities, limits):
    played = play(REFERENCE, CALL, reference=reference)
    assert played.error == ""
    rows = compare_tapes(played.tape, reference, quantities, limits)
    assert {row.status for row in rows} == {"passed"}
