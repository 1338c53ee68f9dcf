"""The segments alone, as plain text: one line per stretch of code, and what to open."""

from __future__ import annotations

from harness.judgement import SegmentRow, SegmentsResult
from harness.report.text import terminal as clean
from harness.report.words import number

MARKS = {"passed": "ok", "failed": "FAIL", "not exercised": "none", "unobserved": "?"}


def render_segments(found: SegmentsResult) -> str:
    """Return one line per stretch, what was exercised, and where to look first."""
    if not found.rows:
        return f"nothing was compared: {clean(found.reason, 600)}"
    width = max(len(row.tap) for row in found.rows)
    lines = [_line(row, width) for row in found.rows]
    events = ", ".join(f"{count:,} {name}" for name, count in found.events.items())
    counts = {word: sum(row.status == word for row in found.rows) for word in MARKS}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    first = next((row for row in found.rows if row.status == "failed"), None)
    lines += ["", f"exercised: {events}", f"{len(found.rows)} stretches of code: {summary}"]
    if first is not None:
        places = f"{clean(first.mine_place)} beside {clean(first.reference_place)}"
        lines.append(f"open first: {places} ({first.component})")
    return "\n".join(lines)


def _line(row: SegmentRow, width: int) -> str:
    text = f"{MARKS[row.status]:>4}  {clean(row.tap):<{width}}  {clean(row.mine_place)}"
    if row.n_failed:
        text += f"; {row.n_failed} of {row.n_events} differ, up to {number(row.size, 3)} tolerances"
    if row.missing or row.extra:
        text += f"; {row.missing} missing, {row.extra} extra"
    return text + "".join(f"; {clean(hint)}" for hint in row.hints)
