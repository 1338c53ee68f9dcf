"""Declared deviations through the whole judge: shown as waived, never passed, hiding one thing."""

from dataclasses import replace

import pytest

from harness.judge import conclude, deterministic_divergence, judge_look
from tests.judge import evidence as made

REASON = "on purpose"


def test_waived_fact_leaves_numerical_parity_possible_and_is_shown_as_waived():
    spec = made.spec(made.waiver("n_updates"))
    facts = {"mine": {"n_updates": [11]}}
    judgement = made.judged(spec, facts=facts)
    assert judgement.grounds == "numerical"
    (row,) = judgement.facts
    assert (row.is_equal, row.waived) == (False, REASON)
    assert [one.status for one in judgement.waivers] == ["applied"]
    assert judgement.findings == ()
    assert not deterministic_divergence(spec, made.gathered(spec, facts=facts))


WAIVED = {
    "segment td_target": ("td_target", {"segments": made.segments(made.failed("td_target"))}),
    "draw action": (
        "action",
        {"segments": made.segments(draws=[made.draw("action", is_rejected=True)])},
    ),
    "twin td_target": ("td_target", {"twins": (made.departed(),)}),
}


@pytest.mark.parametrize("case", WAIVED)
def test_waived_difference_is_no_divergence_and_no_numerical_parity_either(case):
    what, changed = WAIVED[case]
    level = case.split()[0]
    judgement = made.judged(made.spec(made.waiver(what, level=level)), **changed)
    assert judgement.verdict == "inconclusive"
    assert judgement.findings == ()
    assert [one.status for one in judgement.waivers] == ["applied"]
    assert any("waived" in sentence for sentence in judgement.look_next)


@pytest.mark.parametrize(
    "second",
    [
        {"segments": made.segments(made.failed("td_target"), made.failed("q_values"))},
        {"segments": made.segments(made.failed("td_target", fields=("a",)), made.failed("batch"))},
        {
            "segments": made.segments(
                made.failed("td_target"), draws=[made.draw("rows", is_rejected=True)]
            )
        },
        {
            "segments": made.segments(made.failed("td_target")),
            "twins": (made.departed(segments=(made.failed("loss"),)),),
        },
    ],
)
def test_waiver_never_hides_a_second_defect(second):
    judgement = made.judged(made.spec(made.waiver("td_target")), **second)
    assert judgement.verdict == "diverged"
    (finding,) = judgement.findings
    assert finding.quantity in ("q_values", "batch", "rows", "loss")


def test_waiver_of_one_field_hides_no_other_field_of_the_same_tap():
    both = made.segments(made.failed("transition", fields=("obs", "reward")))
    spec = made.spec(made.waiver("transition.reward"))
    assert made.judged(spec, segments=both).verdict == "diverged"
    one = made.segments(made.failed("transition", fields=("reward",)))
    assert made.judged(spec, segments=one).verdict == "inconclusive"


def test_waiver_of_another_environment_does_not_hide_a_segment():
    rows = made.segments(made.failed("td_target"))
    spec = made.spec(made.waiver("td_target", env=made.ENV), env_ids=(made.ENV, "Acrobot-v1"))
    assert made.judged(spec, segments=rows).verdict == "diverged"


def test_expired_waiver_hides_nothing_and_fails_itself():
    old = made.waiver("n_updates", expires="2026-06-29")
    judgement = made.judged(made.spec(old), facts={"mine": {"n_updates": [11]}})
    assert judgement.verdict == "diverged"
    assert judgement.findings[0].quantity == "n_updates"
    assert "a declared deviation does not hold: waiver of 'n_updates'" in judgement.reasons[-1]


def test_waiver_of_what_agrees_again_is_diverged_without_a_finding():
    judgement = made.judged(made.spec(made.waiver("n_updates")))
    assert judgement.verdict == "diverged"
    assert judgement.findings == ()
    assert "do not agree as declared" in judgement.headline
    assert "n_updates no longer differs; remove the waiver" in judgement.look_next[0]


def test_waiver_is_not_refuted_while_runs_are_missing():
    judgement = made.judged(made.spec(made.waiver("n_updates")), drop=(("reference", 2),))
    assert judgement.verdict == "inconclusive"
    (row,) = judgement.waivers
    assert (row.status, row.detail) == (
        "undecided",
        "agrees so far; not everything was compared",
    )


def test_waived_trace_does_not_make_its_environment_diverge():
    shift = {"transition.obs.mean": 50.0}
    plain = made.spec(n_seeds=8)
    assert made.judged(plain, shift=shift).verdict == "diverged"
    spec = made.spec(made.waiver("transition.obs"), n_seeds=8)
    # The segment agrees, so a waiver of every level is refuted; one of traces holds.
    assert made.judged(spec, shift=shift).verdict == "inconclusive"
    only = made.spec(made.waiver("transition.obs", level="trace"), n_seeds=8)
    judgement = made.judged(only, shift=shift)
    assert judgement.verdict == "inconclusive"
    (env,) = judgement.envs
    assert env.outcome == "inconclusive"
    assert {test.metric for test in env.metrics if test.waived} == {"transition.obs.mean"}


def test_waived_sanity_check_is_no_difference():
    facts = {"mine": {"first_non_finite": "loss at update 3"}}
    assert made.judged(made.spec(), facts=facts).verdict == "diverged"
    spec = made.spec(made.waiver("every loss, gradient and parameter is finite", level="sanity"))
    judgement = made.judged(spec, facts=facts)
    assert judgement.verdict == "inconclusive"
    (row,) = (row for row in judgement.sanity if row.waived)
    assert (row.role, row.passed, row.waived) == ("mine", False, REASON)


def test_twin_waived_on_one_environment_departs_on_the_other():
    spec = made.spec(
        made.waiver("td_target", level="twin", env=made.ENV), env_ids=(made.ENV, "Acrobot-v1")
    )
    twins = (made.departed(), replace(made.departed(), env_id="Acrobot-v1"))
    known = made.gathered(spec, twins=twins)
    judgement = conclude(spec, known, [judge_look(spec, known, 0)])
    assert judgement.verdict == "diverged"
    assert [one.env_id for one in judgement.findings] == ["Acrobot-v1"]


def test_trace_of_a_convention_is_a_note_and_no_divergence():
    spec, shift = made.spec(n_seeds=8), {"transition.obs.mean": 50.0}
    rows = made.segments(made.segment("transition", "convention"))
    judgement = made.judged(spec, shift=shift, segments=rows)
    assert (judgement.verdict, judgement.grounds) == ("parity", "numerical")
    (test,) = (test for test in judgement.envs[0].metrics if test.waived)
    assert (test.metric, test.is_significant) == ("transition.obs.mean", True)
    assert "another convention" in test.waived


def test_waiver_of_a_convention_is_neither_needed_nor_refuted():
    rows = made.segments(made.segment("loss", "convention"))
    judgement = made.judged(made.spec(made.waiver("loss")), segments=rows)
    assert judgement.grounds == "numerical"
    assert [row.status for row in judgement.waivers] == ["undecided"]
