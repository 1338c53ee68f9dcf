"""One-line changes of the implementations, replayed: the sentence that is expected is said."""

from pathlib import Path

import pytest

from harness.records import SideSpec
from harness.segments import child
from harness.segments.child import Sides, run_scenario
from harness.segments.runtime import Policy
from harness.segments.scenario import scenarios
from harness.spec.environments import register_ids
from harness.spec.references import find_reference

ROOT = Path(__file__).parents[2]

CLIP = "        nn.utils.clip_grad_norm_(self.Q.parameters(), self.h.max_grad_norm)\n"
VALUE_LOSS = 'tap("value_loss", F.mse_loss(v, b["returns"]))'
HALF_LOSS = 'tap("value_loss", F.mse_loss(v, b["returns"]) / 2)'

# (algorithm, scenario, what is replaced and by what, the tap that says it, what it says)
CHANGES = {
    "no terminal mask": (
        "dqn",
        "base",
        [('(1 - batch["terminated"]) * max_q_hat', "max_q_hat")],
        "td_target",
        "only rows with terminated = 1 are off",
    ),
    "no gradient clip": (
        "dqn",
        "base",
        [(CLIP, "")],
        "q_net_grad",
        "mine is not clipped, the reference is clipped to the length 0.41 (max_grad_norm)",
    ),
    "loss halved and its weight doubled": (
        "ppo",
        "discrete",
        [(VALUE_LOSS, HALF_LOSS), ("h.vf_coef * value_loss", "2 * h.vf_coef * value_loss")],
        "value_loss",
        "a convention: ",
    ),
    "value loss halved": (
        "ppo",
        "discrete",
        [(VALUE_LOSS, HALF_LOSS)],
        "value_loss",
        "constant factor 0.5",
    ),
    "no entropy in the target": (
        "sac",
        "perturbed",
        [("- alpha * log_pi_next", "")],
        "td_target",
        "(gamma * ent_coef) times next_log_prob",
    ),
}


@pytest.fixture
def rows_of(tmp_path, monkeypatch):
    """Return a function that replays a changed file in one scenario, and gives the rows by tap."""
    monkeypatch.setattr(child, "_draws", lambda *_: [])
    monkeypatch.setattr(child, "_spanned", lambda _, rows, __: rows)
    register_ids()

    def replayed(algo, name, edits):
        source = (ROOT / f"my_impls/{algo}.py").read_text()
        for old, new in edits:
            assert old in source
            source = source.replace(old, new)
        file = tmp_path / f"{algo}.py"
        file.write_text(source)
        scenario = next(one for one in scenarios()[algo] if one.name == name)
        policy = Policy(perturbed=scenario.perturbed, reward_scale=scenario.reward_scale)
        mine = SideSpec(file.name, str(file), None, "side", None, "")
        sides = Sides(mine, find_reference("sb3", algo=algo), policy)
        return {row.tap: row for row in run_scenario(scenario, sides, fallback={})["rows"]}

    return replayed


@pytest.mark.parametrize("change", CHANGES)
def test_changed_line_when_replayed_gets_its_sentence(change, rows_of):
    algo, scenario, edits, tap, words = CHANGES[change]
    row = rows_of(algo, scenario, edits)[tap]
    assert row.status == ("convention" if words.startswith("a convention") else "failed")
    assert words in " / ".join(row.hints)
