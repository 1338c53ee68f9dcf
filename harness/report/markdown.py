"""report.md: the report for pull requests and text viewers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.judgement import Aggregate, EnvJudgement, Judgement
from harness.report import replay, replay_markdown, summary, tables, words
from harness.report.markdown_parts import MAX_TEXT, bullets, folded, pipe_table, say
from harness.report.plots import LOOKS_PICTURE, pictures
from harness.report.replay_markdown import picture
from harness.report.text import markdown_code as code
from harness.report.text import plain


def to_markdown(judgement: Judgement, plots: Mapping[str, bytes] | Iterable[str] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown.

    Args:
        judgement: what to show. plots: file names of the pictures in `plots/`, which are linked.
    """
    names = frozenset(plots)
    parts = [*_head(judgement), *_findings(judgement)]
    for env in judgement.envs:
        parts += _env(judgement, env, names)
    parts += [*_aggregate(judgement.aggregate)]
    parts += [
        *_facts(judgement),
        *replay_markdown.sections(judgement, names),
        *replay_markdown.waivers(judgement),
        *_sanity(judgement),
        *_looks(judgement, names),
    ]
    parts += [*_missing(judgement), *_runs(judgement), *_provenance(judgement)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(judgement: Judgement) -> Iterator[str]:
    """Yield verdict, meaning, headline, reasons, advice."""
    yield f"# {words.MARKS[judgement.verdict]} {judgement.verdict.upper()}"
    yield (
        f"{say(judgement.algo)}: mine = {code(judgement.mine)}, "
        f"reference = {code(judgement.reference)}"
    )
    yield words.meaning(judgement.verdict, judgement.grounds)
    yield f"**{say(judgement.headline).strip()}**"
    yield bullets(judgement.reasons)
    if judgement.look_next:
        yield "**What to do next**"
        yield bullets(judgement.look_next)
    yield bullets(judgement.notes)


def _findings(judgement: Judgement) -> Iterator[str]:
    """Yield the established differences in order of suspicion, with the lines of code if known."""
    if not judgement.findings:
        return
    yield "## Where it goes wrong"
    yield "Most suspicious first; later ones are often consequences of the first."
    advised = zip(judgement.findings, summary.advice(judgement.findings), strict=True)
    for index, (finding, advice) in enumerate(advised, start=1):
        yield f"### {index}. {say(finding.quantity)}"
        where = f", on {code(finding.env_id)}" if finding.env_id else ""
        when = f"; {words.onset(finding.onset)}" if finding.onset else ""
        if finding.mine_place or finding.reference_place:
            places = (finding.mine_place or words.NOTHING, finding.reference_place or words.NOTHING)
            cells = " | ".join(code(place) for place in places)
            yield f"| mine | reference |\n| --- | --- |\n| {cells} |"
        yield f"Component: {say(finding.component)}{where}{when}. {say(finding.summary)}"
        if advice:
            yield f"Look next: {say(advice)}"
        row = replay.row_of(judgement, finding)
        yield from replay_markdown.stretch(row) if row else ()


def _env(judgement: Judgement, env: EnvJudgement, names: frozenset[str]) -> Iterator[str]:
    """Yield everything said about one environment."""
    hyperparameters = tables.hyperparameters(env)
    if summary.is_untrained(judgement, env):
        yield f"## {say(env.env_id)}: {words.UNTRAINED}"
        planned = words.steps(env.total_timesteps)
        yield f"{words.WHY_UNTRAINED} Planned: {planned} env steps per run."
        yield bullets(env.notes)
        yield folded("Hyperparameters, the same for both sides", hyperparameters)
        return
    yield f"## {say(env.env_id)}: {summary.shown_outcome(judgement, env)}"
    yield (
        f"{words.steps(env.total_timesteps)} env steps per run; seeds: {env.n_mine} of mine, "
        f"{env.n_reference} of the reference. Showing a difference "
        f"{words.needed(env.alpha_per_test)}; the smallest p that these seeds can reach is "
        f"{words.p_value(env.smallest_p)}."
    )
    for one in pictures(env):
        yield picture(one, names)
    if env.endpoints:
        yield "### Is the learning result the same?"
        yield f"Sameness {summary.how_same_is_shown(judgement)}."
        yield pipe_table(tables.endpoints(env))
    found = summary.detectable(env)
    yield f"With these seeds, {found}." if found else ""
    if env.metrics:
        yield "### Is anything measured different?"
        yield pipe_table(tables.metrics(env))
    yield bullets(env.notes)
    yield folded("Hyperparameters, the same for both sides", hyperparameters)


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


def _facts(judgement: Judgement) -> Iterator[str]:
    """Yield facts: the differing ones open, the equal ones folded."""
    yield "## Facts"
    differing, equal = tables.differing_facts(judgement), tables.equal_facts(judgement)
    if differing.rows:
        yield pipe_table(differing)
    else:
        yield "All facts agree." if equal.rows else "No facts were compared."
    yield folded(f"Facts that agree ({len(equal.rows)})", equal)


def _sanity(judgement: Judgement) -> Iterator[str]:
    """Yield the checks of each side alone."""
    yield "## Checks of each side alone"
    failed, passed = (tables.sanity(judgement, passed=value) for value in (False, True))
    if failed.rows:
        yield pipe_table(failed)
    else:
        yield "All checks passed." if passed.rows else "No checks were made."
    yield folded(f"Checks that passed ({len(passed.rows)})", passed)


def _looks(judgement: Judgement, names: frozenset[str]) -> Iterator[str]:
    """Yield how the evidence grew."""
    if summary.looks(judgement):
        yield "## How the evidence grew with the seeds"
        yield picture(LOOKS_PICTURE, names)
        yield pipe_table(tables.looks(judgement))


def _missing(judgement: Judgement) -> Iterator[str]:
    """Yield what is missing for parity."""
    missing = summary.missing_evidence(judgement)
    if missing and judgement.verdict not in ("diverged", "parity"):
        yield "## What is missing for PARITY"
        yield bullets(missing)


def _runs(judgement: Judgement) -> Iterator[str]:
    """Yield the runs, failed ones with the tail of stderr."""
    yield "## Runs"
    for run in judgement.runs:
        if run.stderr_tail:
            outcome = words.OUTCOMES.get(run.outcome, run.outcome)
            yield say(f"{run.role}, {run.env_id}, seed {run.seed}: {outcome}; stderr:")
            yield "\n".join(f"    {plain(line, MAX_TEXT)}" for line in run.stderr_tail)
    if not judgement.runs:
        yield "Nothing was trained."
    yield folded(f"All runs ({len(judgement.runs)})", tables.runs(judgement))


def _provenance(judgement: Judgement) -> Iterator[str]:
    """Yield how to repeat the comparison, and where the numbers come from."""
    yield "## Provenance"
    if judgement.asked:
        yield "Repeat this comparison with:"
        yield f"    {summary.command(judgement.asked)}"
    yield folded("Settings, versions and spent env steps", tables.provenance(judgement))
