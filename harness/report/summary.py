"""Select from a judgement what a summary must say; used by every textual format."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.judgement import (
    EndpointTest,
    EnvJudgement,
    FactRow,
    Finding,
    Judgement,
    LookRow,
    MetricTest,
    RunRow,
    SanityRow,
)
from harness.records import USABLE_OUTCOMES, Json, Outcome
from harness.report.text import plain
from harness.report.words import ENDPOINTS, UNTRAINED, counted, number, p_value

_NO_FAILURE = frozenset({*(str(outcome) for outcome in USABLE_OUTCOMES), str(Outcome.ENDED)})
MAX_COMMAND = 4_000  # characters


@dataclass(frozen=True)
class FactGroup:
    """One fact that differs in the same way on several environments."""

    name: str
    component: str
    mine: str
    reference: str
    waived: str
    hint: str
    decides: bool
    env_ids: tuple[str, ...]


@dataclass(frozen=True)
class RunGroup:
    """Runs of one side on one environment that failed in the same way."""

    role: str
    env_id: str
    outcome: str
    message: str
    last_line: str
    seeds: tuple[int, ...]


def is_untrained(judgement: Judgement, env: EnvJudgement) -> bool:
    """Return whether nothing was trained on an environment: what came before decided."""
    return not any(run.env_id == env.env_id for run in judgement.runs) and not env.n_mine


def shown_outcome(judgement: Judgement, env: EnvJudgement) -> str:
    """Return the outcome of an environment, saying where a PARITY does not rest on its curves."""
    if is_untrained(judgement, env):
        return UNTRAINED
    is_apart = judgement.verdict == "parity" and env.outcome != "parity"
    return f"{env.outcome.upper()}{' FROM CURVES ALONE' if is_apart else ''}"


def looks(judgement: Judgement) -> tuple[LookRow, ...]:
    """Return the interim analyses that rest on runs."""
    return judgement.looks if judgement.runs else ()


def by_evidence(tests: Iterable[MetricTest]) -> tuple[MetricTest, ...]:
    """Return the tests with the strongest evidence first; uncomputable ones last.

    Order: significant ones, then adjusted p, then the beginning of the difference, then name.
    """
    return tuple(sorted(tests, key=_evidence_key))


def _evidence_key(test: MetricTest) -> tuple[bool, bool, float, int, str]:
    """Return the sort key of `by_evidence`."""
    p = test.p_adjusted
    begin = test.onset.low if test.onset else 2**62
    is_missing = p is None or math.isnan(p)
    return (
        not test.is_significant,
        is_missing,
        0.0 if is_missing else p or 0.0,
        begin,
        test.metric,
    )


def strongest(env: EnvJudgement) -> MetricTest | None:
    """Return the metric with the smallest adjusted p, or None when nothing was computed."""
    ordered = by_evidence(test for test in env.metrics if test.p_adjusted is not None)
    return ordered[0] if ordered else None


def endpoint(env: EnvJudgement, name: str) -> EndpointTest | None:
    """Return the endpoint test of that name, or None."""
    return next((test for test in env.endpoints if test.endpoint == name), None)


def fact_groups(facts: Sequence[FactRow]) -> tuple[FactGroup, ...]:
    """Return the facts that differ, equal differences of several environments as one."""
    groups: dict[tuple[str, str, str, str, str], list[FactRow]] = {}
    for fact in facts:
        if not fact.is_equal:
            key = (fact.name, fact.component, fact.mine, fact.reference, fact.waived)
            groups.setdefault(key, []).append(fact)
    found = [
        FactGroup(
            *key,
            hint=next((row.hint for row in rows if row.hint), ""),
            decides=any(row.decides for row in rows),
            env_ids=tuple(dict.fromkeys(row.env_id for row in rows)),
        )
        for key, rows in groups.items()
    ]
    return tuple(sorted(found, key=lambda group: (not group.decides, bool(group.waived))))


def failed_checks(sanity: Sequence[SanityRow]) -> tuple[SanityRow, ...]:
    """Return the sanity checks that did not pass."""
    return tuple(row for row in sanity if not row.passed)


def failed_runs(runs: Sequence[RunRow]) -> tuple[RunGroup, ...]:
    """Return runs without usable observations, equal failures of several seeds as one."""
    groups: dict[tuple[str, str, str, str], list[RunRow]] = {}
    for run in runs:
        if run.outcome not in _NO_FAILURE:
            groups.setdefault((run.role, run.env_id, run.outcome, run.message), []).append(run)
    return tuple(
        RunGroup(*key, last_line=_last_line(rows), seeds=tuple(row.seed for row in rows))
        for key, rows in groups.items()
    )


def _last_line(rows: Sequence[RunRow]) -> str:
    """Return the last non-empty stderr line of the first run that has one."""
    for row in rows:
        for line in reversed(row.stderr_tail):
            if line.strip():
                return line.strip()
    return ""


def missing_evidence(judgement: Judgement) -> tuple[str, ...]:
    """Return one sentence per endpoint for which sameness is not shown: what it would cost."""
    sentences = []
    for env in judgement.envs:
        for test in env.endpoints:
            if not test.is_equivalent:
                sentences.append(_cost(env, test))
    return tuple(sentences)


def _cost(env: EnvJudgement, test: EndpointTest) -> str:
    """Return what is missing to show that this endpoint is the same."""
    place = f"{env.env_id}, {ENDPOINTS[test.endpoint]}"
    if test.reason:
        return f"{place}: {test.reason}"
    margin = f"a difference inside ±{number(test.margin, 3)} reward is not shown"
    if test.seeds_for_parity is None:
        need = "more seeds alone are unlikely to show it; choose a wider --margin or longer runs"
    else:
        need = f"expect {counted(test.seeds_for_parity, 'seed')} per side to show it"
    return f"{place}: {margin}; {need} (now {env.n_mine} and {env.n_reference})"


def equivalence_p(judgement: Judgement, env: EnvJudgement) -> float | None:
    """Return the p of equivalence of an environment at the last look; None when it has none."""
    return judgement.looks[-1].equivalence_p.get(env.env_id) if judgement.looks else None


def how_same_is_shown(judgement: Judgement) -> str:
    """Return what must hold for "shown same", with the level that counts at the last look.

    The interval of the difference inside the margin is necessary, not sufficient: a margin in
    reference standard deviations is estimated too (`harness.stats.equivalence`).
    """
    level = judgement.looks[-1].equivalence_spent if judgement.looks else 0.0
    needed = f"needs p ≤ {p_value(level)}" if level > 0 else "is out of reach with so few seeds"
    return (
        f"{needed}; its p says how easily sides that differ by the margin would look this alike, "
        "and counts the uncertainty of the difference and of a margin estimated from seeds"
    )


def detectable(env: EnvJudgement) -> str:
    """Return which differences in final performance these seeds could have found; may be empty.

    "4 times in 5" is the 80 % power of `EndpointTest.minimum_detectable`, a planning figure.
    """
    test = endpoint(env, "final")
    if test is None or test.minimum_detectable is None:
        return ""
    size = number(test.minimum_detectable, 3)
    return f"a t test of final performance alone finds a true gap of {size} reward 4 times in 5"


def costs(envs: Sequence[EnvJudgement]) -> tuple[str, ...]:
    """Return what is missing and what could be found, environments with equal answers as one."""
    answers: dict[str, list[str]] = {}
    for env in envs:
        answers.setdefault(_cost_in_short(env), []).append(env.env_id)
    return tuple(f"{', '.join(env_ids)}: {text}" for text, env_ids in answers.items() if text)


def _cost_in_short(env: EnvJudgement) -> str:
    """Return what is missing on this environment and what could be found; may be empty."""
    parts = []
    missing = [test for test in env.endpoints if not test.is_equivalent]
    if missing:
        needed = [test.seeds_for_parity for test in missing]
        known = [n for n in needed if n is not None]
        margin = f"the same within ±{number(missing[-1].margin, 3)} reward"
        if len(known) == len(needed):
            parts.append(f"about {counted(max(known), 'seed')} per side would show {margin}")
        else:
            parts.append(missing[-1].reason or f"more seeds alone will hardly show {margin}")
        parts[0] += f" (now {env.n_mine} + {env.n_reference})"
    found = detectable(env)
    parts += [found] if found else []
    return "; ".join(parts)


def command(asked: Mapping[str, Json]) -> str:
    """Return the command line that repeats the comparison.

    >>> command({"algo": "dqn", "envs": ["easy", "Acrobot-v1"], "set": {"gamma": 0.9}})
    'compare --algo dqn --envs easy,Acrobot-v1 --set gamma=0.9'
    """
    words = ["compare"]
    for name, value in asked.items():
        words += _option(name, value)
    return plain(" ".join(words), MAX_COMMAND)


def _option(name: str, value: Json) -> list[str]:
    """Return the words of one option; none for an option that was not given."""
    flag = shlex.quote("--" + name.lstrip("-").replace("_", "-"))
    if value is None or value is False or value == [] or value == {}:
        return []
    if value is True:
        return [flag]
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, list | tuple):
        if flag == "--set":
            return [word for one in value for word in (flag, shlex.quote(str(one)))]
        value = ",".join(str(one) for one in value)
    return [flag, shlex.quote(str(value))]


def advice(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return what to look at next per finding; a sentence that stood above already is ""."""
    said = [finding.look_next for finding in findings]
    return tuple("" if line in said[:index] else line for index, line in enumerate(said))
