"""The segments alone: one verdict, which is the exit code of `compare segments`."""

import pytest

from harness.judge import judge_segments
from harness.judgement import SegmentsResult
from tests.judge import evidence as made

CASES = {
    "all passed": (made.segments(), "parity"),
    "optional one not seen": (
        made.segments(made.segment("loss", "unobserved", is_optional=True)),
        "parity",
    ),
    "convention": (made.segments(made.segment("loss", "convention")), "parity"),
    "failed": (made.segments(made.failed("loss")), "diverged"),
    "draw rejected": (made.segments(draws=[made.draw("rows", is_rejected=True)]), "diverged"),
    "not seen": (made.segments(made.segment("loss", "unobserved")), "inconclusive"),
    "not exercised": (made.segments(made.segment("loss", "not exercised")), "inconclusive"),
    "event that never happened": (made.segments(events={"truncations": 0}), "inconclusive"),
    "nothing": (SegmentsResult(reason="no taps"), "invalid"),
    "a side raised": (SegmentsResult(reason="raised", is_invalid=True), "invalid"),
}


@pytest.mark.parametrize("case", CASES)
def test_verdict_of_segments_alone(case):
    found, verdict = CASES[case]
    assert judge_segments(made.spec(), found).verdict == verdict


def test_waived_failure_is_neither_passed_nor_failed():
    alone = judge_segments(made.spec(made.waiver("loss")), made.segments(made.failed("loss")))
    assert alone.verdict == "inconclusive"
    assert alone.failures == ()


def test_waiver_of_what_passes_fails():
    alone = judge_segments(made.spec(made.waiver("loss")), made.segments())
    assert alone.verdict == "diverged"
    assert alone.failures == ("waiver of 'loss': loss no longer differs; remove the waiver",)


def test_waiver_of_what_segments_do_not_look_at_is_left_alone():
    assert judge_segments(made.spec(made.waiver("n_updates")), made.segments()).verdict == "parity"
