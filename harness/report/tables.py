"""The full tables of a report as rows of plain text; Markdown and HTML only dress them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.judgement import EnvJudgement, Judgement, MetricTest
from harness.records import Json
from harness.report import words
from harness.report.summary import FactGroup, by_evidence, fact_groups
from harness.report.summary import looks as trained_looks

MAX_VALUE = 300  # characters of one hyperparameter or provenance value


@dataclass(frozen=True)
class Table:
    """One table: column heads and rows of foreign or own text, all still unescaped.

    Attributes:
        flags: one per row: "bad" where a reader must look, else "".
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    flags: tuple[str, ...]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], bad: Sequence[bool] = ()) -> Table:
    """Return a table without the columns that are empty throughout; `bad` marks rows."""
    flags = tuple("bad" if one else "" for one in (bad or [False] * len(rows)))
    kept = [index for index in range(len(head)) if any(row[index] for row in rows)]
    cells = tuple(tuple(row[index] for index in kept) for row in rows)
    return Table(tuple(head[index] for index in kept), cells, flags)


def endpoints(env: EnvJudgement) -> Table:
    """Return the endpoint tests of an environment."""
    rows = [
        (
            words.ENDPOINTS[test.endpoint],
            words.interval(test.mine),
            words.interval(test.reference),
            f"{words.interval(test.difference)} ({words.percent(test.difference.level)})",
            f"±{words.number(test.margin, 3)}",
            words.within_margin(test),
            words.p_value(test.p_equivalence),
            words.number(test.minimum_detectable, 3),
            words.NOTHING if test.seeds_for_parity is None else str(test.seeds_for_parity),
            test.reason,
        )
        for test in env.endpoints
    ]
    level = words.percent(env.endpoints[0].mine.level) if env.endpoints else ""
    level = level.replace(" ", "\u00a0")
    head = (
        "endpoint (reward)",
        f"mine [{level}]",
        f"reference [{level}]",
        "mine − reference",
        "margin",
        "shown same?",
        "p (same)",
        "gap found in 4 of 5 tries",
        "seeds needed per side",
        "note",
    )
    return table(head, rows)


def metrics(env: EnvJudgement) -> Table:
    """Return every metric test of an environment, strongest evidence first."""
    tests = by_evidence(env.metrics)
    rows = [
        (
            test.metric,
            test.component,
            test.stage,
            _different(test),
            words.p_value(test.p_adjusted),
            words.number(test.effect, 3) + (f" {test.unit}" if test.unit else ""),
            _onset(test.onset.low, test.onset.high, test.onset.level) if test.onset else "",
            test.reason,
            test.waived,
        )
        for test in tests
    ]
    head = ("metric", "component", "stage", "shown different?", "adjusted p", "mine − reference")
    bad = [test.is_significant and not test.waived for test in tests]
    return table((*head, "begins (env steps)", "note", "waived because"), rows, bad)


def _different(test: MetricTest) -> str:
    """Return whether a metric is shown to differ, as a word for a table cell."""
    if test.is_significant:
        return "yes, waived" if test.waived else "yes"
    return "no"


def _onset(low: int, high: int, level: float) -> str:
    """Return an onset interval for a table cell."""
    return f"{words.steps(low)} to {words.steps(high)} ({words.percent(level)})"


def differing_facts(judgement: Judgement) -> Table:
    """Return the facts that differ, equal differences of several environments as one row."""
    groups = fact_groups(judgement.facts)
    rows = [
        (
            group.name,
            group.component,
            ", ".join(group.env_ids),
            group.mine,
            group.reference,
            _weight(group),
            group.hint,
            group.waived,
        )
        for group in groups
    ]
    head = ("fact", "component", "environments", "mine", "reference", "weight", "hint")
    bad = [group.decides and not group.waived for group in groups]
    return table((*head, "waived because"), rows, bad)


def _weight(group: FactGroup) -> str:
    """Return whether a fact that differs decides the verdict."""
    if not group.decides:
        return "a note"
    return "waived" if group.waived else "decides"


def equal_facts(judgement: Judgement) -> Table:
    """Return the facts that agree."""
    rows = [
        (fact.name, fact.component, fact.env_id, fact.mine)
        for fact in judgement.facts
        if fact.is_equal
    ]
    return table(("fact", "component", "environment", "both sides"), rows)


def sanity(judgement: Judgement, *, passed: bool) -> Table:
    """Return the checks of one side alone that passed, or that failed."""
    rows = [
        (row.check, row.role, row.env_id, row.component, row.detail, row.waived)
        for row in judgement.sanity
        if row.passed == passed
    ]
    head = ("expected", "side", "environment", "component", "seen", "waived because")
    return table(head, rows, [not passed and not row[-1] for row in rows])


def runs(judgement: Judgement) -> Table:
    """Return every run with its outcome."""
    rows = [
        (
            run.role,
            run.env_id,
            str(run.seed),
            words.OUTCOMES.get(run.outcome, run.outcome),
            words.steps(run.env_steps),
            words.steps(run.updates),
            run.key[:12],
            run.message,
        )
        for run in judgement.runs
    ]
    head = ("side", "environment", "seed", "outcome", "env steps", "updates", "run", "message")
    return table(head, rows, [run.outcome not in ("done", "ended") for run in judgement.runs])


def hyperparameters(env: EnvJudgement) -> Table:
    """Return the resolved hyperparameters, which both sides received, and their sources."""
    rows = [
        (name, value_text(value), env.sources.get(name, ""))
        for name, value in sorted(env.hyperparameters.items())
    ]
    return table(("hyperparameter", "value (both sides)", "where the value comes from"), rows)


def looks(judgement: Judgement) -> Table:
    """Return the interim analyses."""
    rows = [
        (
            words.seeds(look.n_mine, look.n_reference),
            words.steps(look.env_steps_spent),
            words.number(look.alpha_spent, 3),
            _per_env(look.smallest_p, words.p_value),
            words.number(look.equivalence_spent, 3),
            _per_env(look.equivalence_p, words.p_value),
            look.decision.upper(),
        )
        for look in trained_looks(judgement)
    ]
    head = ("seeds (mine + reference)", "env steps so far", "level: different")
    same = ("level: same", "p of equivalence")
    return table((*head, "smallest adjusted p", *same, "decision"), rows)


def _per_env(values: Mapping[str, float], show: Callable[[float], str]) -> str:
    """Return one value per environment as text."""
    return "; ".join(f"{env_id}: {show(value)}" for env_id, value in values.items())


def provenance(judgement: Judgement) -> Table:
    """Return where the numbers come from."""
    spent = {f"env steps, {role}": n for role, n in sorted(judgement.env_steps_spent.items())}
    settings = {
        "alpha (error rate)": judgement.alpha,
        "margin": judgement.margin,
        "budget": judgement.budget,
        "difference test": judgement.difference_test,
        "paired seeds": judgement.is_paired,
    }
    items = {**settings, **spent, **dict(sorted(judgement.provenance.items()))}
    return table(("what", "value"), [(name, value_text(value)) for name, value in items.items()])


def value_text(value: Json) -> str:
    """Return a JSON value as short text.

    >>> value_text([256, 256]), value_text(True), value_text("x")
    ('[256, 256]', 'yes', 'x')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
