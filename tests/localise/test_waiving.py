import pytest

from harness.judgement import (
    DrawRow,
    EndpointTest,
    EnvJudgement,
    FactRow,
    Interval,
    MetricTest,
    SanityRow,
    SegmentRow,
    SegmentsResult,
    TwinRow,
)
from harness.localise.compared import Compared
from harness.localise.waiving import (
    checked_draws,
    checked_fact,
    checked_metrics,
    checked_sanity,
    checked_segment,
    checked_twin,
    noted,
)
from harness.waiver import Checked

ENV = "CartPole-v1"


def fact(*, is_equal, decides):
    return FactRow("n_updates", ENV, "update-schedule", "1", "2", is_equal, decides)


@pytest.mark.parametrize(
    ("is_equal", "decides", "state"),
    [
        (False, True, "differs"),
        (True, True, "agrees"),
        (True, False, "agrees"),
        (False, False, "undecided"),
    ],
)
def test_fact_differs_only_where_it_decides(is_equal, decides, state):
    row = fact(is_equal=is_equal, decides=decides)
    assert checked_fact(row) == Checked("fact", "n_updates", ENV, state)


def segment(status, **rest):
    return SegmentRow("transition", "replay-buffer", "store", status, **rest)


def test_segment_concerns_every_environment_and_names_its_fields():
    row = segment("failed", fields=("reward",), n_failed=3)
    assert checked_segment(row, ["a", "b"]) == (
        Checked("segment", "transition", "a", "differs", ("reward",)),
        Checked("segment", "transition", "b", "differs", ("reward",)),
    )


@pytest.mark.parametrize("count", ["missing", "extra"])
def test_segment_with_other_events_differs_as_a_whole(count):
    row = segment("failed", fields=("reward",), **{count: 1})
    assert checked_segment(row, [ENV]) == (Checked("segment", "transition", ENV, "differs"),)


def test_segment_that_passed_agrees_and_one_not_tested_says_nothing():
    assert checked_segment(segment("passed"), [ENV]) == (
        Checked("segment", "transition", ENV, "agrees"),
    )
    assert checked_segment(segment("unobserved"), [ENV]) == ()
    assert checked_segment(segment("not exercised"), [ENV]) == ()


def test_sanity_differs_when_it_holds_on_one_side_only():
    rows = [
        SanityRow("a", "mine", ENV, "loss", passed=False),
        SanityRow("a", "reference", ENV, "loss", passed=True),
        SanityRow("b", "mine", ENV, "loss", passed=False),
        SanityRow("b", "reference", ENV, "loss", passed=False),
    ]
    states = [one.state for one in checked_sanity(rows).values()]
    assert states == ["differs", "agrees", "agrees", "agrees"]


def judged(*metrics, is_equivalent):
    none = Interval(0.0, 0.0, 0.0, 0.9)
    endpoint = EndpointTest("auc", none, none, none, 1.0, 0.01, is_equivalent, None, None)
    return EnvJudgement(ENV, "easy", 5, 5, 100, "parity", metrics, (endpoint,), 0.01, 0.05, {}, {})


def metric(name, family, *, is_significant=False):
    return MetricTest(name, family, "", "loss", "loss", 0.2, is_significant)


@pytest.mark.parametrize(("is_equivalent", "curve"), [(True, "agrees"), (False, "undecided")])
def test_metric_that_is_not_significant_shows_no_agreement(is_equivalent, curve):
    env = judged(
        metric("episode_return", "curve"),
        metric("loss", "trace"),
        metric("grad_norm", "trace", is_significant=True),
        is_equivalent=is_equivalent,
    )
    assert checked_metrics(env) == {
        "episode_return": Checked("curve", "episode_return", ENV, curve),
        "loss": Checked("trace", "loss", ENV, "undecided"),
        "grad_norm": Checked("trace", "grad_norm", ENV, "differs"),
    }


def drawn(source, *, is_rejected):
    return DrawRow(source, "sampling", "sample", "mean", 9, 0.5, is_rejected, 0.1, 0.2)


def test_draws_of_one_source_are_one_quantity_that_a_test_cannot_show_to_agree():
    rows = [
        drawn("rows", is_rejected=False),
        drawn("action", is_rejected=False),
        drawn("action", is_rejected=True),
    ]
    assert checked_draws(rows, [ENV]) == {
        "rows": (Checked("draw", "rows", ENV, "undecided"),),
        "action": (Checked("draw", "action", ENV, "differs"),),
    }


def test_twin_that_stayed_inside_agrees_in_every_quantity():
    assert checked_twin(TwinRow(ENV, 0, "inside"), ["a", "b"]) == (
        Checked("twin", "a", ENV, "agrees"),
        Checked("twin", "b", ENV, "agrees"),
    )


def test_twin_that_departed_differs_with_the_stretches_that_failed_then():
    row = TwinRow(ENV, 0, "departed", quantity="loss", segments=(segment("failed"),))
    assert checked_twin(row, ["a"]) == (
        Checked("twin", "loss", ENV, "differs"),
        Checked("segment", "transition", ENV, "differs"),
    )


def test_twin_that_was_not_run_says_nothing():
    assert checked_twin(TwinRow(ENV, 0, "not run"), ["a"]) == ()


def test_convention_is_undecided_and_marks_only_traces_of_its_tap():
    assert checked_segment(segment("convention", fields=("reward",)), [ENV]) == (
        Checked("segment", "transition", ENV, "undecided"),
    )
    env = judged(
        metric("transition.reward.mean", "trace", is_significant=True),
        metric("grad_norm", "trace", is_significant=True),
        is_equivalent=True,
    )
    rows = SegmentsResult((segment("convention"),))
    (marked,) = noted(Compared((ENV,), (env,), segments=rows)).envs
    assert [bool(test.waived) for test in marked.metrics] == [True, False]
    assert noted(Compared((ENV,), (env,))).envs == (env,)
