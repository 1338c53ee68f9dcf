"""Stopping a real comparison and going on: nothing lost, nothing repeated, the same report."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests import interrupting as toy


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return (folder of the sides, reports of a comparison that nobody stopped)."""
    folder = tmp_path_factory.mktemp("sides")
    toy.prepare(folder)
    assert toy.finish(folder, folder / "undisturbed") == (3, toy.N_RUNS)
    return folder, toy.reports_of(folder / "undisturbed")


def _stopped_in_training(folder, results, means):
    process = toy.start(folder, results)
    while process.poll() is None and toy.n_stored(results) == 0:
        time.sleep(0.02)
    return toy.stop(process, means, random.Random(0))


@pytest.mark.parametrize("means", ["kill -9", "Ctrl-C twice"])
def test_comparison_when_stopped_in_training_resumes_to_the_same_report(
    means, undisturbed, tmp_path
):
    folder, reports = undisturbed
    answer = _stopped_in_training(folder, tmp_path, means)
    assert toy.faults_of(answer, means) == []
    if means != "kill -9":
        assert answer.code == 130
    n_stored = toy.n_stored(tmp_path)
    assert 0 < n_stored < toy.N_RUNS
    assert toy.finish(folder, tmp_path) == (3, toy.N_RUNS - n_stored)
    assert toy.reports_of(tmp_path) == reports
    assert toy.leftovers(tmp_path) == []


@pytest.mark.parametrize("delay_s", [0.4, 1.5])
def test_comparison_when_stopped_before_training_says_how_to_resume(delay_s, undisturbed, tmp_path):
    process = toy.start(undisturbed[0], tmp_path)
    time.sleep(delay_s)
    answer = toy.stop(process, "SIGTERM", random.Random(0))
    assert "Traceback" not in answer.err
    assert answer.code in (130, -15)  # -15: before the first line of the program


def test_two_invocations_at_once_share_the_work_and_the_report(undisturbed, tmp_path):
    folder, reports = undisturbed
    both = [toy.start(folder, tmp_path) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [3, 3], errors
    lines = "".join(errors).splitlines()
    trained = [line for line in lines if "finished (" in line and "stored" not in line]
    assert len(trained) == toy.N_RUNS, lines
    assert toy.reports_of(tmp_path) == reports
    assert toy.leftovers(tmp_path) == []


def test_segments_when_stopped_leave_no_child_and_say_how_to_go_on(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from harness.tap import tap\n"
        "def side(call):\n"
        "    __import__('time').sleep(60)\n"
        "    tap('loss', 1.0)\n"
    )
    words = ["segments", "--algo", "dqn", "--mine", "mine.py", "--results", "results"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(toy.ROOT)},
    )
    parent = psutil.Process(process.pid)
    while process.poll() is None and not (children := parent.children(recursive=True)):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130, err
    assert "Stopped." in err
    assert "Traceback" not in err
    assert psutil.wait_procs(children, timeout=5)[1] == []
