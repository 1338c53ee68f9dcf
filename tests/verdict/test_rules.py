"""The table of rules: which verdict follows from which evidence."""

import pytest

from harness.verdict import EvidenceSummary, decide

EQUIVALENT = {"equivalent_envs": ("E1",)}


@pytest.mark.parametrize(
    ("evidence", "verdict", "grounds"),
    [
        ({"fact_differences": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"sanity_differences": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"rejected": ("x",), **EQUIVALENT}, "diverged", ""),
        ({"rejected": ("x",), "failed_runs": ("y",)}, "diverged", ""),
        ({"failed_runs": ("y",), **EQUIVALENT}, "invalid", ""),
        ({"unobserved": ("E1",)}, "invalid", ""),
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
