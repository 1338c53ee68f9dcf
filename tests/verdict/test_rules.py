"""The table of rules: which verdict follows from which evidence."""

import pytest

from harness.verdict import RULES, EvidenceSummary, decide

EQUIVALENT = {"equivalent_envs": ("E1",)}
NUMERICAL = {"numerical": ("all 19 stretches",)}


@pytest.mark.parametrize(
    ("evidence", "verdict", "grounds"),
    [
        ({"fact_differences": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"sanity_differences": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"segment_differences": ("x",), **NUMERICAL}, "diverged", ""),
        ({"draw_rejections": ("x",), **NUMERICAL}, "diverged", ""),
        ({"twin_departures": ("x",), **NUMERICAL}, "diverged", ""),
        ({"rejected": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"rejected": ("x",), **NUMERICAL}, "diverged", ""),
        ({"rejected": ("x",), "failed_runs": ("y",)}, "diverged", ""),
        ({"failed_runs": ("y",), **EQUIVALENT}, "invalid", ""),
        ({"failed_runs": ("y",), **NUMERICAL}, "invalid", ""),
        ({"invalid_segments": ("y",), **NUMERICAL}, "invalid", ""),
        ({"invalid_segments": ("y",), "rejected": ("x",)}, "diverged", ""),
        ({"unobserved": ("E1",)}, "invalid", ""),
        ({"waiver_failures": ("x",), "failed_runs": ("y",)}, "invalid", ""),
        ({"waiver_failures": ("x",), **NUMERICAL, **EQUIVALENT}, "diverged", ""),
        ({**NUMERICAL, "not_equivalent_envs": ("E1",)}, "parity", "numerical"),
        ({**NUMERICAL, **EQUIVALENT}, "parity", "numerical"),
        ({**NUMERICAL, **EQUIVALENT, "numerical_gaps": ("x",)}, "parity", "statistical"),
        (
            {**NUMERICAL, "not_equivalent_envs": ("E1",), "numerical_gaps": ("x",)},
            "inconclusive",
            "",
        ),
        (EQUIVALENT, "parity", "statistical"),
        ({**EQUIVALENT, "not_equivalent_envs": ("E2",)}, "inconclusive", ""),
        ({"not_equivalent_envs": ("E2",)}, "inconclusive", ""),
    ],
)
def test_verdict_follows_from_the_first_rule_that_applies(evidence, verdict, grounds):
    decision = decide(EvidenceSummary(**evidence))
    assert (decision.verdict, decision.grounds) == (verdict, grounds)


def test_nothing_gathered_is_never_parity():
    decision = decide(EvidenceSummary())
    assert decision.verdict == "inconclusive"
    assert "no evidence was gathered" in decision.reasons[0]


def test_reasons_of_every_rule_with_the_same_verdict_are_named():
    decision = decide(EvidenceSummary(fact_differences=("a",), rejected=("b",)))
    assert len(decision.reasons) == 2
    assert decision.reasons[0].startswith("an exact fact differs: a")
    assert decision.reasons[1].endswith("b")


def test_inconclusive_names_what_numerical_parity_lacks():
    decision = decide(
        EvidenceSummary(not_equivalent_envs=("E1",), numerical_gaps=("no twin run of E1",))
    )
    assert decision.reasons[-1].endswith("numerical parity lacks: no twin run of E1")


def test_every_rule_gives_its_reasons_and_has_a_title():
    assert all(rule.title for rule in RULES)
    assert [rule.verdict for rule in RULES][-1] == "inconclusive"
