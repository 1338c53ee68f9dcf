"""The table of rules that turns evidence into one of four verdicts."""

from harness.verdict import words
from harness.verdict.rules import RULES, Decision, EvidenceSummary, Rule, decide

__all__ = ["RULES", "Decision", "EvidenceSummary", "Rule", "decide", "words"]
