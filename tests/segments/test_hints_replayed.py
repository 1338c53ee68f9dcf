"""One-line changes of the implementations, replayed: the sentence that is expected is said."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from harness.records import SideSpec
from harness.segments.compare import Limits, compare_tapes
from harness.segments.hints import MAX_HINTS
from harness.segments.hints_related import candidates, conventions
from harness.segments.play import play
from harness.segments.quantities import quantities_of
from harness.segments.runtime import Policy
from harness.segments.scenario import scenarios
from harness.spec.cards import card
from harness.spec.environments import register_ids
from harness.spec.references import find_reference

LONGEST = 120  # letters that a person reads at a glance
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
    "entropy loss of the other sign, subtracted": (
        "ppo",
        "discrete",
        [
            ('tap("entropy_loss", -S.mean())', 'tap("entropy_loss", S.mean())'),
            ("+ h.ent_coef * entropy_loss", "- h.ent_coef * entropy_loss"),
        ],
        "entropy_loss",
        "a convention: ",
    ),
    "loss reported twice as large": (
        "dqn",
        "base",
        [('tap("loss", F.smooth_l1_loss(q, y))', 'tap("loss", 2 * F.smooth_l1_loss(q, y)) / 2')],
        "loss",
        "a convention: ",
    ),
    "loss twice as large": (
        "dqn",
        "base",
        [('tap("loss", F.smooth_l1_loss(q, y))', 'tap("loss", 2 * F.smooth_l1_loss(q, y))')],
        "loss",
        "constant factor 2",
    ),
    "gamma by heart": (
        "dqn",
        "base",
        [('batch["discounts"] * (1', "0.99 * (1")],
        "td_target",
        "0.99 in place of gamma = 0.93",
    ),
    "rows paired with all rows": (
        "dqn",
        "base",
        [(".squeeze(1)  # (B,)", "  # (B,)")],
        "loss",
        "q_values is (16, 1) and td_target (16,): together they make (16, 16)",
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
        "only rows with terminated = 0 are off",  # over n steps each row has its own discount
    ),
}


@cache
def recorded(algo, name):
    """Record the reference in one scenario."""
    scenario = next(one for one in scenarios()[algo] if one.name == name)
    policy = Policy(perturbed=scenario.perturbed, reward_scale=scenario.reward_scale)
    return play(find_reference(None, algo=algo), scenario.call(), policy=policy).tape


def rows_of(file, algo, name):
    """Replay a file in one scenario; return the rows by tap, with conventions tried out."""
    scenario = next(one for one in scenarios()[algo] if one.name == name)
    policy = Policy(perturbed=scenario.perturbed, reward_scale=scenario.reward_scale)
    mine = SideSpec(file.name, str(file), None, "side", None, "")
    known = recorded(algo, scenario.name)
    quantities = quantities_of(card(algo), known, known)
    limits = Limits(
        skipped=frozenset(scenario.perturbed),
        hyperparameters=scenario.hyperparameters,
        n_envs=scenario.n_envs,
    )

    def replayed(own=frozenset()):
        played = play(mine, scenario.call(), reference=known, policy=replace(policy, own=own))
        assert played.error == "", played.error
        return played.tape, compare_tapes(played.tape, known, quantities, limits)

    tape, rows = replayed()
    own = candidates(rows, tape, known)
    rows = conventions(rows, replayed(own)[1], own) if own else rows
    return {row.tap: row for row in rows}


def changed(name, folder):
    """Write the implementation with one change; return its file."""
    algo, _, edits, _, _ = CHANGES[name]
    source = (ROOT / f"my_impls/{algo}.py").read_text()
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    file = Path(folder) / name.replace(" ", "_") / f"{algo}.py"
    file.parent.mkdir()
    file.write_text(source)
    return file


def main(algo, folder):
    """Print status and hints of every changed line of one algorithm, as JSON."""
    register_ids()
    found = {}
    for name, (changed_algo, scenario, _, tap, _) in CHANGES.items():
        if changed_algo == algo:
            row = rows_of(changed(name, folder), algo, scenario)[tap]
            found[name] = (row.status, row.hints)
    sys.stdout.write(json.dumps(found))


# DQN's are many; their sentences are also tested on made values (test_hints*.py).
@pytest.mark.parametrize("algo", [pytest.param("dqn", marks=pytest.mark.slow), "ppo", "sac"])
def test_changed_line_when_replayed_gets_its_sentence(algo, tmp_path):
    # In a process of its own: a tapped library stays tapped.
    command = [sys.executable, "-m", "tests.segments.test_hints_replayed", algo, str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found
    for name, (status, hints) in found.items():
        words = CHANGES[name][-1]
        assert status == ("convention" if words.startswith("a convention") else "failed"), name
        assert words in " / ".join(hints), name
        assert len(hints) <= MAX_HINTS, name
        assert max(map(len, hints)) <= LONGEST, name


if __name__ == "__main__":
    main(*sys.argv[1:])
