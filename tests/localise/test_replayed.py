"""Findings from replays: one per failing stretch, per source of draws and per departed run."""

from harness.judgement import DrawRow, SegmentRow, SegmentsResult, TwinRow
from harness.localise.replayed import SCENARIO, from_segments, from_twins

ENV = "CartPole-v1"


def stretch(tap, status="failed", **rest):
    return SegmentRow(tap, "loss", "loss", status, n_events=20, **rest)


def drawn(feature, p, **rest):
    return DrawRow("rows", "sampling", "sample", feature, 99, p, True, 0.25, 0.5, **rest)


def test_failing_stretch_says_how_often_how_far_and_when_first():
    row = stretch("loss", n_failed=7, size=300.0, update=3, env_step=40, hints=("factor 2",))
    (finding,) = from_segments(SegmentsResult((row, stretch("q_values", "passed"))))
    assert (finding.level, finding.env_id, finding.component) == ("segment", SCENARIO, "loss")
    assert finding.summary == (
        "loss: from the same inputs, 7 of 20 differ, up to 300 noise floors, first at update 3, "
        "env step 40; factor 2"
    )


def test_fields_are_named_while_they_are_few():
    few = stretch("batch", n_failed=1, fields=("obs", "rewards"))
    many = stretch("batch", n_failed=1, fields=("a", "b", "c", "d"))
    told = [one.summary for one in from_segments(SegmentsResult((few, many)))]
    assert "1 of 20 differ (obs, rewards)" in told[0]
    assert "1 of 20 differ, up to" in told[1]


def test_missing_and_extra_events_are_counted():
    (finding,) = from_segments(SegmentsResult((stretch("transition", missing=2, extra=1),)))
    assert "2 that the reference makes are missing, 1 that the reference does not make" in (
        finding.summary
    )


def test_source_of_draws_is_one_finding_with_its_clearest_feature():
    draws = (drawn("mean", 0.04), drawn("spread", 0.001), drawn("other", 0.01))
    (finding,) = from_segments(SegmentsResult(draws=draws))
    assert finding.level == "draw"
    assert finding.summary == (
        "draws of rows: spread: mine 0.25, reference 0.5 (adjusted p = 0.001, n = 99); "
        "2 more features differ"
    )


def test_draw_rejected_without_a_test_gives_its_reason():
    draws = (drawn("the same draws under the same seed", 0.0, reason="not seeded"),)
    (finding,) = from_segments(SegmentsResult(draws=draws))
    assert finding.summary.endswith("under the same seed: not seeded")


def test_what_is_waived_is_no_finding():
    rows = (stretch("loss", n_failed=1, waived="on purpose"),)
    draws = (drawn("mean", 0.01, waived="on purpose"),)
    twin = TwinRow(ENV, 0, "departed", quantity="loss", waived="on purpose", segments=rows)
    assert from_segments(SegmentsResult(rows, draws=draws)) == []
    assert from_twins([twin]) == []


def test_departed_twin_puts_its_failing_stretches_before_itself():
    twin = TwinRow(
        ENV,
        3,
        "departed",
        quantity="td_target",
        component="target-network",
        env_step=1_200,
        update=90,
        size=0.02,
        band=1e-6,
        segments=(stretch("loss", n_failed=1),),
        detail="cut short",
        mine_place="a.py:3",
    )
    first, second = from_twins([TwinRow(ENV, 3, "inside"), twin])
    assert (first.level, first.env_id, first.quantity) == ("segment", ENV, "loss")
    assert (second.level, second.quantity, second.mine_place) == ("twin", "td_target", "a.py:3")
    assert second.summary == (
        "whole run under the reference's draws (seed 3): td_target departs first, at env step "
        "1,200, update 90: off by 0.02 of its scale, nudged reference runs by at most 1e-06; "
        "cut short"
    )


def test_waived_departure_does_not_hide_a_stretch_that_failed_around_it():
    twin = TwinRow(ENV, 0, "departed", waived="on purpose", segments=(stretch("loss", n_failed=1),))
    assert [one.level for one in from_twins([twin])] == ["segment"]
