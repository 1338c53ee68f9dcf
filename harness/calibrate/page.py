"""docs/calibration.md and, beside it, localisation.md, from the JSON files of the stages alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.calibrate import STAGE_NAMES, page_found, page_rows
from harness.calibrate.figures import figures_of
from harness.calibrate.page_words import WORDS, section, shown, table
from harness.files import write_atomic

Found = Mapping[str, Any]
# The page of every planted mistake.
ROWS = "localisation.md"


def write_page(results: Path, docs: Path) -> None:
    """Write the page, the one of every row and the pictures beside it, of what is measured."""
    found = {name: _read(results / f"{name}.json") for name in STAGE_NAMES}
    docs.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(docs, page(found).encode())
    rows = page_rows.page(found)
    if rows:
        write_atomic(docs.with_name(ROWS), rows.encode())
    images = docs.parent / "images"
    for name, content in figures_of(found).items():
        images.mkdir(exist_ok=True)
        write_atomic(images / name, content)


def _read(file: Path) -> Found:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def page(found: Mapping[str, Found]) -> str:
    """Return the page as Markdown; what is not measured yet is said to be so."""
    parts = [
        WORDS["head"],
        _headlines(found),
        section("False alarms", _alarms(found), found["false-alarms"]),
        section("False parity", _parity(found["false-parity"]), found["false-parity"]),
        section("Planted mistakes", page_found.detection(found["detection"]), found["detection"]),
        section("Without taps", page_found.untapped(found["untapped"]), found["untapped"]),
        section("All the way", page_found.road(found["road"]), found["road"]),
        section("Power, and where a difference begins", _power(found["power"]), found["power"]),
        section("What people do today", _practice(found), found["practice"]),
        WORDS["limits"],
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _headlines(found: Mapping[str, Found]) -> str:
    alarms, detection = found["false-alarms"], found["detection"]
    rows = []
    if alarms:
        rows.append(("false alarms, reference against itself", shown(alarms["all"])))
    if detection:
        rows.append(("planted mistakes found before any training", shown(detection["detected"])))
        rows.append(("component right in the first finding", shown(detection["first"])))
        rows.append(("changed line inside the lines named", shown(detection["inside"])))
    if found["pairs"]:
        rows.append(("of two mistakes at once, both named", shown(found["pairs"]["both"])))
    fewer = page_found.fewer_steps(found)
    if fewer:
        rows.append(("env steps of 10-seed training / env steps to the finding, median", fewer))
    return table(("question", "answer"), rows) if rows else "Nothing is measured yet."


def _alarms(found: Mapping[str, Found]) -> Sequence[str]:
    alarms, segments = found["false-alarms"], found["false-alarms-segments"]
    if not alarms:
        return ()
    levels = [(level, shown(rate)) for level, rate in alarms["levels"].items()]
    if segments:
        levels += [
            (
                "segments (the reference replayed against itself, nudged)",
                shown(segments["segment"]),
            ),
            ("draws", shown(segments["draw"])),
        ]
    groups = [(name, shown(rate), str(rate["parity"])) for name, rate in alarms["groups"].items()]
    benign = found["detection"].get("benign")
    twins = (
        f"Benign changes of the clean files, called DIVERGED: {shown(benign)}." if benign else ""
    )
    return (
        WORDS["alarms"],
        table(("level", "DIVERGED"), [("whole comparison of runs", shown(alarms["all"])), *levels]),
        table(("comparison", "DIVERGED", "PARITY"), groups),
        twins,
    )


def _parity(parity: Found) -> Sequence[str]:
    if not parity:
        return ()
    rows = [("all", shown(parity["parity"]), shown(parity["equivalent"]))]
    rows += [
        (name, shown(one["parity"]), shown(one["equivalent"]))
        for name, one in parity["groups"].items()
    ]
    return (
        WORDS["parity"],
        table(("world", "PARITY", "equivalence passes at some look"), rows),
    )


def _power(power: Found) -> Sequence[str]:
    if not power:
        return ()
    curves = list(power["curves"].values())
    looks = list(curves[0]["found"])
    rows = [
        (
            one["cell"],
            f"{one['effect']:g}",
            *(f"{100 * one['found'][look] / one['trials']:.0f} %" for look in looks),
        )
        for one in curves
    ]
    width = power["onset_width"]
    return (
        WORDS["power"],
        table(("cell", "effect", *(f"{look} seeds" for look in looks)), rows),
        "![Power against seeds, one panel per cell](images/calibration-power.png)",
        "The interval named for the onset (nominal 90 %) holds the true one in "
        f"{shown(power['onset'])}; its median width is {width or 0:,.0f} env steps.",
    )


def _practice(found: Mapping[str, Found]) -> Sequence[str]:
    practice = found["practice"]
    if not practice:
        return ()
    rows = [
        (
            name,
            shown(one["false_alarms"]) if one["false_alarms"]["trials"] else "see above",
            shown(one["detected"]),
            "-" if one["env_steps"] is None else f"{one['env_steps']:,.0f}",
        )
        for name, one in practice["practices"].items()
    ]
    return (
        WORDS["practice"].format(n_bugs=len(practice["bugs"])),
        table(("practice", "false alarms", "mistakes found", "env steps"), rows),
        page_found.fewer_words(found),
    )
