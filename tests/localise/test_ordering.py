"""The order of suspicion comes from evidence and data flow alone."""

from harness.judgement import (
    EnvJudgement,
    FactRow,
    MetricTest,
    Onset,
    SanityRow,
    SegmentRow,
    SegmentsResult,
)
from harness.localise import Compared, differing_sanity, find_divergences, order_metrics
from harness.localise.advice import ADVICE, look_next
from harness.records import COMPONENTS


def metric(name, *, stage, onset, p=0.01, component="loss", family="trace"):
    return MetricTest(
        metric=name,
        family=family,
        unit="reward",
        component=component,
        stage=stage,
        p_adjusted=p,
        is_significant=True,
        significant=((0, 1),),
        onset=Onset(*onset, 0.9),
        effect=1.0,
    )


def env(env_id, *metrics):
    return EnvJudgement(
        env_id=env_id,
        tier="easy",
        n_mine=5,
        n_reference=5,
        total_timesteps=1000,
        outcome="diverged",
        metrics=metrics,
        endpoints=(),
        smallest_p=0.008,
        alpha_per_test=0.05,
        hyperparameters={},
        sources={},
    )


def found(envs, facts=(), sanity=()):
    ids = tuple(one.env_id for one in envs)
    return find_divergences(Compared(ids, tuple(envs), tuple(facts), tuple(sanity)))


def test_earlier_onset_comes_first():
    late = metric("a", stage="target", onset=(500, 600))
    early = metric("b", stage="step", onset=(100, 200))
    assert [one.metric for one in order_metrics([late, early], slack=0)] == ["b", "a"]


def test_metrics_shown_at_the_same_time_follow_the_data_flow():
    step = metric("update_norm", stage="step", onset=(100, 300), p=0.001)
    target = metric("td_target.mean", stage="target", onset=(150, 300), p=0.04)
    assert [one.metric for one in order_metrics([step, target], slack=0)] == [
        "td_target.mean",
        "update_norm",
    ]


def test_metrics_shown_within_the_slack_follow_the_data_flow():
    loss = metric("loss", stage="loss", onset=(1, 100))
    target = metric("td_target.mean", stage="target", onset=(150, 200))
    ordered = order_metrics([loss, target], slack=100)
    assert [one.metric for one in ordered] == ["td_target.mean", "loss"]


def test_metric_that_excludes_little_is_not_suspected_before_one_shown_earlier():
    action = metric("action.std", stage="collect", onset=(1, 900))
    target = metric("td_target.mean", stage="target", onset=(201, 300))
    ordered = order_metrics([action, target], slack=100)
    assert [one.metric for one in ordered] == ["td_target.mean", "action.std"]


def test_outcome_comes_after_everything_measured_inside_learning():
    length = metric("episode_length", stage="outcome", onset=(1, 100))
    loss = metric("loss", stage="loss", onset=(1, 900))
    assert [one.metric for one in order_metrics([length, loss], slack=0)] == [
        "loss",
        "episode_length",
    ]


def test_reductions_of_one_tap_are_one_finding():
    mean = metric("td_target.mean", stage="target", onset=(1, 2), p=0.02)
    std = metric("td_target.std", stage="target", onset=(1, 2), p=0.01)
    (finding,) = found([env("E1", mean, std)])
    assert finding.quantity == "td_target.std"


def test_findings_put_facts_before_sanity_before_traces_before_curves():
    fact = FactRow("n_updates", "E1", "update-schedule", "[2]", "[1]", False, True, "factor 2")
    sanity = SanityRow("finite", "mine", "E1", "gradient-optimiser", False, "NaN")
    curve = metric("episode_return", stage="outcome", onset=(1, 2), family="curve")
    trace = metric("loss", stage="loss", onset=(1, 2))
    findings = found([env("E1", curve, trace)], [fact], [sanity])
    assert [one.level for one in findings] == ["fact", "sanity", "trace", "curve"]
    assert findings[0].summary == "n_updates: mine [2], reference [1] (factor 2)"
    assert findings[2].summary == (
        "loss differs (adjusted p = 0.01, n = 5 and 5 seeds, mine - reference = +1 reward)"
    )
    assert findings[2].onset == Onset(1, 2, 0.9)


def test_easiest_environment_comes_first_within_a_level():
    loss = metric("loss", stage="loss", onset=(1, 2))
    findings = found([env("easy", loss), env("hard", loss)])
    assert [one.env_id for one in findings] == ["easy", "hard"]


def test_what_is_replayed_comes_before_facts_and_lends_its_lines_to_those_of_its_component():
    place = {"mine_place": "mine.py:5-7", "reference_place": "theirs.py:9"}
    row = SegmentRow(
        "transition", "replay-buffer", "store", "failed", n_events=9, n_failed=2, **place
    )
    same = FactRow("stored_next_obs", "E1", "replay-buffer", "a", "b", False, True)
    other = FactRow("n_updates", "E1", "update-schedule", "[2]", "[1]", False, True)
    ids, envs = ("E1",), (env("E1"),)
    compared = Compared(ids, envs, (other, same), (), segments=SegmentsResult((row,)))
    findings = find_divergences(compared)
    assert [one.level for one in findings] == ["segment", "fact", "fact"]
    opened = {one.quantity: (one.mine_place, one.reference_place) for one in findings}
    assert opened["stored_next_obs"] == opened["transition"] == ("mine.py:5-7", "theirs.py:9")
    assert opened["n_updates"] == ("", "")


def test_same_fact_on_two_environments_is_one_finding_naming_both():
    facts = [
        FactRow("grad_clip", name, "gradient-optimiser", "[]", "[10.0]", False, True)
        for name in ("E1", "E2")
    ]
    (finding,) = found([env("E1"), env("E2")], facts)
    assert finding.env_id == "E1, E2"


def test_fact_that_does_not_decide_is_no_finding():
    fact = FactRow("wrapper_stack", "E1", "env-interface", "A", "B", False, False)
    assert found([env("E1")], [fact]) == ()


def test_check_that_fails_on_both_sides_is_no_difference():
    both = [
        SanityRow("finite", role, "E1", "gradient-optimiser", False, "NaN")
        for role in ("mine", "reference")
    ]
    assert differing_sanity(both) == ()


def test_check_that_fails_on_the_reference_alone_is_blamed_on_the_reference():
    rows = [
        SanityRow("finite", "mine", "E1", "gradient-optimiser", True),
        SanityRow("finite", "reference", "E1", "gradient-optimiser", False, "NaN"),
    ]
    (finding,) = found([env("E1")], [], rows)
    assert "in the reference, not in mine" in finding.summary


def test_every_component_has_advice():
    assert set(ADVICE) == set(COMPONENTS)
    assert look_next("loss", quantity="loss").startswith("Compare the loss formula")
