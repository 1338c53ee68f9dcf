"""docs/localisation.md: what was said of every planted mistake, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.calibrate.page_words import WORDS, section, shown, table

Found = Mapping[str, Any]
# Kind of change -> title of its table.
TITLES = {"convention": "Other accepted ways", "benign": "Benign changes"}


def page(found: Mapping[str, Found]) -> str:
    """Return the page as Markdown; "" where no mistake was planted yet."""
    detection, pairs = found["detection"], found["pairs"]
    if not detection:
        return ""
    rows = detection["rows"]
    mistakes = [one for one in rows if one["kind"] == "bug"]
    parts = [
        WORDS["rows"],
        section("Mistakes", (table(_HEAD, [_line(one) for one in mistakes]),), detection),
        *(
            _quiet(title, [one for one in rows if one["kind"] == kind])
            for kind, title in TITLES.items()
        ),
        section("Two mistakes at once", _pairs(pairs), pairs) if pairs else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


_HEAD = ("mistake", "expected", "first finding", "level", "component", "line inside", "lines")


def _line(one: Found) -> tuple[str, ...]:
    named = "right" if one["is_first"] else "in first three" if one["is_among"] else "wrong"
    is_found = bool(one["level"])
    return (
        f"{one['name']}: {one['title']}",
        " or ".join(one["components"]),
        _first(one),
        one["level"] or "-",
        named if is_found else "-",
        ("yes" if one["is_inside"] else "no") if is_found else "-",
        str(one["n_lines"]),
    )


def _first(one: Found) -> str:
    if one["level"]:
        return f"{one['quantity']}: {one['component']}"
    return " ".join(one["reason"].split()) or "nothing"


def _quiet(title: str, rows: Sequence[Found]) -> str:
    """Return the table of changes after which little or nothing is to be said."""
    if not rows:
        return ""
    lines = [(f"{one['name']}: {one['title']}", _first(one)) for one in rows]
    return f"## {title}\n\n{table(('change', 'first finding'), lines)}"


def _pairs(pairs: Found) -> Sequence[str]:
    lines = [
        f"- {' '.join(one['with'])} with {one['name']}: the latter is not named"
        for one in pairs["lacking"]
    ]
    return (f"Both named: {shown(pairs['both'])}.", "\n".join(lines))
