"""The pre-flight alone, as plain text: what both sides really use, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement import FactRow
from harness.preflight import PreflightRun
from harness.report import stages
from harness.report.summary import FactGroup, fact_groups
from harness.report.text import terminal as clean

MAX_VALUE = 160  # characters of one value
MAX_LINE = 600


def render_facts(runs: Sequence[PreflightRun], facts: Sequence[FactRow]) -> str:
    """Return the facts that differ, then those that agree, then a summary line."""
    blocks = [
        [clean(line, MAX_LINE) for line in stages.beginning_lines(runs)],
        [line for group in fact_groups(facts) for line in _differing(group)],
        [*_equal([row for row in facts if row.is_equal])],
        [clean(stages.facts_line(facts), MAX_LINE)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _differing(group: FactGroup) -> Iterator[str]:
    mark = ("waived" if group.waived else "DIFFERS") if group.decides else "note"
    yield f"{mark:>7}  {clean(group.name)}  ({clean(group.component)}; {', '.join(group.env_ids)})"
    yield f"{'':9}mine:      {clean(group.mine, MAX_VALUE)}"
    yield f"{'':9}reference: {clean(group.reference, MAX_VALUE)}"
    said = group.waived or group.hint
    if said:
        yield f"{'':9}{clean(said, MAX_LINE)}"


def _equal(rows: Sequence[FactRow]) -> Iterator[str]:
    """Yield one line per fact and value, with the environments that share it."""
    shared: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        shared.setdefault((row.name, row.mine), []).append(row.env_id)
    width = max((len(clean(name)) for name, _ in shared), default=0)
    n_envs = len({row.env_id for row in rows})
    for (name, value), env_ids in shared.items():
        where = f"  ({', '.join(map(clean, env_ids))})" if len(env_ids) < n_envs else ""
        yield f"{'equal':>7}  {clean(name):<{width}}  {clean(value, MAX_VALUE)}{where}"
