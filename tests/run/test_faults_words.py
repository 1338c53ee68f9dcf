"""The words about failures, the capped log, and files that a hostile run leaves behind."""

import json
import os
import signal
from pathlib import Path

import pytest

from harness.records import Outcome
from harness.run.caplog import CappedLog
from harness.run.failure import clean_line, explain, read_error, stderr_tail
from harness.run.guardian import Report
from harness.run.limits import MIN_MEMORY_BYTES, Limits, memory_per_run

REACHED = "at env step 5, update 1"


def ending(work_dir, *, status=0, reason=""):
    report = Report(status, reason, 0, 300 << 20, 1.0)
    limits = Limits(memory_bytes=200 << 20)
    return explain(report, work_dir, limits=limits, reached=REACHED)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\tb\r\nc\x00d\x7f", "a b cd"),
        ("safe \u202egnp.exe", "safe gnp.exe"),
        (f"at {Path.home()}/code/dqn.py", "at ~/code/dqn.py"),
        ("x" * 400, "x" * 299 + "…"),
        ("::error::boo", "::error::boo"),
    ],
)
def test_line_when_cleaned_holds_no_control_characters(text, shown):
    assert clean_line(text) == shown


def test_stderr_when_long_gives_its_last_lines_without_our_own_frames(tmp_path):
    lines = [f"line {number}" for number in range(1000)]
    lines.append('  File "/x/harness/run/launcher.py", line 5 in serve')
    lines.append('  File "<string>", line 1 in <module>')
    (tmp_path / "stderr.log").write_text("\n".join(lines))
    assert stderr_tail(tmp_path) == tuple(f"line {number}" for number in range(980, 1000))


def test_stderr_when_missing_gives_no_lines(tmp_path):
    assert stderr_tail(tmp_path) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"kind": 3}',
        b'{"kind": "exception", "type": "E", "message": "m", "traceback": 5}',
        b"[" * 200_000,
        b'"' + b"x" * (2 << 20) + b'"',
    ],
)
def test_error_file_when_hostile_is_no_error_file(tmp_path, content):
    (tmp_path / "error.json").write_bytes(content)
    assert read_error(tmp_path) == {}
    assert ending(tmp_path, status=1 << 8).outcome is Outcome.EXITED


def test_error_file_when_its_text_is_hostile_is_shown_clean(tmp_path):
    error = {"kind": "exception", "type": "E\x1b[2J", "message": "a\nb\x00", "traceback": ["f\x07"]}
    (tmp_path / "error.json").write_text(json.dumps(error))
    assert ending(tmp_path, status=1 << 8).message == (
        "crashed at env step 5, update 1: E: a b at f; correct it and call compare again"
    )


def test_error_file_that_is_a_link_when_read_is_ignored(tmp_path):
    (tmp_path / "secret").write_text('{"kind":"exception","type":"","message":"","traceback":[]}')
    (tmp_path / "error.json").symlink_to(tmp_path / "secret")
    assert read_error(tmp_path) == {}


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR2, 40])
def test_signal_when_it_killed_a_run_is_named(tmp_path, signum):
    end = ending(tmp_path, status=int(signum))
    name = signal.Signals(signum).name if signum != 40 else "signal 40"
    assert (end.outcome, end.message.startswith(f"killed by {name} {REACHED}: ")) == (
        Outcome.KILLED,
        True,
    )


@pytest.mark.parametrize(
    ("reason", "outcome", "words"),
    [
        ("stall", Outcome.HUNG, "no env step and no update for 120 s"),
        ("wall", Outcome.TIMED_OUT, "took longer than 43200 s, ended at env step 5, update 1"),
        ("memory", Outcome.OUT_OF_MEMORY, "held 300 MiB of memory, more than its limit of 200 MiB"),
        ("ended", Outcome.ENDED, "ended at env step 5, update 1"),
    ],
)
def test_reason_when_the_guardian_ended_a_run_becomes_an_outcome(tmp_path, reason, outcome, words):
    end = ending(tmp_path, status=int(signal.SIGKILL), reason=reason)
    assert end.outcome is outcome
    assert words in end.message


def test_guardian_when_it_died_without_report_is_named(tmp_path):
    end = explain(None, tmp_path, limits=Limits(), reached=REACHED)
    assert end.outcome is Outcome.KILLED
    assert end.message == (
        "its guardian process was killed at env step 5, update 1: call compare again to repeat it"
    )


@pytest.mark.parametrize("n_bytes", [0, 5, 10, 14, 15, 16, 40, 1000])
def test_log_when_capped_keeps_head_and_tail_exactly(tmp_path, n_bytes):
    content = bytes(33 + k % 90 for k in range(n_bytes))
    source, sink = os.pipe()
    log = CappedLog(source, tmp_path / "log", head_bytes=10, tail_bytes=5)
    for start in range(0, n_bytes, 7):
        os.write(sink, content[start : start + 7])
        log.drain()
    os.close(sink)
    log.finish()
    dropped = b"\n[... %d bytes left out ...]\n" % (n_bytes - 15) if n_bytes > 15 else b""
    tail = content[max(10, n_bytes - 5) :]
    assert (tmp_path / "log").read_bytes() == content[:10] + dropped + tail


def test_memory_limit_when_many_runs_share_a_machine_has_a_floor():
    assert memory_per_run(1) > memory_per_run(2) >= MIN_MEMORY_BYTES
    assert memory_per_run(10_000) == MIN_MEMORY_BYTES
