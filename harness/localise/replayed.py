"""Findings from replays, where draws are the reference's: segments, draw tests and twin runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.judgement import DrawRow, Finding, SegmentRow, SegmentsResult, TwinRow
from harness.localise.advice import look_next

# Where segments are tested, as findings name it; and how many fields are worth naming.
SCENARIO = "the exposing scenario"
MAX_FIELDS = 4


def from_segments(segments: SegmentsResult) -> list[Finding]:
    """Return failed segments in data-flow order, then rejected draws, one finding per source."""
    drawn: dict[str, list[DrawRow]] = {}
    for row in segments.draws:
        if row.is_rejected and not row.waived:
            drawn.setdefault(row.source, []).append(row)
    return [
        *(_segment_finding(row, where=SCENARIO) for row in segments.rows if is_failing(row)),
        *(_draw_finding(rows) for rows in drawn.values()),
    ]


def _draw_finding(rows: Sequence[DrawRow]) -> Finding:
    """Return one finding for a source: its clearest feature, and how many others differ too."""
    row = min(rows, key=lambda one: one.p_adjusted)
    said = row.reason or (
        f"mine {row.mine:.4g}, reference {row.reference:.4g} "
        f"(adjusted p = {row.p_adjusted:.2g}, n = {row.n})"
    )
    more = f"; {len(rows) - 1} more features differ" if len(rows) > 1 else ""
    summary = f"draws of {row.source}: {row.feature}: {said}{more}"
    return _finding("draw", SCENARIO, row, quantity=row.source, summary=summary)


def _segment_finding(row: SegmentRow, *, where: str) -> Finding:
    fields = f" ({', '.join(row.fields)})" if row.fields and len(row.fields) < MAX_FIELDS else ""
    said = []
    if row.n_failed:
        size = f", up to {row.size:.3g} noise floors" if math.isfinite(row.size) else ""
        said.append(
            f"{row.n_failed} of {row.n_events} differ{fields}{size}, "
            f"first at update {row.update}, env step {row.env_step}"
        )
    if row.missing:
        said.append(f"{row.missing} that the reference makes are missing")
    if row.extra:
        said.append(f"{row.extra} that the reference does not make")
    hints = f"; {'; '.join(row.hints)}" if row.hints else ""
    summary = f"{row.tap}: from the same inputs, {', '.join(said)}{hints}"
    return _finding("segment", where, row, quantity=row.tap, summary=summary)


def from_twins(twins: Sequence[TwinRow]) -> list[Finding]:
    """Return, per environment, the stretches that failed around the departure, then the departure.

    The stretches are of level "segment", so they come before every twin run in the final order.
    """
    found: list[Finding] = []
    for row in twins:
        if row.status == "departed":
            pieces = (piece for piece in row.segments if is_failing(piece))
            found += [_segment_finding(piece, where=row.env_id) for piece in pieces]
            found += [] if row.waived else [_twin_finding(row)]
    return found


def is_failing(row: SegmentRow) -> bool:
    """Return whether a stretch differs and no waiver hides it."""
    return row.status == "failed" and not row.waived


def _twin_finding(row: TwinRow) -> Finding:
    detail = f"; {row.detail}" if row.detail else ""
    summary = (
        f"whole run under the reference's draws (seed {row.seed}): {row.quantity} departs "
        f"first, at env step {row.env_step:,}, update {row.update:,}: off by {row.size:.3g} "
        f"of its scale, nudged reference runs by at most {row.band:.3g}{detail}"
    )
    return _finding("twin", row.env_id, row, quantity=row.quantity, summary=summary)


def _finding(
    level: str, where: str, row: SegmentRow | DrawRow | TwinRow, *, quantity: str, summary: str
) -> Finding:
    return Finding(
        level=level,
        env_id=where,
        component=row.component,
        quantity=quantity,
        summary=summary,
        look_next=look_next(row.component, quantity=quantity),
        mine_place=row.mine_place,
        reference_place=row.reference_place,
    )
