"""What a person sees while runs train: bars on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from harness.records import Outcome, ProgressSink, RunRecord, RunSpec
from harness.report import words
from harness.report.text import terminal as clean

LINE_SHARE = 0.25  # a plain line at every quarter of a run ...
LINE_SECONDS = 30.0  # ... or after this many seconds without one
MAX_STAGE = 400  # characters of the line of a finished stage
_BAR_WIDTH = 18


class ShownProgress(ProgressSink, Protocol):
    """A progress sink that is also a context manager."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing; leave the screen tidy."""


def make_sink(console: Console, *, quiet: bool, total_runs: int | None = None) -> ShownProgress:
    """Return the progress display that fits the console.

    Args:
        console: where to write; its `is_terminal` decides between bars and lines.
        quiet: show nothing at all.
        total_runs: planned runs, for the total line; None shows the count alone.
    """
    if quiet:
        return _Nothing()
    return _Bars(console, total_runs) if console.is_terminal else _Lines(console, total_runs)


def run_name(role: str, run: RunSpec) -> str:
    """Return how a run is called in the display."""
    return f"{clean(role, 40)}  {clean(run.env_id, 30)}  seed {run.seed}"


def finished_text(record: RunRecord, seconds: float) -> str:
    """Return the line of a finished run: outcome, env steps, time or "stored", cause.

    The time is the record's own when it has one, else `seconds` since the start was shown.
    """
    name = run_name(record.spec.side.name, record.spec)
    outcome = words.OUTCOMES.get(str(record.outcome), str(record.outcome))
    taken = record.wall_time_s or seconds
    how = "stored result reused" if record.is_cached else f"{taken:.1f} s"
    text = f"{name}: {outcome} ({words.steps(record.env_steps)} env steps, {how})"
    return f"{text}; {clean(record.message, 300)}" if record.message else text


def stage_text(line: str) -> str:
    """Return the line of a finished stage, safe for a terminal."""
    return clean(line, MAX_STAGE)


@dataclass
class _Watched:
    """What is known of a run in flight; times are seconds of `time.monotonic`."""

    started_s: float
    shown_s: float
    shown_share: float = 0.0


class _Nothing:
    """Shows nothing."""

    def started(self, run: RunSpec) -> None:
        """Ignore."""

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:
        """Ignore."""

    def finished(self, record: RunRecord) -> None:
        """Ignore."""

    def stage(self, line: str) -> None:
        """Ignore."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class _Lines:
    """Plain lines: start, each quarter or half minute, end. Safe to call from several threads."""

    def __init__(self, console: Console, total_runs: int | None) -> None:
        self._console = console
        self._total = total_runs
        self._n_finished = 0
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()

    def started(self, run: RunSpec) -> None:
        """Write the start line."""
        now = time.monotonic()
        with self._lock:
            self._watched[run.key] = _Watched(now, now)
            self._say(f"{run_name(run.side.name, run)}: started")

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:
        """Write a line when a quarter is passed or nothing was written for half a minute."""
        now, share = time.monotonic(), env_steps / max(1, run.total_timesteps)
        with self._lock:
            seen = self._watched.setdefault(run.key, _Watched(now, now))
            is_quarter = share // LINE_SHARE > seen.shown_share // LINE_SHARE
            if share >= 1 or not (is_quarter or now - seen.shown_s >= LINE_SECONDS):
                return
            seen.shown_s, seen.shown_share = now, share
            speed = env_steps / max(1e-9, now - seen.started_s)
            done = f"{words.steps(env_steps)} of {words.steps(run.total_timesteps)} env steps"
            text = f"{share:.0%}, {done}, {speed:,.0f}/s, {words.steps(updates)} updates"
            self._say(f"{run_name(run.side.name, run)}: {text}")

    def finished(self, record: RunRecord) -> None:
        """Write the end line."""
        with self._lock:
            seen = self._watched.pop(record.spec.key, None)
            seconds = time.monotonic() - seen.started_s if seen else 0.0
            self._n_finished += 1
            total = "" if self._total is None else f"/{self._total}"
            self._say(f"[{self._n_finished}{total}] {finished_text(record, seconds)}")

    def stage(self, line: str) -> None:
        """Write the line."""
        with self._lock:
            self._say(stage_text(line))

    def _say(self, text: str) -> None:
        """Write one line, never wrapped, never interpreted."""
        self._console.print(Text(text), soft_wrap=True, highlight=False)

    def __enter__(self) -> Self:
        """Do nothing; lines need no preparation."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class _SpeedColumn(ProgressColumn):
    """Env steps per second and time left; finished runs and elapsed time for the total line."""

    def render(self, task: Task) -> Text:
        """Return the cell."""
        if task.fields["is_total"]:
            total = "" if task.total is None else f" of {task.total:.0f}"
            return Text(f"{task.completed:.0f}{total} finished, {task.elapsed or 0:.0f} s")
        speed = f"{task.speed:,.0f} env steps/s" if task.speed else "starting"
        left = f", {task.time_remaining:.0f} s left" if task.time_remaining else ""
        return Text(f"{speed}{left}", style="dim", no_wrap=True)


class _Bars:
    """One bar per run in flight and a total line; finished runs become plain lines above.

    rich refreshes from its own thread, under its own lock.
    """

    def __init__(self, console: Console, total_runs: int | None) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=_BAR_WIDTH),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            _SpeedColumn(),
            console=console,
            transient=True,
        )
        self._total = self._bars.add_task("all runs", total=total_runs, is_total=True)
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def started(self, run: RunSpec) -> None:
        """Add the bar of a run."""
        name = run_name(run.side.name, run)
        task = self._bars.add_task(name, total=run.total_timesteps, is_total=False)
        self._tasks[run.key] = (task, time.monotonic())

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:  # noqa: ARG002
        """Move the bar of a run."""
        if run.key not in self._tasks:
            self.started(run)
        task = self._tasks[run.key][0]
        self._bars.update(task, completed=env_steps)

    def finished(self, record: RunRecord) -> None:
        """Replace the bar by a line."""
        task, started_s = self._tasks.pop(record.spec.key, (None, time.monotonic()))
        if task is not None:
            self._bars.remove_task(task)
        style = "green" if record.outcome == Outcome.DONE else "yellow"
        style = style if record.is_usable or record.outcome == Outcome.ENDED else "red"
        line = Text(finished_text(record, time.monotonic() - started_s), style=style)
        self._bars.console.print(line, soft_wrap=True, highlight=False)
        self._bars.advance(self._total)

    def stage(self, line: str) -> None:
        """Write the line above the bars."""
        text = Text(stage_text(line), style="bold")
        self._bars.console.print(text, soft_wrap=True, highlight=False)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and leave the cursor visible."""
        self._bars.stop()
