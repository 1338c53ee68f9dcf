"""Facts, sanity checks and the order of suspicion: pure functions from observations to findings."""

from harness.localise.closed_form import check_closed_form
from harness.localise.compared import Compared
from harness.localise.facts import compare_facts
from harness.localise.ordering import (
    differing_facts,
    differing_sanity,
    find_divergences,
    order_metrics,
)
from harness.localise.places import SidePlaces
from harness.localise.replayed import is_failing
from harness.localise.sanity import Subject, check_sanity
from harness.localise.waiving import CONVENTION, noted, waive

__all__ = [
    "CONVENTION",
    "Compared",
    "SidePlaces",
    "Subject",
    "check_closed_form",
    "check_sanity",
    "compare_facts",
    "differing_facts",
    "differing_sanity",
    "find_divergences",
    "is_failing",
    "noted",
    "order_metrics",
    "waive",
]
