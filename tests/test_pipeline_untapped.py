"""Sides without taps on the whole road: what is seen from outside is settled before training."""

import pytest

from harness.segments.join import joined
from harness.segments.scenario import scenarios
from tests.test_pipeline import one_scenario, run, toy_spec, write_side  # noqa: F401 - a fixture


@pytest.fixture
def reference(tmp_path):
    return anywhere(tmp_path, "reference")


def anywhere(folder, name, **fields):
    """Return a toy side that acts in every environment with discrete actions."""
    path = write_side(folder, name, **fields)
    text = path.read_text()
    for old, new in (
        ("torch.nn.Linear(4, 2)", "torch.nn.Linear(int(np.prod(env.observation_space.shape)), 2)"),
        ("torch.as_tensor(obs)[None]", "torch.as_tensor(np.ravel(obs), dtype=torch.float32)[None]"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_equal_sides_without_taps_pass_what_is_seen_and_are_trained(tmp_path, reference):
    mine = anywhere(tmp_path, "mine")
    result, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert (result.judgement.verdict, len(watch.trained)) == ("inconclusive", 4)
    status = {row.tap: row.status for row in result.judgement.segments}
    seen = ("resets", "update_rounds", "legal_actions", "optimiser_updates", "optimiser_constants")
    assert {status[name] for name in seen} == {"passed"}
    assert status["td_target"] == "unobserved"


def test_difference_seen_from_outside_stops_before_the_training(tmp_path, reference):
    late = "step == 150 and optimiser.param_groups[0].update(lr=5e-3)"
    spec = toy_spec(anywhere(tmp_path, "mine", during=late), reference, steps="100")
    result, watch = run(spec, tmp_path / "results")
    assert (result.judgement.verdict, watch.records) == ("diverged", [])
    (finding,) = result.judgement.findings
    assert finding.quantity == "optimiser_learning_rate"


def test_crash_in_a_scenario_is_invalid_with_its_last_words_and_nothing_is_trained(
    tmp_path, reference
):
    mine = anywhere(tmp_path, "mine", during="1 / 0 if step == 150 else None")
    result, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert (result.judgement.verdict, watch.records) == ("invalid", [])
    assert "mine raised" in result.judgement.reasons[0]
    assert "ZeroDivisionError" in result.judgement.reasons[0]


@pytest.mark.parametrize("role", ["mine", "reference"])
def test_side_of_one_environment_is_left_to_the_training_and_said(role):
    one = scenarios()["dqn"][0]
    answer = {"kind": "", "refused": "File ...\nRuntimeError: 1x3 and 4x2", "refused_by": role}
    result = joined("dqn", [one], [answer])
    assert not result.is_invalid
    assert result.reason == f"{role} could not begin a scenario: RuntimeError: 1x3 and 4x2"
    assert result.notes == (
        f"scenario 'base' left out (): {role} could not begin it: RuntimeError: 1x3 and 4x2",
    )
