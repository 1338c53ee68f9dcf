import io
import re

import pytest
from rich.console import Console

from harness.records import Outcome, RunRecord, RunSpec, SideSpec
from harness.report import progress
from harness.report.progress import make_sink


def run(seed=0, name="mine.py:side", env_id="CartPole-v1"):
    side = SideSpec(name, "/x.py", None, "side", None, "digest")
    return RunSpec(f"key{name}{seed}", side, "dqn", env_id, seed, 1000, 1, {}, "cpu", {}, {})


def console(*, terminal):
    out = io.StringIO()
    shown = Console(file=out, width=120, force_terminal=terminal, color_system=None)
    return shown, out


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_make_sink_when_quiet_shows_nothing():
    shown, out = console(terminal=True)
    with make_sink(shown, quiet=True) as sink:
        sink.started(run())
        sink.advanced(run(), 500, 10)
        sink.finished(RunRecord(run(), Outcome.CRASHED, "boom"))
    assert out.getvalue() == ""


def test_lines_off_a_terminal_come_at_start_each_quarter_and_end(clock):
    shown, out = console(terminal=False)
    with make_sink(shown, quiet=False, total_runs=1) as sink:
        sink.started(run())
        for step in range(100, 1001, 100):
            clock.now += 1
            sink.advanced(run(), step, step // 10)
        sink.finished(RunRecord(run(), Outcome.DONE, env_steps=1000, wall_time_s=10.0))
    name = "mine.py:side  CartPole-v1  seed 0"
    assert out.getvalue().splitlines() == [
        f"{name}: started",
        f"{name}: 30%, 300 of 1,000 env steps, 100/s, 30 updates",
        f"{name}: 50%, 500 of 1,000 env steps, 100/s, 50 updates",
        f"{name}: 80%, 800 of 1,000 env steps, 100/s, 80 updates",
        f"[1/1] {name}: finished (1,000 env steps, 10.0 s)",
    ]


def test_lines_of_a_slow_run_come_every_half_minute(clock):
    shown, out = console(terminal=False)
    with make_sink(shown, quiet=False) as sink:
        sink.started(run())
        for _ in range(7):
            clock.now += 10
            sink.advanced(run(), 10, 1)
    assert out.getvalue().count("1%") == 2


def test_lines_of_a_cached_run_say_that_it_was_stored():
    shown, out = console(terminal=False)
    with make_sink(shown, quiet=False) as sink:
        sink.finished(RunRecord(run(), Outcome.DONE, env_steps=1000, is_cached=True))
    assert out.getvalue() == (
        "[1] mine.py:side  CartPole-v1  seed 0: finished (1,000 env steps, stored result reused)\n"
    )


def test_bars_on_a_terminal_show_side_env_seed_speed_and_leave_only_the_outcome():
    shown, out = console(terminal=True)
    with make_sink(shown, quiet=False, total_runs=2) as sink:
        sink.started(run())
        sink.advanced(run(1), 500, 10)
        sink.finished(RunRecord(run(), Outcome.CRASHED, "ValueError: x", env_steps=500))
        sink.finished(RunRecord(run(7), Outcome.DONE, is_cached=True))
    text = out.getvalue()
    assert "mine.py:side  CartPole-v1  seed 0" in text
    assert "0 of 2 finished" in text
    assert "seed 0: crashed with an exception (500 env steps" in text
    assert "ValueError: x" in text
    assert text.rstrip("\r").endswith("\x1b[2K")


@pytest.mark.parametrize("terminal", [True, False])
def test_sinks_show_hostile_names_literally_without_escape_codes(terminal):
    hostile = run(name="[/red]\x1b]0;t\x07", env_id="[bold]\u202ex")
    shown, out = console(terminal=terminal)
    with make_sink(shown, quiet=False) as sink:
        sink.started(hostile)
        sink.finished(RunRecord(hostile, Outcome.CRASHED, "[/]\x1b[2Jmessage"))
    text = re.sub(r"\x1b\[[0-9?]*[A-Zhl]", "", out.getvalue()) if terminal else out.getvalue()
    assert "[/red]  [bold]x  seed 0" in text
    assert "[/]message" in text
    assert "\x1b" not in text
    assert "\x1b[2Jmessage" not in out.getvalue()
    assert "\u202e" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_stage_shows_its_line_at_once_without_escape_codes(terminal):
    shown, out = console(terminal=terminal)
    with make_sink(shown, quiet=False) as sink:
        sink.stage("segments: 31 of 31 passed [/red]\x1b]0;t\x07")
        assert "segments: 31 of 31 passed [/red]\n" in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_stage_when_quiet_shows_nothing():
    shown, out = console(terminal=True)
    with make_sink(shown, quiet=True) as sink:
        sink.stage("facts: 3 compared, all agree")
    assert out.getvalue() == ""
