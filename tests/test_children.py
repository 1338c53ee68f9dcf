"""Children that answer one question: time limit, floods, workers left behind, and withdrawal."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from harness.children import TAIL_BYTES, Children

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Return a function that has a child run some lines, `request` and `answer` in reach."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def ask(lines, *, children=None, time_limit_s=30.0, name="task"):
        body = textwrap.indent(textwrap.dedent(lines), "    ")
        (tmp_path / f"{name}.py").write_text(
            f"import os, sys, time\ndef main(paths):\n    request, answer = paths\n{body}\n"
        )
        request = tmp_path / "request.json"
        request.write_text("{}")
        return (children or Children()).ask(
            name,
            (request, tmp_path / "answer.json"),
            environment={},
            time_limit_s=time_limit_s,
        )

    return ask


def test_child_answers_in_the_folder_of_its_request(asked, tmp_path):
    assert asked("open(answer, 'w').write(os.getcwd())\nreturn 0") == (0, "")
    assert (tmp_path / "answer.json").read_text() == str(tmp_path)


def test_child_that_fails_leaves_its_last_words(asked):
    code, words = asked("raise ValueError('mine')")
    assert code == 1
    assert words.splitlines()[-1] == "ValueError: mine"


def test_flood_is_read_and_thrown_away(asked):
    code, words = asked(
        """
        for stream in (sys.stdout, sys.stderr):
            for _ in range(200):
                stream.write("x" * 100_000)
        sys.stderr.write("end")
        """
    )
    assert code == 0
    assert len(words) == TAIL_BYTES
    assert words.endswith("end")


def test_child_that_waits_is_ended_with_its_workers(asked, tmp_path):
    pids = tmp_path / "pids"
    code, _ = asked(
        f"""
        pid = os.fork()
        open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")
        time.sleep(60)
        """,
        time_limit_s=2.0,
    )
    assert code is None
    gone(int(line) for line in pids.read_text().split())


def gone(pids):
    """Wait until none of the processes is alive any more."""
    deadline = time.monotonic() + 10
    left = list(pids)
    assert left
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if is_alive(pid)]
        time.sleep(0.05)
    assert not left


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_no_child_begins_after_the_end(asked):
    children = Children()
    children.end()
    with pytest.raises(KeyboardInterrupt):
        asked("return 0", children=children)


SLEEPERS = """
import json, os, sys
from pathlib import Path
from harness.children import Children

children = Children()
folder = Path(sys.argv[1])

def ask(name):
    request = folder / "request.json"
    return children.ask("sleeper", (request, folder / name), environment={}, time_limit_s=60)

children.side_by_side(ask, ["a", "b", "c", "d"], jobs=2)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_interrupt_of_the_parent_ends_every_child_and_begins_no_other(tmp_path, signum):
    (tmp_path / "request.json").write_text(json.dumps({}))
    (tmp_path / "sleeper.py").write_text(
        "import os, time\n"
        "def main(paths):\n"
        "    open(paths[1], 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEPERS, str(tmp_path)],
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    files = [tmp_path / "a", tmp_path / "b"]
    while time.monotonic() < deadline and not all(f.is_file() and f.read_text() for f in files):
        time.sleep(0.05)
    parent.send_signal(signum)
    parent.wait(10)
    gone(int(file.read_text()) for file in files)
    assert not (tmp_path / "c").exists()
