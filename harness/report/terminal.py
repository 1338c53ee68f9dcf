"""The terminal summary: one screen that says what was found and what to open next."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rich import box
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from harness.judgement import EnvJudgement, Finding, Judgement
from harness.report import replay, stages, summary, words
from harness.report.text import terminal as clean

WIDTH = 100  # columns
SCREEN = 40  # lines for up to five environments
_STYLES = {"parity": "green", "diverged": "red", "inconclusive": "yellow", "invalid": "magenta"}
_HINT = "dim"
_HEADLINE = 240  # characters that the headline may always have


@dataclass(frozen=True)
class _Room:
    """How many items each section may show, and how long one foreign text may be.

    Attributes:
        source: lines of each side of the first failing stretch.
    """

    findings: int
    rows: int
    text: int
    source: int


# Tried in this order until the summary fits one screen; the report files always hold everything.
_ROOMS = (
    _Room(5, 6, 300, 12),
    _Room(3, 5, 240, 12),
    _Room(3, 3, 200, 10),
    _Room(2, 2, 200, 8),
    _Room(1, 1, 160, 8),
    _Room(1, 1, 90, 5),
    _Room(1, 0, 70, 3),
    _Room(1, 0, 70, 0),
)


def render(judgement: Judgement, *, width: int = WIDTH, folder: str = "") -> RenderableType:
    """Return the one-screen summary, at most `SCREEN` lines for up to five environments.

    Args:
        judgement: what to show. width: columns. folder: where the report files lie; "" leaves
            the line out.
    """
    for room in _ROOMS:
        screen = Constrain(Group(*_sections(judgement, room, folder)), width)
        if _plain(screen, width).count("\n") <= SCREEN:
            break
    return screen


def render_text(judgement: Judgement, width: int = WIDTH, *, folder: str = "") -> str:
    """Return `render` as text without colour."""
    return _plain(render(judgement, width=width, folder=folder), width)


def _plain(screen: RenderableType, width: int) -> str:
    """Return the renderable as text, without colour, no trailing blanks."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, height=200)
    console.print(screen, markup=False, highlight=False, emoji=False)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def _sections(judgement: Judgement, room: _Room, folder: str) -> Iterable[RenderableType]:
    """Yield the parts of the summary from top to bottom."""
    yield from _verdict(judgement, room)
    yield from _untrained(judgement, room)
    yield from _source(judgement, room)
    if any(env.endpoints or env.metrics for env in judgement.envs):
        yield Text()
        yield _env_table(judgement)
        yield _how_to_read(judgement)
    yield from _findings(judgement.findings, room)
    yield from _listed("Exact facts that differ", _fact_lines(judgement), room)
    yield from _listed("Failed checks of one side by itself", _check_lines(judgement), room)
    yield from _listed("Runs that failed", _run_lines(judgement), room)
    room = replace(room, rows=max(1, room.rows))
    yield from _listed(_next_title(judgement), _next_lines(judgement), room)
    if folder:
        yield Text()
        yield Text.assemble(("Full report: ", "bold"), clean(f"{folder}/report.html", 400))


def _verdict(judgement: Judgement, room: _Room) -> Iterable[Text]:
    """Yield the verdict, its meaning in words, and the headline."""
    style = _STYLES[judgement.verdict]
    who = f"  {clean(judgement.algo, 30)}: mine = {clean(judgement.mine, 60)}, "
    who += f"reference = {clean(judgement.reference, 60)}"
    name = f" {words.MARKS[judgement.verdict]} {judgement.verdict.upper()} "
    yield Text.assemble((name, f"bold reverse {style}"), who)
    yield Text(words.meaning(judgement.verdict, judgement.grounds), style=_HINT)
    yield Text(clean(judgement.headline, max(_HEADLINE, room.text)), style=f"bold {style}")


def _untrained(judgement: Judgement, room: _Room) -> Iterable[Text]:
    """Yield one line per kind of test that needs no training, and what was waived."""
    lines = [stages.segments_line(judgement.segments)] if judgement.segments else []
    lines += [stages.draws_line(judgement.draws)] if judgement.draws else []
    lines += [stages.twins_line(judgement.twins)] if judgement.twins else []
    lines += [stages.waivers_line(judgement.waivers)] if judgement.waivers else []
    if lines:
        yield Text()
    for line in lines:
        yield Text(clean(line, 2 * room.text), style=_HINT if line == line.lower() else "")


def _source(judgement: Judgement, room: _Room) -> Iterable[Text]:
    """Yield the lines of the first failing stretch, mine's and the reference's."""
    row = replay.first_failed(judgement.segments)
    if row is None or not (row.mine_source or row.reference_source) or room.source == 0:
        return
    yield Text()
    for side, place, source in replay.sides(row):
        title = f"{clean(row.tap, 40)}, {side}: " if side == "mine" else "beside the reference: "
        yield Text.assemble((title, _HINT), (clean(place, room.text), "bold"))
        for line in replay.excerpt(source, room.source):
            yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")


def _env_table(judgement: Judgement) -> Table:
    """Return one row per environment: final performance, and the two questions."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(Text("environment"), no_wrap=True, max_width=18)
    for name in ("seeds", "mine", "reference", "difference", "margin"):
        table.add_column(Text(name), justify="right")
    for name in ("shown\ndifferent?", "shown\nsame?"):
        table.add_column(Text(name))
    for env in judgement.envs:
        table.add_row(*(Text(cell) for cell in _env_cells(judgement, env)))
    return table


def _env_cells(judgement: Judgement, env: EnvJudgement) -> tuple[str, ...]:
    """Return the cells of one environment."""
    name, seeds = clean(env.env_id, 40), words.seeds(env.n_mine, env.n_reference)
    final = summary.endpoint(env, "final")
    if final is None:
        return (name, seeds, *(words.NOTHING,) * 4, _different(env), words.NOTHING)
    intervals = (words.interval(one) for one in (final.mine, final.reference, final.difference))
    margin = f"±{words.number(final.margin, 3)}"
    return (name, seeds, *intervals, margin, _different(env), _same(judgement, env))


def _same(judgement: Judgement, env: EnvJudgement) -> str:
    """Return whether every endpoint is shown to be inside its margin, with the p of the worst."""
    answer = "yes" if all(test.is_equivalent for test in env.endpoints) else "no"
    return f"{answer}, p {words.p_value(summary.equivalence_p(judgement, env))}"


def _different(env: EnvJudgement) -> str:
    """Return whether a difference is established, with the smallest adjusted p."""
    test = summary.strongest(env)
    if test is None:
        return words.NOTHING
    return f"{'yes' if test.is_significant else 'no'}, p {words.p_value(test.p_adjusted)}"


def _how_to_read(judgement: Judgement) -> Text:
    """Return the legend of the table."""
    level = next((test.mine.level for env in judgement.envs for test in env.endpoints), None)
    interval = f" [{words.percent(level)} interval over seeds]" if level else ""
    gaps = {test.difference.level for env in judgement.envs for test in env.endpoints} - {level}
    gap = f" [{words.percent(gaps.pop())} interval]" if len(gaps) == 1 else ""
    levels = {words.needed(env.alpha_per_test) for env in judgement.envs}
    needed = levels.pop() if len(levels) == 1 else "needs a small p"
    return Text(
        f"Numbers: mean return at the end of training, in reward{interval}; difference = mine − "
        f"reference{gap}; margin = {clean(judgement.margin, 60)}. Shown different {needed}, "
        "where p says how easily luck alone makes a gap this large anywhere in what was measured. "
        f"Shown same {summary.how_same_is_shown(judgement)}. Both can be 'no'.",
        style=_HINT,
    )


def _findings(findings: Sequence[Finding], room: _Room) -> Iterable[RenderableType]:
    """Yield the established differences in order of suspicion."""
    if not findings:
        return
    yield Text()
    yield Text("Where it goes wrong, most suspicious first", style="bold")
    advised = zip(findings, summary.advice(findings), strict=True)
    yield _items(
        (f"{index}.", _finding(finding, advice, room))
        for index, (finding, advice) in enumerate(islice(advised, room.findings), start=1)
    )
    if len(findings) > room.findings:
        yield _more(len(findings) - room.findings)


def _finding(finding: Finding, advice: str, room: _Room) -> Text:
    """Return one finding: where, what, both places in the code, what to look at."""
    where = f" on {clean(finding.env_id, 40)}" if finding.env_id else ""
    when = f", {words.onset(finding.onset)}" if finding.onset else ""
    component = clean(finding.component, 40)
    text = Text.assemble((clean(finding.quantity, 40), "bold"), f" ({component}){where}{when}")
    if finding.mine_place or finding.reference_place:
        text.append("\nmine ")
        text.append(clean(finding.mine_place, room.text) or words.NOTHING, style="bold")
        text.append("  |  reference ")
        text.append(clean(finding.reference_place, room.text) or words.NOTHING, style="bold")
    text.append(f"\n{clean(finding.summary, room.text)}")
    if advice:
        text.append(f"\n→ {clean(advice, room.text)}")
    return text


def _listed(title: str, lines: Sequence[str], room: _Room) -> Iterable[RenderableType]:
    """Yield a titled list, shortened to the room, saying how many lines were left out."""
    if not lines:
        return
    if room.rows == 0:
        yield Text(f"{title}: {len(lines)}, see the report", style="bold")
        return
    yield Text()
    yield Text(title, style="bold")
    yield _items(("•", Text(clean(line, room.text * 2))) for line in lines[: room.rows])
    if len(lines) > room.rows:
        yield _more(len(lines) - room.rows)


def _items(items: Iterable[tuple[str, Text]]) -> Table:
    """Return a list with a hanging indent."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for mark, text in items:
        table.add_row(Text(f" {mark}"), text)
    return table


def _more(count: int) -> Text:
    """Return the line that says how much the report holds beyond this screen."""
    return Text(f"   … {count} more in the report", style=_HINT)


def _fact_lines(judgement: Judgement) -> tuple[str, ...]:
    """Return one line per fact that differs."""
    return tuple(
        f"{clean(fact.name, 40)} ({clean(fact.component, 40)}): "
        f"mine {clean(fact.mine, 60)}, reference {clean(fact.reference, 60)}"
        f"{_weight(fact)}"
        f"{'; ' + clean(fact.hint, 80) if fact.hint else ''}"
        for fact in summary.fact_groups(judgement.facts)
    )


def _weight(fact: summary.FactGroup) -> str:
    """Return a remark on a fact that differs and does not decide; "" for one that does."""
    if not fact.decides:
        return " (a note, decides nothing)"
    return f" (waived: {clean(fact.waived, 80)})" if fact.waived else ""


def _check_lines(judgement: Judgement) -> tuple[str, ...]:
    """Return one line per failed sanity check."""
    return tuple(
        f"{row.role}, {clean(row.env_id, 40)}: expected {clean(row.check, 60)} "
        f"({clean(row.component, 40)}); {clean(row.detail, 100)}"
        f"{f' (waived: {clean(row.waived, 80)})' if row.waived else ''}"
        for row in summary.failed_checks(judgement.sanity)
    )


def _run_lines(judgement: Judgement) -> tuple[str, ...]:
    """Return one line per group of failed runs with the last line of stderr."""
    lines = []
    for group in summary.failed_runs(judgement.runs):
        seeds = ", ".join(str(seed) for seed in group.seeds)
        line = f"{group.role}, {clean(group.env_id, 40)}, seed {seeds}: "
        line += words.OUTCOMES.get(group.outcome, clean(group.outcome, 40))
        line += f"; {clean(group.message)}" if group.message else ""
        line += f"; last line: {clean(group.last_line)}" if group.last_line else ""
        lines.append(line)
    return tuple(lines)


def _next_title(judgement: Judgement) -> str:
    """Return the title of the last list."""
    if judgement.grounds == "numerical":
        return "What the curves alone would need"
    return "How sure this is" if judgement.verdict == "parity" else "What to do next"


def _next_lines(judgement: Judgement) -> tuple[str, ...]:
    """Return the advice of the judgement, what is missing for parity, what could be found."""
    lines = [clean(line, 240) for line in judgement.look_next]
    if judgement.verdict in ("inconclusive", "parity"):
        lines += [clean(line, 300) for line in summary.costs(judgement.envs)]
    return tuple(lines)
