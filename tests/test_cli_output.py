"""Output that nobody reads, that is full or closed: the exit code stays the verdict's."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import say
from harness.cli.outlet import Outlet
from harness.errors import StoreError

PROGRAM = [sys.executable, "-m", "harness"]


def _piped_to(reader, *words):
    """Return (exit code, stderr) of the program with its stdout piped to a shell command."""
    line = f'"$0" -m harness "$@" | {reader}; exit ${{PIPESTATUS[0]}}'
    command = ["bash", "-c", line, sys.executable, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["list"], ["--version"]])
@pytest.mark.parametrize("reader", ["true", "head -c 1"])
def test_output_when_the_reader_leaves_keeps_its_exit_code(words, reader):
    assert _piped_to(reader, *words) == (0, "")


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]])
def test_output_when_streams_are_closed_keeps_its_exit_code(closed):
    shell = " ".join(f"{number}>&-" for number in closed)
    for words, code in ((["list"], 0), (["--algo", "dpn"], 2)):
        command = ["bash", "-c", f'"$0" -m harness "$@" {shell}', sys.executable, *words]
        assert subprocess.run(command, capture_output=True).returncode == code


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_output_to_a_full_disk_says_so_and_is_no_verdict():
    with FULL.open("w") as full:
        done = subprocess.run([*PROGRAM, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4
    assert "could not write the output: No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_outlet_drops_what_nobody_reads_and_raises_what_is_lost():
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as stream:
        outlet = Outlet(stream)
        assert outlet.write("x") == 1
        outlet.flush()
        outlet.write("y")
    with FULL.open("w") as stream:
        outlet = Outlet(stream)
        outlet.write("x")
        with pytest.raises(StoreError, match="compare report NAME shows it again"):
            outlet.flush()


def test_output_in_a_poor_encoding_replaces_what_it_cannot_show(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*PROGRAM, "--algo", "dqn", "--mine", "größe.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tmp_path, errors="strict"
    )
    assert done.returncode == 2
    assert "no such file" in done.stderr


def test_console_width_follows_columns_where_there_is_no_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert say.console(io.StringIO()).width == say.PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "40")
    assert say.console(io.StringIO()).width == 40


def test_dry_run_writes_json_that_other_programs_read(tmp_path):
    command = [*PROGRAM, "--algo", "dqn", "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert {run["is_cached"] for run in json.loads(done.stdout)["runs"]} == {False}
