"""Places in code as the user attached the sides: no folder of anybody's machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from harness.judgement import DrawRow, SegmentRow, SegmentsResult, TwinRow
from harness.records import ComparisonSpec, SideSpec


def placed(segments: SegmentsResult, spec: ComparisonSpec) -> SegmentsResult:
    """Return the result with places that name the sides' files as the user attached them."""
    return replace(
        segments,
        rows=tuple(_row(row, spec) for row in segments.rows),
        draws=tuple(_draw(row, spec) for row in segments.draws),
    )


def placed_twins(twins: Sequence[TwinRow], spec: ComparisonSpec) -> tuple[TwinRow, ...]:
    """Return twin runs with such places, their repeated stretches included."""
    return tuple(
        replace(
            row,
            mine_place=place_of(row.mine_place, spec.mine),
            reference_place=place_of(row.reference_place, spec.reference),
            segments=tuple(_row(one, spec) for one in row.segments),
        )
        for row in twins
    )


def _row(row: SegmentRow, spec: ComparisonSpec) -> SegmentRow:
    return replace(
        row,
        mine_place=place_of(row.mine_place, spec.mine),
        reference_place=place_of(row.reference_place, spec.reference),
        mine_lines=tuple(place_of(one, spec.mine) for one in row.mine_lines),
        reference_lines=tuple(place_of(one, spec.reference) for one in row.reference_lines),
    )


def _draw(row: DrawRow, spec: ComparisonSpec) -> DrawRow:
    return replace(
        row,
        mine_place=place_of(row.mine_place, spec.mine),
        reference_place=place_of(row.reference_place, spec.reference),
        mine_lines=tuple(place_of(one, spec.mine) for one in row.mine_lines),
    )


def place_of(place: str, side: SideSpec) -> str:
    """Return a place that counts from the side's own file ("./loss.py:7") as the user would."""
    if not place.startswith("./"):
        return place
    return str(PurePosixPath(side.name.rpartition(":")[0]).parent / place.removeprefix("./"))
