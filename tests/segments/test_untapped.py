"""Sides without taps: right ones differ in nothing, wrong ones are named from outside.

Only what is asked of environments and optimisers is seen; everything else is unobserved.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest
from gymnasium import spaces

from harness.children import Children
from harness.localise.replayed import from_segments
from harness.segments.automatic import cut_at, differing_options
from harness.segments.bare import owner_of_shapes
from harness.segments.boundary import is_legal
from harness.segments.join import joined
from harness.segments.run import run_child
from harness.segments.scenario import scenarios
from harness.spec.cards import card
from tests.bugs.recorded import asked, lines_of, result_of, side_of
from tests.foreign.planting import FOLDER, planted

IMPORT = "from harness.tap import tap\n"
NO_TAP = "def tap(name, value): return value\n"

# Algorithm, file, scenario.
RIGHT = [
    ("dqn", "script.py", "base"),
    ("dqn", "functional.py", "base"),
    ("ppo", "ppo_script.py", "discrete"),
    ("ppo", "ppo_split/trainer.py", "continuous"),
    ("sac", "sac_script.py", "base"),
    ("sac", "sac_split/agent.py", "saturated"),
]
# What is compared without any tap, of every module that is trained.
OF_ENVIRONMENT = {"resets", "env_result", "legal_actions", "update_rounds"}
OF_OPTIMISER = ("updates", "learning_rate", "constants")

# Algorithm, file, scenario, old text, new text, quantity found first, its component.
BUGS = {
    "learning rate": (
        "dqn", "script.py", "base",
        'lr=args["learning_rate"]', 'lr=args["learning_rate"] / 2',
        "q_net_learning_rate", "lr-schedule",
    ),
    "one update too many": (
        "dqn", "script.py", "base",
        "            optimizer.step()\n",
        "            optimizer.step()\n            optimizer.step()\n",
        "q_net_updates", "update-schedule",
    ),
    "updates begin late": (
        "dqn", "script.py", "base",
        'global_step <= args["learning_starts"]:', 'global_step <= 2 * args["learning_starts"]:',
        "update_rounds", "update-schedule",
    ),
    "seed of the environment": (
        "dqn", "script.py", "base",
        "envs.reset(seed=call.seed)", "envs.reset(seed=call.seed + 1)",
        "resets", "seeding-determinism",
    ),
    "constants of Adam": (
        "dqn", "script.py", "base",
        'lr=args["learning_rate"])', 'lr=args["learning_rate"], betas=(0.9, 0.99))',
        "q_net_constants", "gradient-optimiser",
    ),
    "another optimiser": (
        "dqn", "script.py", "base",
        "optim.Adam(", "optim.RMSprop(",
        "q_net_constants", "gradient-optimiser",
    ),
    "no gradient clip": (
        "dqn", "script.py", "base",
        '            nn.utils.clip_grad_norm_(q_network.parameters(), args["max_grad_norm"])\n', "",
        "q_net_grad_norm", "gradient-optimiser",
    ),
    "another gradient clip": (
        "dqn", "script.py", "base",
        'args["max_grad_norm"])', 'args["max_grad_norm"] / 2)',
        "q_net_grad_norm", "gradient-optimiser",
    ),
    "actions without a seed": (
        "dqn", "script.py", "base",
        "np.random.default_rng(call.seed)", "np.random.default_rng()",
        "env_action", "seeding-determinism",
    ),
    "actions outside the bounds": (
        "ppo", "ppo_script.py", "continuous",
        "np.clip(", "(lambda a, *bounds: a)(",
        "legal_actions", "action-scaling",
    ),
    "epsilon of Adam": (
        "ppo", "ppo_script.py", "discrete",
        "lr=1e-3, eps=1e-5", "lr=1e-3",
        "policy_constants", "gradient-optimiser",
    ),
    "the rate of one optimiser": (
        "sac", "sac_script.py", "base",
        "a_optimizer = optim.Adam([log_alpha], lr=lr)",
        "a_optimizer = optim.Adam([log_alpha], lr=lr, betas=(0.8, 0.999))",
        "log_alpha_constants", "gradient-optimiser",
    ),
}  # fmt: skip


def bare(file, folder, *changes):
    """Return the path of a copy without taps, with texts replaced."""
    copied = planted(file, folder, *changes)
    for one in copied.parent.glob("*.py"):
        one.write_text(one.read_text().replace(IMPORT, NO_TAP))
    return copied


@pytest.mark.parametrize(("algo", "file", "scenario"), RIGHT)
def test_right_side_without_taps_differs_in_nothing_and_no_tap_is_passed(
    algo, file, scenario, tmp_path
):
    result = result_of(algo, side_of(bare(file, tmp_path)), chosen={scenario})
    assert result.reason == ""
    assert [finding.summary for finding in from_segments(result)] == []
    passed = {row.tap for row in result.rows if row.status == "passed"}
    assert passed >= OF_ENVIRONMENT
    owners = {tap.removesuffix("_updates") for tap in passed if tap.endswith("_updates")}
    assert passed >= {f"{owner}_{kind}" for owner in owners for kind in OF_OPTIMISER}
    tapped = {tap.name for tap in card(algo).taps}
    assert {row.status for row in result.rows if row.tap in tapped} == {"unobserved"}
    assert "mine has no taps" in result.notes[0]
    assert "Parity can only be statistical" in result.notes[0]
    assert result.draws == ()


# Changes that leave no line of their own, and those that are seen far from their line.
WITHOUT_LINE = {"no gradient clip", "seed of the environment", "actions outside the bounds"}


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_of_a_side_without_taps_is_found_first_with_its_line(name, tmp_path):
    algo, file, scenario, old, new, quantity, component = BUGS[name]
    copied = bare(file, tmp_path, (old, new))
    result = result_of(algo, side_of(copied), chosen={scenario})
    first = from_segments(result)[0]
    assert (first.quantity, first.component) == (quantity, component)
    rows = [row for row in result.rows if row.tap == quantity and row.status == "failed"]
    rows += [row for row in result.draws if row.source == quantity and row.is_rejected]
    named = [place for place in (rows[0].mine_place, *rows[0].mine_lines) if copied.name in place]
    assert name in WITHOUT_LINE or changed_line(copied, new) in lines_of(named)


def changed_line(file, new):
    """Return the number of the last line of a changed text."""
    text = file.read_text()
    return text[: text.index(new) + len(new.rstrip())].count("\n") + 1


@pytest.mark.parametrize("is_tapped", [True, False])
def test_reference_without_taps_leaves_the_same_to_compare(is_tapped, tmp_path):
    mine = side_of(FOLDER / "sac_script.py" if is_tapped else bare("sac_script.py", tmp_path))
    (scenario,) = (one for one in scenarios()["sac"] if one.name == "base")
    sides = {"mine": asdict(mine), "reference": asdict(replace(asked("sac"), tap_map=None))}
    request = {**sides, "scenario": asdict(scenario), "fallback": {}, "asked": {}}
    # In a process of its own: in this one the library may be tapped already.
    answer = run_child(Children(), "harness.segments.child", request, time_limit_s=300)
    result = joined("sac", [scenario], [answer])
    assert result.reason == ""
    assert [finding.summary for finding in from_segments(result)] == []
    status = {row.tap: row.status for row in result.rows}
    passed = {tap for tap, said in status.items() if said == "passed"}
    assert passed >= OF_ENVIRONMENT
    owners = ("optimiser", "optimiser_2", "optimiser_3")
    assert passed >= {f"{owner}_{kind}" for owner in owners for kind in OF_OPTIMISER}
    assert status["td_target"] == status["rows"] == "unobserved"
    assert "the reference has no taps" in result.notes[0]


def test_gradients_are_cut_where_many_have_the_greatest_length():
    assert cut_at(np.array([0.3, 0.5, 0.50000001, 0.1, 0.5, 0.5])) == pytest.approx(0.5)
    assert cut_at(np.array([0.3, 0.5, 0.49, 0.1, 0.5, 0.48])) is None
    assert cut_at(np.zeros(9)) is None
    assert cut_at(np.array([])) is None


def test_options_that_change_no_update_are_not_compared():
    adam = {"class": "Adam", "lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "foreach": None}
    assert differing_options(adam, adam | {"lr": 0.2, "foreach": True, "fused": False}) == ()
    assert differing_options(adam, adam | {"decoupled_weight_decay": True}) == ()
    assert differing_options(adam | {"eps": 1e-5}, adam) == ("eps 1e-05, reference 1e-08",)
    assert differing_options(adam | {"class": "SGD"}, adam) == (
        "the optimiser is SGD, the reference's Adam",
    )


def test_what_an_optimiser_trains_is_told_by_its_shapes():
    known = {
        "actor": [(4, 3), (4,), (2, 4), (2,)],
        "critic": [(5, 4), (5,), (5,), ()],
        "alpha": [()],
    }
    assert owner_of_shapes([()], known) == "alpha"
    assert owner_of_shapes([(5, 4), (5,), (5,), ()], known) == "critic"
    assert owner_of_shapes([(4, 3), (4,)], known) == "actor"
    assert owner_of_shapes([(9, 9)], known) == ""
    assert owner_of_shapes([(2,)], {"one": [(2,)], "other": [(2,)]}) == ""


BOX = spaces.Box(np.array([-0.5, -3.0], np.float32), np.array([2.0, 1.0], np.float32))
ACTIONS = [
    (BOX, np.array([2.0 + 1e-6, 1.0]), True),
    (BOX, np.array([[0.0], [-3.0]]), True),
    (BOX, np.array([2.1, 0.0]), False),
    (BOX, np.array([np.nan, 0.0]), False),
    (BOX, np.array([0.0]), False),
    (spaces.Discrete(3), 2, True),
    (spaces.Discrete(3), np.array([0]), True),
    (spaces.Discrete(3), 3, False),
    (spaces.Discrete(3), -1, False),
    (spaces.Discrete(3, start=5), 5, True),
    (spaces.MultiDiscrete([2, 3]), np.array([1, 3]), False),
]


@pytest.mark.parametrize(("space", "action", "expected"), ACTIONS)
def test_action_is_legal_when_the_environment_offers_it(space, action, expected):
    assert is_legal(action, space) is expected
