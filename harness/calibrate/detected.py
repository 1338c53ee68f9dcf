"""What was found of the planted mistakes, as figures: per level, severity and component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from harness.calibrate.detection import LEVELS
from harness.calibrate.ledger import Record
from harness.calibrate.rates import rate

# Beginning of the ids of mistakes that were planted after the search was built.
FRESH = "gen-"
# Of why a copy was refused, so many characters are kept per row.
MAX_REASON = 160


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Return the figures of every mistake, and a short row for each that went wrong."""
    bugs = [one for one in records if one["kind"] == "bug"]
    found = [one for one in bugs if one["verdict"] == "diverged"]
    benign = [one for one in records if one["kind"] == "benign"]
    return {
        "detected": _rate(bugs, lambda one: one["verdict"] == "diverged"),
        "refused": sum(one["verdict"] == "invalid" for one in bugs),
        "levels": {
            level: _rate([one for one in bugs if level in one["levels"]], _has(level))
            for level in LEVELS
            if any(level in one["levels"] for one in bugs)
        },
        "first_level": _counts(found, "level"),
        "severity": _by(bugs, "severity"),
        "component": _by_component(bugs),
        "file": _by(bugs, "file"),
        "fresh": _group([one for one in bugs if _is_fresh(one)]),
        "first": _rate(found, lambda one: one["is_first"]),
        "exact": _rate(found, lambda one: one["is_exact"]),
        "among": _rate(found, lambda one: one["is_among"]),
        "inside": _rate(found, lambda one: one["is_inside"]),
        "lines": _median(found, "n_lines"),
        "seconds": _median(found, "seconds"),
        "cpu_seconds": _median(found, "cpu_seconds"),
        "env_steps": _median(found, "env_steps"),
        "benign": _rate(benign, lambda one: one["verdict"] == "diverged"),
        "benign_names": [one["name"] for one in benign if one["verdict"] == "diverged"],
        "missed": [_short(one) for one in bugs if one["verdict"] != "diverged"],
        "misplaced": [_short(one) for one in found if not one["is_first"]],
        "outside": [_short(one) for one in found if not one["is_inside"]],
        "rows": [_listed(one) for one in records],
    }


def _is_fresh(one: Record) -> bool:
    return str(one["id"]).startswith(FRESH)


def _has(level: str) -> Callable[[Record], bool]:
    return lambda one: bool(one["levels"].get(level))


def _rate(records: Sequence[Record], claim: Callable[[Record], bool]) -> Mapping[str, Any]:
    return vars(rate(sum(claim(one) for one in records), len(records)))


def _counts(records: Sequence[Record], name: str) -> dict[str, int]:
    values = [str(one[name]) for one in records]
    return {value: values.count(value) for value in sorted({*values})}


def _by(bugs: Sequence[Record], name: str) -> dict[str, Any]:
    return {
        value or "none": _group([one for one in bugs if one[name] == value])
        for value in sorted({str(one[name]) for one in bugs})
    }


def _by_component(bugs: Sequence[Record]) -> dict[str, Any]:
    components = sorted({str(one["components"][0]) for one in bugs})
    return {
        value: _group([one for one in bugs if one["components"][0] == value])
        for value in components
    }


def _group(bugs: Sequence[Record]) -> dict[str, Any]:
    found = [one for one in bugs if one["verdict"] == "diverged"]
    return {
        "bugs": len(bugs),
        "found": len(found),
        "first": sum(bool(one["is_first"]) for one in found),
        "among": sum(bool(one["is_among"]) for one in found),
        "inside": sum(bool(one["is_inside"]) for one in found),
        "seconds": _median(found, "cpu_seconds"),
    }


def _median(records: Sequence[Record], name: str) -> float | None:
    return median(one[name] for one in records) if records else None


def _listed(one: Record) -> dict[str, Any]:
    kept = ("name", "title", "kind", "components", "level", "component", "quantity", "n_lines")
    claims = {name: one[name] for name in ("is_first", "is_among", "is_inside")}
    reason = "" if one["level"] else one["reason"][:MAX_REASON]
    return {**{name: one[name] for name in kept}, **claims, "reason": reason}


def _short(one: Record) -> dict[str, Any]:
    kept = ("name", "severity", "components", "verdict", "level", "component", "quantity", "reason")
    return {name: one[name] for name in kept}
