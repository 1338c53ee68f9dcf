"""Parity by numbers: every piece of evidence is needed, and the report says which one lacks."""

from dataclasses import replace

import pytest

from harness.judge import deterministic_divergence, is_settled
from harness.judgement import SegmentsResult
from harness.preflight import PreflightResult, PreflightRun
from harness.records import Outcome, RunRecord
from tests.judge import evidence as made


def test_everything_agreeing_with_three_seeds_is_numerical_parity():
    judgement = made.judged(made.spec())
    assert (judgement.verdict, judgement.grounds) == ("parity", "numerical")
    assert "numerically the same as reference" in judgement.headline
    assert judgement.look_next == ()
    said = " ".join(judgement.reasons)
    for words in ("stretches of code", "random draws", "2,000 env steps", "3 and 3 seeds"):
        assert words in said
    assert judgement.twins == (made.twin(),)
    assert {row.source for row in judgement.draws} == set(made.SOURCES)


OPTIONAL = made.segment("loss", "unobserved", is_optional=True)
GAPS = [
    ({"segments": SegmentsResult(reason="mine has no taps")}, "segments: mine has no taps"),
    ({"segments": SegmentsResult()}, "segments: none was tested"),
    (
        {"segments": made.segments(made.segment("epsilon", "unobserved"))},
        "not tested alone: epsilon (exploration): add the tap epsilon to mine",
    ),
    (
        {"segments": made.segments(made.segment("q_net_step", "unobserved"))},
        "q_net_step (gradient-optimiser): add the tap q_net to mine",
    ),
    (
        {"segments": made.segments(made.segment("resets", "unobserved"))},
        "resets (gradient-optimiser): it was not seen in mine",
    ),
    (
        {"segments": made.segments(made.segment("loss", "unobserved", hints=("needs rows",)))},
        "loss (loss): needs rows",
    ),
    (
        {"segments": made.segments(made.segment("loss", "not exercised"))},
        "loss (loss): no scenario that mine can run makes it happen",
    ),
    (
        {"segments": made.segments(events={"truncations": 0, "updates": 3})},
        "never happened in the scenarios: truncations",
    ),
    (
        {"segments": replace(made.segments(), draws=(made.draw("action"),))},
        "draws not tested: q_net, rows",
    ),
    ({"twins": ()}, "CartPole-v1: no whole run under the reference's draws (twin run)"),
    ({"twins": (made.twin("not run", detail="it hung"),)}, "reference's draws: it hung"),
    ({"drop": (("mine", 2),)}, "curves of 2 seeds per side, 3 are needed"),
]


@pytest.mark.parametrize(("changed", "gap"), GAPS)
def test_each_lacking_piece_keeps_parity_open_and_is_named(changed, gap):
    judgement = made.judged(made.spec(), **changed)
    assert judgement.verdict == "inconclusive"
    assert any(gap in sentence for sentence in judgement.look_next)
    assert any(gap in reason for reason in judgement.reasons)


def test_optional_stretch_that_is_not_observed_is_no_gap():
    judgement = made.judged(made.spec(), segments=made.segments(OPTIONAL))
    assert judgement.grounds == "numerical"


def test_convention_counts_as_passed_and_is_noted():
    rows = made.segments(made.segment("loss", "convention"))
    judgement = made.judged(made.spec(), segments=rows)
    assert judgement.grounds == "numerical"
    assert "loss by another convention" in judgement.reasons[0]


def test_two_seeds_are_too_few_curves():
    judgement = made.judged(made.spec(n_seeds=2))
    assert judgement.verdict == "inconclusive"
    assert any("3 are needed" in sentence for sentence in judgement.look_next)


def test_environment_without_facts_is_a_gap():
    known = made.gathered(made.spec())
    bare = {place: replace(trace, facts={}) for place, trace in known.traces.items()}
    judgement = made.judged(made.spec(), traces=bare)
    assert "for numerical parity: CartPole-v1: no facts were seen on both sides" in (
        judgement.look_next
    )


def test_every_environment_needs_its_twin_run():
    spec = made.spec(env_ids=(made.ENV, "Acrobot-v1"))
    assert made.judged(spec).grounds == "numerical"
    judgement = made.judged(spec, twins=(made.twin(),))
    assert judgement.verdict == "inconclusive"
    assert any(
        sentence.startswith("for numerical parity: Acrobot-v1: no whole run")
        for sentence in judgement.look_next
    )


DIVERGED = {
    "segment": {"segments": made.segments(made.failed("td_target"))},
    "draw": {"segments": made.segments(draws=[made.draw("action", is_rejected=True)])},
    "twin": {"twins": (made.departed(),)},
    "fact": {"facts": {"mine": {"n_updates": [11]}}},
}


@pytest.mark.parametrize("level", DIVERGED)
def test_each_exact_difference_is_diverged_before_any_curve(level):
    judgement = made.judged(made.spec(), **DIVERGED[level])
    assert judgement.verdict == "diverged"
    assert [one.level for one in judgement.findings] == [level]
    assert deterministic_divergence(made.spec(), made.gathered(made.spec(), **DIVERGED[level]))


def test_findings_of_all_levels_are_in_the_order_of_suspicion():
    piece = made.failed("q_values", scenario="around env step 700")
    judgement = made.judged(
        made.spec(),
        segments=made.segments(
            made.failed("td_target"),
            made.failed("transition"),
            draws=[made.draw("action", is_rejected=True)],
        ),
        twins=(made.departed(segments=(piece,), detail="late"),),
        facts={"mine": {"n_updates": [11]}},
    )
    told = [(one.level, one.env_id, one.quantity) for one in judgement.findings]
    assert told == [
        ("segment", "the exposing scenario", "transition"),
        ("segment", "the exposing scenario", "td_target"),
        ("segment", made.ENV, "q_values"),
        ("draw", "the exposing scenario", "action"),
        ("fact", made.ENV, "n_updates"),
        ("twin", made.ENV, "td_target"),
    ]
    said = judgement.findings[-1].summary
    assert "td_target departs first, at env step 700, update 9" in said
    assert said.endswith("; late")
    assert "CartPole-v1: q_values (network-architecture) in the repeated stretch" in " ".join(
        judgement.reasons
    )


def test_side_that_failed_in_a_scenario_is_invalid_with_its_words_on_one_line():
    broken = SegmentsResult(reason="scenario 'base': mine raised: a\n  b", is_invalid=True)
    judgement = made.judged(made.spec(), segments=broken)
    assert judgement.verdict == "invalid"
    said = "a scenario could not be compared: scenario 'base': mine raised: a b"
    assert judgement.reasons == (said,)
    assert judgement.look_next == (said,)
    known = made.gathered(made.spec(), segments=broken)
    assert is_settled(made.spec(), known)
    assert not deterministic_divergence(made.spec(), known)


def test_runs_that_failed_keep_numerical_parity_from_hiding_them():
    known = made.gathered(made.spec(), drop=(("mine", 2),))
    first = next(iter(known.records))
    lost = first._replace(seed=2)
    records = {**known.records, lost: RunRecord(known.records[first].spec, Outcome.CRASHED, "x")}
    assert made.judged(made.spec(), records=records, drop=(("mine", 2),)).verdict == "invalid"


def test_side_that_failed_in_a_twin_run_is_invalid_and_nothing_is_trained_for_it():
    broken = made.twin("not run", detail="mine raised: a\n  b", is_invalid=True)
    judgement = made.judged(made.spec(), twins=(broken,))
    assert judgement.verdict == "invalid"
    (reason,) = judgement.reasons
    assert reason == "a whole run under the same draws failed: CartPole-v1: mine raised: a b"
    assert is_settled(made.spec(), made.gathered(made.spec(), twins=(broken,)))


def test_twin_run_that_lacks_taps_is_a_gap_and_not_invalid():
    lacking = made.twin("not run", detail="needs the tap rows")
    judgement = made.judged(made.spec(), twins=(lacking,))
    assert judgement.verdict == "inconclusive"
    assert not is_settled(made.spec(), made.gathered(made.spec(), twins=(lacking,)))


@pytest.mark.parametrize(
    ("outcome", "is_invalid"),
    [(Outcome.CRASHED, True), (Outcome.EXITED, True), (Outcome.HUNG, False)],
)
def test_side_that_cannot_begin_is_invalid_but_a_long_pause_is_not(outcome, is_invalid):
    begun = PreflightResult((PreflightRun("mine", made.ENV, 0, outcome, "its words"),))
    judgement = made.judged(made.spec(), preflight=begun)
    assert (judgement.verdict == "invalid") is is_invalid
    assert is_settled(made.spec(), made.gathered(made.spec(), preflight=begun)) is is_invalid
    assert any("its words" in reason for reason in judgement.reasons) is is_invalid
