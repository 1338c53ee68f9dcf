"""report.md: the report for pull requests and text viewers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.judgement import Aggregate, EnvJudgement, Finding, Judgement
from harness.report import summary, tables, words
from harness.report.plots import LOOKS_PICTURE, Picture, pictures
from harness.report.tables import Table
from harness.report.text import markdown as escape
from harness.report.text import markdown_code as code
from harness.report.text import plain

MAX_TEXT = 1_000  # characters of one foreign sentence
MAX_CELL = 200  # characters of one table cell


def to_markdown(judgement: Judgement, plots: Mapping[str, bytes] | Iterable[str] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown.

    Args:
        judgement: what to show. plots: file names of the pictures in `plots/`, which are linked.
    """
    names = frozenset(plots)
    parts = [*_head(judgement), *_findings(judgement.findings)]
    for env in judgement.envs:
        parts += _env(judgement, env, names)
    parts += [*_aggregate(judgement.aggregate)]
    parts += [
        *_facts(judgement),
        *_segments(judgement),
        *_sanity(judgement),
        *_looks(judgement, names),
    ]
    parts += [*_missing(judgement), *_runs(judgement), *_provenance(judgement)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _say(text: str) -> str:
    """Return a foreign sentence, escaped."""
    return escape(text, MAX_TEXT)


def _bullets(lines: Sequence[str]) -> str:
    """Return a list of foreign sentences."""
    return "\n".join(f"- {_say(line)}" for line in lines)


def _head(judgement: Judgement) -> Iterator[str]:
    """Yield verdict, meaning, headline, reasons, advice."""
    yield f"# {words.MARKS[judgement.verdict]} {judgement.verdict.upper()}"
    yield (
        f"{_say(judgement.algo)}: mine = {code(judgement.mine)}, "
        f"reference = {code(judgement.reference)}"
    )
    grounds = words.GROUNDS.get(judgement.grounds, "")
    yield f"{words.MEANINGS[judgement.verdict]} {grounds}".strip()
    yield f"**{_say(judgement.headline).strip()}**"
    yield _bullets(judgement.reasons)
    if judgement.look_next:
        yield "**What to do next**"
        yield _bullets(judgement.look_next)
    yield _bullets(judgement.notes)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the established differences in order of suspicion."""
    if not findings:
        return
    yield "## Where it goes wrong"
    yield "Most suspicious first; later ones are often consequences of the first."
    for index, finding in enumerate(findings, start=1):
        yield f"### {index}. {_say(finding.quantity)}"
        where = f", on {code(finding.env_id)}" if finding.env_id else ""
        when = f"; {words.onset(finding.onset)}" if finding.onset else ""
        if finding.mine_place or finding.reference_place:
            places = (finding.mine_place or words.NOTHING, finding.reference_place or words.NOTHING)
            cells = " | ".join(code(place) for place in places)
            yield f"| mine | reference |\n| --- | --- |\n| {cells} |"
        yield f"Component: {_say(finding.component)}{where}{when}. {_say(finding.summary)}"
        yield f"Look next: {_say(finding.look_next)}"


def _env(judgement: Judgement, env: EnvJudgement, names: frozenset[str]) -> Iterator[str]:
    """Yield everything said about one environment."""
    yield f"## {_say(env.env_id)}: {env.outcome.upper()}"
    yield (
        f"{words.steps(env.total_timesteps)} env steps per run; seeds: {env.n_mine} of mine, "
        f"{env.n_reference} of the reference. A difference counts as shown at "
        f"p ≤ {words.p_value(env.alpha_per_test)}; the smallest p that these seeds can reach is "
        f"{words.p_value(env.smallest_p)}."
    )
    for picture in pictures(env):
        yield _picture(picture, names)
    if env.endpoints:
        yield "### Is the learning result the same?"
        yield f"Sameness {summary.how_same_is_shown(judgement)}."
        yield _table(tables.endpoints(env))
    found = summary.detectable(env)
    yield f"With these seeds, {found}." if found else ""
    if env.metrics:
        yield "### Is anything measured different?"
        yield _table(tables.metrics(env))
    yield _bullets(env.notes)
    yield _folded("Hyperparameters, the same for both sides", tables.hyperparameters(env))


def _aggregate(found: Aggregate | None) -> Iterator[str]:
    """Yield the final scores over all environments."""
    if found is None:
        return
    yield "## All environments together"
    yield (
        "Middle half of the final scores (interquartile mean), in units of the reference's score: "
        f"mine {words.interval(found.mine)}, reference {words.interval(found.reference)}, "
        f"difference {words.interval(found.difference)} "
        f"({words.percent(found.difference.level)} bootstrap intervals)."
    )


def _picture(picture: Picture, names: frozenset[str]) -> str:
    """Return a linked picture with its caption, or nothing when there is no such file."""
    name = f"{picture.stem}.png"
    return f"![{picture.kind}](plots/{name})\n\n{picture.caption}" if name in names else ""


def _facts(judgement: Judgement) -> Iterator[str]:
    """Yield facts: the differing ones open, the equal ones folded."""
    yield "## Facts"
    differing, equal = tables.differing_facts(judgement), tables.equal_facts(judgement)
    if differing.rows:
        yield _table(differing)
    else:
        yield "All facts agree." if equal.rows else "No facts were compared."
    yield _folded(f"Facts that agree ({len(equal.rows)})", equal)


def _segments(judgement: Judgement) -> Iterator[str]:
    """Yield the stretches of code that were tested alone, when any were."""
    if judgement.segments:
        yield "## Code tested piece by piece"
        yield _table(tables.segments(judgement))
        yield _folded("What the run exercised", tables.events(judgement))


def _sanity(judgement: Judgement) -> Iterator[str]:
    """Yield the checks of each side alone."""
    yield "## Checks of each side alone"
    failed, passed = (tables.sanity(judgement, passed=value) for value in (False, True))
    if failed.rows:
        yield _table(failed)
    else:
        yield "All checks passed." if passed.rows else "No checks were made."
    yield _folded(f"Checks that passed ({len(passed.rows)})", passed)


def _looks(judgement: Judgement, names: frozenset[str]) -> Iterator[str]:
    """Yield how the evidence grew."""
    if judgement.looks:
        yield "## How the evidence grew with the seeds"
        yield _picture(LOOKS_PICTURE, names)
        yield _table(tables.looks(judgement))


def _missing(judgement: Judgement) -> Iterator[str]:
    """Yield what is missing for parity."""
    missing = summary.missing_evidence(judgement)
    if missing and judgement.verdict != "diverged":
        yield "## What is missing for PARITY"
        yield _bullets(missing)


def _runs(judgement: Judgement) -> Iterator[str]:
    """Yield the runs, failed ones with the tail of stderr."""
    yield "## Runs"
    for run in judgement.runs:
        if run.stderr_tail:
            outcome = words.OUTCOMES.get(run.outcome, run.outcome)
            yield _say(f"{run.role}, {run.env_id}, seed {run.seed}: {outcome}; stderr:")
            yield "\n".join(f"    {plain(line, MAX_TEXT)}" for line in run.stderr_tail)
    yield _folded(f"All runs ({len(judgement.runs)})", tables.runs(judgement))


def _provenance(judgement: Judgement) -> Iterator[str]:
    """Yield how to repeat the comparison, and where the numbers come from."""
    yield "## Provenance"
    if judgement.asked:
        yield "Repeat this comparison with:"
        yield f"    {summary.command(judgement.asked)}"
    yield _folded("Settings, versions and spent env steps", tables.provenance(judgement))


def _table(content: Table) -> str:
    """Return a pipe table; rows to look at begin in bold."""
    lines = [" | ".join(content.head), " | ".join("---" for _ in content.head)]
    for row, flag in zip(content.rows, content.flags, strict=True):
        cells = [escape(cell, MAX_CELL).strip() or " " for cell in row]
        if flag and cells[0] != " ":
            cells[0] = f"**{cells[0]}**"
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _folded(title: str, content: Table) -> str:
    """Return a table behind a fold; nothing when it is empty."""
    if not content.rows:
        return ""
    return f"<details><summary>{escape(title)}</summary>\n\n{_table(content)}\n\n</details>"
