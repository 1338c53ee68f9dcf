"""Facts, sanity checks and the order of suspicion: pure functions from observations to findings."""

from harness.localise.facts import compare_facts
from harness.localise.ordering import differing_sanity, find_divergences, order_metrics
from harness.localise.places import SidePlaces
from harness.localise.sanity import Subject, check_sanity

__all__ = [
    "SidePlaces",
    "Subject",
    "check_sanity",
    "compare_facts",
    "differing_sanity",
    "find_divergences",
    "order_metrics",
]
