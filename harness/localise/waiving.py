"""Rows of a judgement as quantities that a waiver can speak of."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judgement import EnvJudgement, FactRow, SanityRow, SegmentRow
from harness.localise.ordering import differing_sanity
from harness.waiver import Checked, State


def checked_fact(row: FactRow) -> Checked:
    """Return a fact: one that differs without deciding (or was seen on one side) is undecided."""
    differing: State = "differs" if row.decides else "undecided"
    return Checked("fact", row.name, row.env_id, "agrees" if row.is_equal else differing)


def checked_segment(row: SegmentRow, env_ids: Sequence[str]) -> tuple[Checked, ...]:
    """Return a segment once for every environment compared, for it concerns them all.

    Empty for a segment that was not exercised or not observed. An event that is missing or one too
    many is a difference of the whole, not of single fields.
    """
    if row.status not in ("passed", "failed"):
        return ()
    state: State = "differs" if row.status == "failed" else "agrees"
    is_whole = state == "agrees" or row.missing or row.extra
    fields = () if is_whole else row.fields
    return tuple(Checked("segment", row.tap, env_id, state, fields) for env_id in env_ids)


def checked_sanity(rows: Sequence[SanityRow]) -> dict[SanityRow, Checked]:
    """Return each row with what it says: a check differs when it holds on one side only."""
    differing = differing_sanity(rows)
    return {
        row: Checked("sanity", row.check, row.env_id, "differs" if row in differing else "agrees")
        for row in rows
    }


def checked_metrics(env: EnvJudgement) -> dict[str, Checked]:
    """Return metric -> what its test says; only the learning curve can be shown to agree."""
    is_equivalent = bool(env.endpoints) and all(one.is_equivalent for one in env.endpoints)
    found = {}
    for test in env.metrics:
        state: State = "agrees" if test.family == "curve" and is_equivalent else "undecided"
        state = "differs" if test.is_significant else state
        found[test.metric] = Checked(test.family, test.metric, env.env_id, state)
    return found
