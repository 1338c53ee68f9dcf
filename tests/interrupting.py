"""A real toy comparison that is stopped at some moment, by each means, and then goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.test_pipeline import write_side

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ("report.json", "report.md", "report.html")
N_RUNS = 6
# What ends a comparison: signals with seconds between them.
MEANS = {
    "kill -9": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "closed terminal": [signal.SIGHUP],
}
ANSWER_S = 5.0


@dataclass(frozen=True)
class Stop:
    """How a comparison answered: `was_over` says that it had ended before the signal."""

    code: int
    err: str
    answer_s: float
    was_over: bool


def prepare(folder: Path) -> None:
    """Write both sides into an empty folder; a run takes about a second."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("mine", "reference"):
        write_side(folder, name, during="__import__('time').sleep(0.004)")


def start(folder: Path, results: Path) -> subprocess.Popen[str]:
    """Start the comparison of the two sides in `folder`."""
    words = "--algo dqn --envs CartPole-v1 --mine mine.py --reference reference.py --jobs 2"
    words += " --seeds 3 --total-timesteps 150 --set learning_starts=0 --results"
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words.split(), str(results)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(folder: Path, results: Path) -> tuple[int, int]:
    """Compare to the end; return (exit code, number of runs that were trained now)."""
    process = start(folder, results)
    _, err = process.communicate()
    n_trained = sum("finished" in line and "stored" not in line for line in err.splitlines())
    return process.returncode, n_trained


def stop(process: subprocess.Popen[str], means: str, rng: random.Random) -> Stop:
    """Send the signals now; wait for the end."""
    was_over = process.poll() is not None
    began_s = time.monotonic()
    for number, signum in enumerate(MEANS[means]):
        time.sleep(rng.uniform(0.0, 0.5) if number else 0.0)
        process.send_signal(signum)
    _, err = process.communicate()
    return Stop(process.returncode, err, time.monotonic() - began_s, was_over)


def faults_of(answer: Stop, means: str) -> list[str]:
    """Return what is wrong with an answer to a signal."""
    if answer.was_over or means == "kill -9":
        return []
    wrong = []
    if answer.answer_s > ANSWER_S:
        wrong.append(f"{means}: answered after {answer.answer_s:.1f} s")
    if answer.code != 130 and "Full report" not in answer.err and answer.code != 3:
        wrong.append(f"{means}: exit code {answer.code}: {answer.err[-300:]}")
    if "Traceback" in answer.err:
        wrong.append(f"{means}: {answer.err[-600:]}")
    if answer.code == 130 and "resume with: compare --algo dqn" not in answer.err:
        wrong.append(f"{means}: no resume line: {answer.err[-300:]}")
    return wrong


def reports_of(results: Path) -> dict[str, bytes]:
    """Return the bytes of each report of the only comparison."""
    (folder,) = (results / "comparisons").iterdir()
    return {name: (folder / name).read_bytes() for name in REPORTS}


def n_stored(results: Path) -> int:
    """Return how many runs are published."""
    return len(list(results.glob("runs/*/*/done.json")))


def leftovers(results: Path) -> list[str]:
    """Return what a finished comparison must not leave in the folder of work."""
    return [path.name for path in (results / "work").iterdir()]
