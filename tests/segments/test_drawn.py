"""Draws behind draws: what is compared where they are tapped, and what is tested where not."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.segments import child
from harness.segments.drawing import Tapes, draw_records
from harness.segments.gather import strangers
from harness.segments.quantities import is_drawn
from harness.segments.scenario import scenarios
from harness.segments.tape import Event, Tape
from harness.spec.cards import card
from tests.bugs.catalogue import clean_source
from tests.bugs.recorded import asked, side_of

CARD = card("td3")
ROWS = {row.name: row for row in CARD.taps}
# The taps of what lies behind the action, and of what lies behind the noise.
BEHIND = [('tap("warmup_action", action)', "action"), ('tap("explore_noise", noise)', "noise")]
STATE = [('tap("explore_draw", draw)', "draw")]


def tape(**quantities):
    return Tape(
        {
            name: {(i,): Event({"": np.asarray(value)}, i, 0) for i, value in enumerate(values)}
            for name, values in quantities.items()
        }
    )


@pytest.mark.parametrize(
    ("reference", "mine", "is_free"),
    [
        (("action",), ("action",), True),  # nothing lies behind it on either side
        (("action", "explore_noise"), ("action", "explore_noise"), False),
        (("action", "explore_noise"), ("action",), True),
        (("action", "explore_noise", "warmup_action"), ("action", "explore_noise"), True),
        (("action", "warmup_action"), ("action", "warmup_action", "explore_noise"), False),
    ],
)
def test_action_is_a_draw_unless_mine_taps_what_it_is_made_of(reference, mine, is_free):
    tapes = (tape(**{name: [0.0] for name in names}) for names in (reference, mine))
    assert is_drawn(ROWS["action"], *tapes) is is_free


def test_check_is_no_draw():
    assert not is_drawn(ROWS["td_target"], tape(), tape())


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("explore_noise", (2,), (1, 2)),  # one environment without its axis: one row
        ("explore_noise", (3, 2), (3, 2)),
        ("explore_draw", (2,), (1, 2)),
        ("target_noise", (5,), (5, 1)),  # a minibatch of actions of one dimension: five rows
    ],
)
def test_noise_of_one_axis_is_a_row_of_an_environment_or_a_column_of_a_minibatch(
    name, shape, expected
):
    rng = np.random.default_rng(0)
    tapes = Tapes(*(tape(**{name: rng.normal(size=(4, *shape))}) for _ in range(3)))
    (record,) = draw_records(CARD, tapes, [])
    assert record.known[0].shape == expected


def test_noise_of_a_state_that_mine_does_not_tap_is_looked_at_by_episodes_of_each_environment():
    rng = np.random.default_rng(0)
    known = tape(explore_noise=rng.normal(size=(6, 2, 3)), explore_draw=np.zeros((6, 3)))
    again, mine = (tape(explore_noise=rng.normal(size=(6, 2, 3))) for _ in range(2))
    for name in ("explore_noise", "explore_draw"):
        known.events[name] = {
            (i,): replace(event, env_step=2 * i)
            for i, event in enumerate(known.events[name].values())
        }
    # The second environment ends its first episode at its third step, the sixth of all.
    known.events["env_result"] = {
        (step, env): Event(
            {"terminated": np.array((step, env) == (2, 1)), "truncated": np.array(False)},
            2 * step + env + 1,
            0,
        )
        for step in range(6)
        for env in range(2)
    }
    (record,) = draw_records(CARD, Tapes(known, again, mine), [])
    assert record.is_grouped
    assert record.groups == (0,) * 6 + (1,) * 3 + (3,) * 3
    assert np.array_equal(record.known[3], known.at("explore_noise", (3,)).arrays[""][:1])
    assert np.array_equal(record.mine[6], mine.at("explore_noise", (0,)).arrays[""][1:])


def test_fields_made_of_several_rows_are_not_looked_for_in_what_was_stored():
    stored = {"obs": np.array([[0.0], [1.0]]), "reward": np.array([1.0, 2.0])}
    batch = {"obs": np.array([[1.0], [0.0]]), "rewards": np.array([9.0, 9.0])}
    reference = Tape({"transition": {(0,): Event(stored, 1, 0)}})
    mine = Tape({"batch": {(0,): Event(batch, 1, 0)}})
    (whole,) = strangers(mine, reference, "batch", "transition")
    (without,) = strangers(mine, reference, "batch", "transition", left_out=["rewards"])
    assert (whole.n_strange, without.n_strange) == (2, 0)


def answer(folder, changes, name="base", env_steps=90, **hyperparameters):
    """Return what a scenario says of a copy of the clean file with every text replaced."""
    text = clean_source("td3")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = Path(tempfile.mkdtemp(dir=folder)) / "td3.py"  # a module is loaded once per file
    file.write_text(text)
    reference = asked("td3")
    (scenario,) = (one for one in scenarios()["td3"] if one.name == name)
    scenario = replace(
        scenario,
        total_timesteps=env_steps,
        weight_seeds=0,
        hyperparameters={**scenario.hyperparameters, **hyperparameters},
    )
    sides = child.Sides(side_of(file), reference, child.policy_of(scenario))
    found = child.run_scenario(scenario, sides, fallback={})
    statuses = {row.tap: row.status for row in found["rows"]}
    return statuses, [test for test in found["draws"] if test["n"]]


def failed(statuses):
    return {name for name, status in statuses.items() if status == "failed"}


def test_side_that_taps_the_action_alone_is_tested_by_its_draws(tmp_path):
    statuses, draws = answer(tmp_path, BEHIND)
    assert (statuses["explore_noise"], statuses["warmup_action"]) == ("unobserved",) * 2
    assert failed(statuses) == set()
    of_action = [test for test in draws if test["source"] == "action"]
    assert len(of_action) > 3
    assert not any(test["is_rejected"] for test in draws)


def test_side_that_taps_the_action_alone_and_explores_otherwise_is_rejected(tmp_path):
    weaker = ("return self.sigma * draw", "return 0.2 * self.sigma * draw")
    _, draws = answer(tmp_path, [*BEHIND, weaker], "long", env_steps=450, learning_starts=30)
    assert {test["source"] for test in draws if test["is_rejected"]} == {"action"}


def test_action_is_compared_where_what_it_is_made_of_is_tapped(tmp_path):
    statuses, draws = answer(tmp_path, [(".clip(-1, 1)", "")])
    assert "action" in failed(statuses)
    assert "action" not in {test["source"] for test in draws}


def test_noise_with_a_state_is_compared_where_its_draw_is_tapped_and_drawn_where_not(tmp_path):
    wrong = [("OU_DT = 0.15, 1e-2", "OU_DT = 0.15, 1.0")]
    statuses, draws = answer(tmp_path, wrong, "perturbed")
    assert failed(statuses) == {"explore_noise"}
    assert "explore_noise" not in {test["source"] for test in draws}
    statuses, draws = answer(tmp_path, STATE, "perturbed")
    assert failed(statuses) == set()
    assert "explore_noise" in {test["source"] for test in draws}
    assert not any(test["is_rejected"] for test in draws)
