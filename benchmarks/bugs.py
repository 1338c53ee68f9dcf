"""Plant every known mistake, run the segment test, and write what was found (`make bench-bugs`).

    python -m benchmarks.bugs [--algo dqn] [--only ID ...] [--pairs] [--aa] [--docs FILE]

The rows are those of `tests/bugs`: mistakes, other accepted ways and benign changes of the clean
files. For each it says whether something differs, on which level, whether the component of the
first finding is right, and whether the changed line lies inside the lines that it names. `--pairs`
plants 50 random pairs of mistakes that show in different quantities: both must be named. `--aa`
compares the reference with itself, 200 times: nothing may be found.

Answers are kept as lines of JSON, named by the hash of the changed file and of everything that
searches, so a run that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks import bugs_page
from harness.errors import UsageError
from tests.bugs.catalogue import ALGOS, Planted, planted

ROOT = Path(__file__).resolve().parents[1]
# Whatever can change an answer, beside the changed file itself.
SEARCHERS = (
    "harness/segments", "harness/stats", "harness/localise", "harness/spec/cards",
    "harness/probes", "harness/run/observe", "baselines",
    "harness/calibrate/recorded.py", "tests/bugs/replaying.py",
)  # fmt: skip
N_PAIRS = 50
N_AA = 200
Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One replay. kind: "planted" (source: the changed file) or "aa" (seed of both sides)."""

    name: str
    algo: str
    kind: str
    source: str = ""
    seed: int = 0

    @property
    def key(self) -> str:
        """Return the hash of everything that can change the answer."""
        parts = (searchers(), self.algo, self.kind, self.source, str(self.seed))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@cache
def searchers() -> str:
    """Return the hash of the code that searches."""
    digest = hashlib.sha256()
    for place in SEARCHERS:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.suffix in (".py", ".toml"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def perform(task: Task) -> Record:
    """Do one replay; runs in a worker process. A search that fails is an answer too."""
    from tests.bugs import replaying

    try:
        if task.kind == "aa":
            return replaying.reference_against_itself(task.algo, seed=task.seed)
        with tempfile.TemporaryDirectory(prefix="planted-") as folder:
            return replaying.replayed(task.algo, task.source, folder)
    except Exception:  # noqa: BLE001 - the child boundary: one failure must not end the run
        tail = traceback.format_exc().splitlines()[-6:]
        return {"reason": "\n".join(tail), "findings": [], "changed": [], "seconds": 0.0}


class Answers:
    """Answers on disk, one line each; what is there already is not asked again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self._known: dict[str, Record] = {}
        for line in lines:
            if line.endswith("}"):  # a line that was being written when the run was ended has none
                read = json.loads(line)
                self._known[read["key"]] = read

    def get(self, tasks: Sequence[Task], *, jobs: int, say: Callable[[str], None]) -> list[Record]:
        """Return the answers in the order of the tasks, asking for those that are missing."""
        missing = {task.key: task for task in tasks if task.key not in self._known}
        began = time.monotonic()
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            waiting = {pool.submit(perform, task): task for task in missing.values()}
            for count, future in enumerate(as_completed(waiting), 1):
                task = waiting[future]
                self._keep(task, future.result())
                say(f"{count}/{len(waiting)} {time.monotonic() - began:.0f} s {task.name}")
        return [self._known[task.key] for task in tasks]

    def _keep(self, task: Task, record: Record) -> None:
        line = {"key": task.key, "name": task.name, **record}
        self._known[task.key] = line
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def tasks_of(rows: Sequence[Planted]) -> list[Task]:
    """Return one task per planted change."""
    return [Task(row.name, row.algo, "planted", row.patched()) for row in rows]


def pairs_of(
    rows: Sequence[Planted], found: Mapping[str, str]
) -> Iterator[tuple[Planted, Planted]]:
    """Yield random pairs that show in different quantities and can both be planted.

    Args:
        found: name of a planted change -> quantity of its first finding when alone.
    """
    rng = random.Random(0)
    shown = [row for row in rows if row.kind == "bug" and row.name in found]
    every = [
        (a, b)
        for i, a in enumerate(shown)
        for b in shown[i + 1 :]
        if a.algo == b.algo and found[a.name] != found[b.name]
    ]
    rng.shuffle(every)
    for a, b in every:
        if both(a, b):
            yield a, b


def both(a: Planted, b: Planted) -> str:
    """Return the source with both changes; "" when one leaves no place for the other."""
    try:
        source = str(b.patched(a.patched()))
        compile(source, a.name, "exec")
    except (UsageError, SyntaxError):
        return ""
    return source


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the tables, rewrite the page."""
    asked = _parser().parse_args(arguments)
    answers = Answers(asked.answers)
    rows = [r for algo in asked.algo for r in planted(algo) if not asked.only or r.id in asked.only]
    say = _told if asked.verbose else _untold
    records = answers.get(tasks_of(rows), jobs=asked.jobs, say=say)
    judged = [bugs_page.judge(row, record) for row, record in zip(rows, records, strict=True)]
    pairs = _pairs(asked, answers, rows, judged) if asked.pairs else []
    repeats = _repeats(asked, answers) if asked.aa else []
    page = bugs_page.page(judged, pairs, repeats)
    print(page)
    if asked.docs and not asked.only:
        asked.docs.write_text(page, encoding="utf-8")
    return 0


def _pairs(
    asked: argparse.Namespace,
    answers: Answers,
    rows: Sequence[Planted],
    judged: Sequence[bugs_page.Judged],
) -> list[bugs_page.Pair]:
    found = {one.row.name: one.quantity for one in judged if one.is_found}
    chosen = [pair for pair, _ in zip(pairs_of(rows, found), range(N_PAIRS), strict=False)]
    tasks = [Task(f"{a.name} + {b.name}", a.algo, "planted", both(a, b)) for a, b in chosen]
    say = _told if asked.verbose else _untold
    records = answers.get(tasks, jobs=asked.jobs, say=say)
    return [
        bugs_page.judge_pair((a, found[a.name]), (b, found[b.name]), record)
        for (a, b), record in zip(chosen, records, strict=True)
    ]


def _repeats(asked: argparse.Namespace, answers: Answers) -> list[Record]:
    """Return the answers of the reference against itself, spread over the algorithms."""
    seeds = range(1, 1 + -(-N_AA // len(asked.algo)))
    tasks = [Task(f"{a} seed {s}", a, "aa", seed=s) for s in seeds for a in asked.algo][:N_AA]
    say = _told if asked.verbose else _untold
    return answers.get(tasks, jobs=asked.jobs, say=say)


def _told(line: str) -> None:
    print(line, flush=True)


def _untold(line: str) -> None:
    del line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--algo", nargs="+", default=list(ALGOS), choices=ALGOS)
    parser.add_argument("--only", nargs="+", default=[], help="ids; the page is not rewritten")
    parser.add_argument("--pairs", action="store_true", help=f"{N_PAIRS} pairs of mistakes")
    parser.add_argument("--aa", action="store_true", help=f"{N_AA} times the reference twice")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--answers", type=Path, default=ROOT / "results/bugs/answers.jsonl")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs/localisation.md")
    parser.add_argument("--verbose", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
