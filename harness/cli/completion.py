"""Shell completion from static tables: no torch, no gymnasium."""

from __future__ import annotations

from harness.spec.cards import algos
from harness.spec.tiers import BUDGETS, TIERS, known_ids


def complete_algo(incomplete: str) -> list[str]:
    """Return the algorithms that begin with what was typed."""
    return [name for name in algos() if name.startswith(incomplete)]


def complete_envs(incomplete: str) -> list[str]:
    """Return tier names and ids for the last item of a comma-separated list.

    >>> complete_envs("easy,med")
    ['easy,medium']
    """
    head, comma, last = incomplete.rpartition(",")
    chosen = head.split(",")
    found = [name for name in (*TIERS, *known_ids()) if name.startswith(last)]
    return [f"{head}{comma}{name}" for name in found if name not in chosen]


def complete_budget(incomplete: str) -> list[str]:
    """Return the budgets that begin with what was typed."""
    return [name for name in BUDGETS if name.startswith(incomplete)]


def complete_reference(incomplete: str) -> list[str]:
    """Return the registered references that begin with what was typed."""
    from harness.spec.references import reference_names

    return [name for name in reference_names() if name.startswith(incomplete)]
