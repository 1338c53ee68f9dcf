"""Sides of other structure through the segment test: right ones pass, wrong copies are named.

They tap what their authors thought of: scripts tap no rows, some tap nothing at all.
"""

from pathlib import Path

import pytest

from harness.localise.replayed import from_segments
from harness.segments.scenario import scenarios
from tests.bugs.recorded import lines_of, result_of, side_of
from tests.foreign.planting import FOLDER, planted

# Algorithm, file, the scenario of the quick form, the least number of quantities that pass in it:
# none where environments live in processes of their own and nothing is tapped.
RIGHT = [
    ("dqn", "script.py", "base", 1),
    ("dqn", "functional.py", "base", 1),
    ("dqn", "split/agent.py", "base", 1),
    ("dqn", "workers.py", "base", 0),
    ("ppo", "ppo_script.py", "discrete", 20),
    ("ppo", "ppo_split/trainer.py", "continuous", 20),
    ("sac", "sac_script.py", "base", 20),
    ("sac", "sac_split/agent.py", "perturbed", 20),
]

# Algorithm, file, scenario, old text, new text, quantity found first, its component.
BUGS = {
    "no mask": (
        "sac", "sac_script.py", "base",
        'data["rewards"] + not_done * args["gamma"]', 'data["rewards"] + args["gamma"]',
        "td_target", "bootstrapping-termination",
    ),
    "tau turned round": (
        "sac", "sac_script.py", "base",
        'args["tau"] * param.data + (1 - args["tau"]) * slow.data',
        '(1 - args["tau"]) * param.data + args["tau"] * slow.data',
        "critic_target_params", "target-network",
    ),
    "fields of different rows": (
        "sac", "sac_script.py", "base",
        '"rewards": rb_rew[at, env]', '"rewards": rb_rew[at - 1, env]',
        "batch", "replay-buffer",
    ),
    "sign of the temperature's loss": (
        "sac", "sac_split/agent.py", "base",
        "self.temperature.target + log_prob", "self.temperature.target - log_prob",
        "alpha_loss", "entropy-temperature",
    ),
    "the larger of the targets": (
        "sac", "sac_split/agent.py", "perturbed",
        "self.targets, obs, actions).amin(dim=1)", "self.targets, obs, actions).amax(dim=1)",
        "td_target", "bootstrapping-termination",
    ),
    "no lambda": (
        "ppo", "ppo_script.py", "discrete",
        'args["gamma"] * args["gae_lambda"] * nextnonterminal', 'args["gamma"] * nextnonterminal',
        "advantages", "return-advantage-estimation",
    ),
    "advantages in another order": (
        "ppo", "ppo_script.py", "discrete",
        "            advantages.flatten(), returns", "            advantages.T.flatten(), returns",
        "minibatch", "sampling",
    ),
    "the constant of Adam": (
        "ppo", "ppo_script.py", "discrete",
        "lr=1e-3, eps=1e-5", "lr=1e-3",
        "policy_step", "gradient-optimiser",
    ),
    "another optimiser": (
        "ppo", "ppo_split/trainer.py", "continuous",
        "torch.optim.AdamW(", "torch.optim.NAdam(",
        "policy_step", "gradient-optimiser",
    ),
    "values are not clipped": (
        "ppo", "ppo_split/trainer.py", "continuous",
        "values = torch.maximum(torch.minimum(values, high), low)",
        "values = torch.maximum(values, low)",
        "value_loss", "loss",
    ),
}  # fmt: skip


def assert_nothing_is_found(algo, file, chosen, least):
    result = result_of(algo, side_of(FOLDER / file), chosen=chosen)
    assert result.reason == ""
    assert [finding.summary for finding in from_segments(result)] == []
    assert sum(row.status == "passed" for row in result.rows) >= least
    assert not [row.tap for row in result.rows if row.status == "failed"]


@pytest.mark.parametrize(("algo", "file", "scenario", "least"), RIGHT)
def test_right_side_of_other_structure_differs_in_nothing(algo, file, scenario, least):
    assert_nothing_is_found(algo, file, {scenario}, least)


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "file", "scenario", "least"), RIGHT)
def test_right_side_differs_in_nothing_in_any_scenario(algo, file, scenario, least):
    assert_nothing_is_found(algo, file, {one.name for one in scenarios()[algo]}, least)


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_of_a_foreign_side_is_found_first_with_its_line(name, tmp_path):
    algo, file, scenario, old, new, quantity, component = BUGS[name]
    copied = planted(file, tmp_path, (old, new))
    result = result_of(algo, side_of(copied), chosen={scenario})
    first = from_segments(result)[0]
    assert (first.quantity, first.component) == (quantity, component)
    (row,) = (row for row in result.rows if row.tap == quantity)
    changed, lines = changed_place(copied.parent, new)
    named = [place for place in (row.mine_place, *row.mine_lines) if changed in place]
    assert lines & lines_of(named)


def changed_place(folder, new):
    """Return the name of the file that holds a text, and the numbers of its lines there."""
    (file,) = (f for f in Path(folder).glob("*.py") if new in f.read_text())
    before, _, _ = file.read_text().partition(new)
    first = before.count("\n") + 1
    return file.name, set(range(first, first + new.count("\n") + 1))
