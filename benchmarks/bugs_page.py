"""What the planted mistakes show, as the tables of docs/localisation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bugs.catalogue import ALGOS, Planted, planted

Record = Mapping[str, Any]
# Findings that a reader can be expected to look at.
FIRST_FEW = 3
FINDING_LEVELS = ("segment", "draw")


@dataclass(frozen=True)
class Judged:
    """One planted change and what was said of it.

    Attributes:
        level, component, quantity: of the first finding; "" without one.
        is_named: the component of the first finding is the expected one, or one as defensible.
        is_exact: it is the expected one. is_among: one of the first few findings has it.
        is_inside: a changed line is one of the lines that the first finding names.
        n_lines: lines that it names, all stretches together. n_findings: all.
    """

    row: Planted
    level: str
    component: str
    quantity: str
    is_named: bool
    is_exact: bool
    is_among: bool
    is_inside: bool
    n_lines: int
    n_findings: int
    seconds: float
    reason: str

    @property
    def is_found(self) -> bool:
        """Return whether anything was found."""
        return self.n_findings > 0


@dataclass(frozen=True)
class Pair:
    """Two mistakes at once, and whether each is named by the quantity that it shows in alone."""

    names: tuple[str, str]
    is_named: tuple[bool, bool]
    seconds: float


def judge(row: Planted, record: Record) -> Judged:
    """Return what a record says of a planted change."""
    findings = record["findings"]
    first = findings[0] if findings else {}
    few = [finding["component"] for finding in findings[:FIRST_FEW]]
    lines = set(first.get("lines", ()))
    return Judged(
        row=row,
        level=first.get("level", ""),
        component=first.get("component", ""),
        quantity=first.get("quantity", ""),
        is_named=first.get("component") in row.components,
        is_exact=first.get("component") == row.component,
        is_among=any(component in row.components for component in few),
        is_inside=bool(lines & set(record["changed"])),
        n_lines=len(lines),
        n_findings=len(findings),
        seconds=record["seconds"],
        reason=record["reason"],
    )


def judge_pair(first: tuple[Planted, str], second: tuple[Planted, str], record: Record) -> Pair:
    """Return whether both mistakes of a pair are named.

    Args:
        first, second: a planted change, and the quantity that it shows in when alone.
    """
    quantities = {finding["quantity"] for finding in record["findings"]}
    (a, of_a), (b, of_b) = first, second
    return Pair((a.name, b.name), (of_a in quantities, of_b in quantities), record["seconds"])


def page(judged: Sequence[Judged], pairs: Sequence[Pair], repeats: Sequence[Record]) -> str:
    """Return the page as Markdown."""
    bugs = [one for one in judged if one.row.kind == "bug"]
    parts = [
        _HEAD,
        _scope(judged),
        _summary(bugs, judged, pairs, repeats),
        "\n## Mistakes\n",
        _table(bugs),
    ]
    for kind, title in (("convention", "Other accepted ways"), ("benign", "Benign changes")):
        rows = [one for one in judged if one.row.kind == kind]
        parts += [f"\n## {title}\n", _quiet_table(rows)]
    wrong = [pair for pair in pairs if not all(pair.is_named)]
    if wrong:
        parts += ["\n## Pairs of which one was not named\n", *(_pair_line(p) for p in wrong)]
    return "\n".join(parts).rstrip() + "\n"


_HEAD = """# How well the segment test names the line

Written by `make bench-bugs`: every mistake of `tests/bugs/*.toml` is planted alone in a copy of the
clean implementation, and the segment test is run on it as `compare segments` would. Most of the
mistakes were made in public projects; their sources stand in those files.
"""


def _scope(judged: Sequence[Judged]) -> str:
    """Return which rows were run, so that a page of some algorithms is not read as one of all."""
    run = [one.row.algo for one in judged]
    counted = (f"{algo} {run.count(algo)} of {len(planted(algo))}" for algo in ALGOS)
    return f"Rows run: {', '.join(counted)}.\n"


def _summary(
    bugs: Sequence[Judged],
    judged: Sequence[Judged],
    pairs: Sequence[Pair],
    repeats: Sequence[Record],
) -> str:
    here = [one for one in bugs if one.row.level in FINDING_LEVELS]
    found = [one for one in here if one.is_found]
    benign = [one for one in judged if one.row.kind == "benign"]
    lines = [
        "| question | answer |",
        "|---|---|",
        f"| mistakes found | {_share([one.is_found for one in here])} |",
        f"| component right in the first finding | {_share([one.is_named for one in found])} |",
        f"| the same, counting no other component | {_share([one.is_exact for one in found])} |",
        f"| component right in the first {FIRST_FEW} | {_share([one.is_among for one in found])} |",
        f"| changed line inside the lines named | {_share([one.is_inside for one in found])} |",
        f"| lines named, median | {_median([one.n_lines for one in found])} |",
        f"| benign changes with a finding | {_share([one.is_found for one in benign])} |",
        f"| seconds per file, median | {_median([one.seconds for one in judged])} |",
    ]
    if pairs:
        lines.append(
            f"| pairs of mistakes with both named | {_share([all(p.is_named) for p in pairs])} |"
        )
    if repeats:
        alarms = [bool(one["findings"] or one["reason"]) for one in repeats]
        lines.append(f"| reference against itself, with a finding | {_share(alarms)} |")
    return "\n".join(lines)


def _share(claims: Sequence[bool]) -> str:
    percent = f" ({100 * sum(claims) / len(claims):.0f} %)" if claims else ""
    return f"{sum(claims)} of {len(claims)}{percent}"


def _median(values: Sequence[float]) -> str:
    return f"{median(values):.3g}" if values else "none"


def _table(judged: Sequence[Judged]) -> str:
    head = (
        "| mistake | expected | first finding | level | component | line inside | lines | s |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(_line(one) for one in judged)])


def _line(one: Judged) -> str:
    named = "right" if one.is_named else "in first 3" if one.is_among else "wrong"
    found = f"{one.quantity}: {one.component}" if one.is_found else one.reason or "nothing"
    cells = (
        f"{one.row.name}: {one.row.title}",
        " or ".join(one.row.components),
        found.replace("\n", " ")[:160].replace("|", "/"),
        one.level or "-",
        named if one.is_found else "-",
        ("yes" if one.is_inside else "no") if one.is_found else "-",
        str(one.n_lines),
        f"{one.seconds:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _quiet_table(judged: Sequence[Judged]) -> str:
    head = "| change | findings | first |\n|---|---|---|"
    lines = [
        f"| {one.row.name}: {one.row.title} | {one.n_findings} | "
        f"{f'{one.quantity}: {one.component}' if one.is_found else one.reason or 'none'} |"
        for one in judged
    ]
    return "\n".join([head, *lines])


def _pair_line(pair: Pair) -> str:
    missing = [name for name, named in zip(pair.names, pair.is_named, strict=True) if not named]
    return f"- {' with '.join(pair.names)}: not named: {', '.join(missing)}"
