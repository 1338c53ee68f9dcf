"""The sections about planted mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.calibrate.page_words import WORDS, shown, table

Found = Mapping[str, Any]
# Fixed training of today: this many seeds per side.
FIXED_SEEDS = 10


def detection(found: Found) -> Sequence[str]:
    """Return what is found before any training, per level, severity and component."""
    if not found:
        return ()
    levels = [(level, shown(rate)) for level, rate in found["levels"].items()]
    return (
        WORDS["detection"],
        table(("question", "answer"), _places(found)),
        table(("level alone", "mistakes found"), levels),
        table(_GROUP_HEAD, _groups(found["severity"])),
        table(_GROUP_HEAD, _groups(found["component"])),
        table(_GROUP_HEAD, _groups(found["file"])),
        _missed(found),
    )


# Perturbed repeats and the pre-flight play more than these two.
STEPS = "env steps, median (one recording and one replay of each scenario; repeats not counted)"


def _places(found: Found) -> list[tuple[str, str]]:
    rows = [
        ("found", shown(found["detected"])),
        ("component right in the first finding", shown(found["first"])),
        ("the same, counting no other as defensible", shown(found["exact"])),
        ("component right in the first three", shown(found["among"])),
        ("changed line inside the lines named", shown(found["inside"])),
    ]
    for name, words in (("lines", "lines named, median"), ("env_steps", STEPS)):
        if found[name] is not None:
            rows.append((words, f"{found[name]:,.0f}"))
    if found["seconds"] is not None:
        both = f"{found['seconds']:.0f} ({found['cpu_seconds']:.0f} of one processor)"
        rows.append(("seconds to the finding, median", both))
    fresh = found["fresh"]
    if fresh["bugs"]:
        words = (
            f"{fresh['found']} of {fresh['bugs']} found, {fresh['first']} with the component first"
        )
        rows.append(("mistakes planted after the search was built", words))
    if found["benign"]["trials"]:
        rows.append(("benign changes called DIVERGED", shown(found["benign"])))
    if found["refused"]:
        rows.append(("INVALID: the copy crashed or was not observed", str(found["refused"])))
    return rows


_GROUP_HEAD = ("mistakes", "planted", "found", "first", "first three", "line inside", "CPU s")


def _groups(groups: Mapping[str, Found]) -> list[tuple[str, ...]]:
    counts = ("bugs", "found", "first", "among", "inside")
    return [
        (
            name,
            *(str(one[count]) for count in counts),
            "-" if one["seconds"] is None else f"{one['seconds']:.0f}",
        )
        for name, one in groups.items()
    ]


def _missed(found: Found) -> str:
    lines = [
        f"- {one['name']} ({one['severity']}, {one['components'][0]}): {one['verdict']}"
        + (f": {' '.join(one['reason'].split())[:160]}" if one["reason"] else "")
        for one in found["missed"]
    ]
    lines += [
        f"- {one['name']}: expected {' or '.join(one['components'])}, named {one['component']} "
        f"({one['quantity']})"
        for one in found["misplaced"]
    ]
    return "\n".join(["Not found, or named otherwise:", "", *lines]) if lines else ""


def untapped(found: Found) -> Sequence[str]:
    """Return what is found of copies whose taps were taken out."""
    if not found:
        return ()
    return (
        WORDS["untapped"],
        table(("question", "answer"), _places(found)),
        table(_GROUP_HEAD, _groups(found["severity"])),
        _missed(found),
    )


def road(found: Found) -> Sequence[str]:
    """Return what is found when a comparison goes all the way."""
    if not found:
        return ()
    first = [(level, str(count)) for level, count in found["first_level"].items()]
    return (
        WORDS["road"],
        table(("question", "answer"), _places(found)),
        table(("first level that found it", "mistakes"), first),
        _missed(found),
    )


def fewer_steps(found: Mapping[str, Found]) -> str:
    """Return how many times fewer env steps a finding takes than fixed training, or ""."""
    detection_, practice = found["detection"], found["practice"]
    steps = detection_.get("env_steps")
    fixed = _fixed(practice)
    return f"{fixed / steps:.0f}" if steps and fixed else ""


def fewer_words(found: Mapping[str, Found]) -> str:
    """Return the comparison of env steps as a sentence."""
    fewer = fewer_steps(found)
    if not fewer:
        return ""
    steps, fixed = found["detection"]["env_steps"], _fixed(found["practice"])
    return WORDS["fewer"].format(steps=steps, n_seeds=FIXED_SEEDS, fixed=fixed, times=fewer)


def _fixed(practice: Found) -> float | None:
    rows = practice.get("practices", {})
    steps = [one["env_steps"] for name, one in rows.items() if f"{FIXED_SEEDS} seeds" in name]
    known = [one for one in steps if one is not None]
    return max(known) if known else None
