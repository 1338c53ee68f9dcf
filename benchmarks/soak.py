"""Reliability in full: every kind of dying run many times, random kills, resuming (`make soak`).

Part 1: each kind of `tests.run.fault_kinds`, `--repeats` times, each beside a healthy neighbour;
all must be classified, no neighbour lost. Part 2: `--kills` times an invocation is started, and it
or one of the processes below it is killed with SIGKILL at a random moment. The next one resumes;
a store that has become complete must equal one that was never disturbed (traces byte for byte,
done.json but for the wall time), and the next kill meets an empty store. Part 3: `--stops` times a
comparison is stopped at a random moment, by each means of `tests.interrupting`, until it ends;
its reports must equal, byte for byte, those of one that nobody stopped.

Run it on a tree that nobody edits: runs of an older harness differ from those of a newer one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from harness.errors import EXIT_INCONCLUSIVE
from harness.records import Outcome, RunRecord, SideSpec
from harness.run.executor import LocalExecutor
from harness.run.limits import Limits
from harness.store.store import Store
from tests import interrupting as toy
from tests.run.fault_kinds import KINDS
from tests.run.run_toys import HEALTHY, make_run, write_side

LIMITS = Limits(stall_s=3.0, term_grace_s=0.3, done_grace_s=0.3, memory_bytes=900 << 20)
ROOT = Path(__file__).resolve().parents[1]
# Enough for many kills to meet a run in flight.
SIDE = "train(call, 60, lambda step: time.sleep(0.01))"
N_RUNS = 6
ORPHAN_PATIENCE_S = 2.0
# A stopped comparison is brought to its end, and compared, after so many stops at most.
STOPS_PER_STORE = 3


def soak_faults(folder: Path, *, names: list[str], repeats: int) -> list[str]:
    """Run each kind `repeats` times beside a healthy neighbour; return what went wrong."""
    wrong: list[str] = []
    healthy = write_side(folder, HEALTHY, "healthy")
    for repeat in range(repeats):
        store = Store(folder / f"store{repeat}")
        expected: dict[str, str] = {}
        with LocalExecutor(store, jobs=2, limits=LIMITS) as executor:
            for number, name in enumerate(names):
                run = make_run(write_side(folder, KINDS[name].body, name), number)
                neighbour = make_run(healthy, 1000 + number, seed=number)
                expected |= {run.key: name, neighbour.key: ""}
                executor.submit(run)
                executor.submit(neighbour)
            while executor.pending():
                record = executor.next_finished()
                wrong += check_record(record, expected.pop(record.spec.key))
        wrong += [f"no record for {name or 'a neighbour'}" for name in expected.values()]
    return wrong


def check_record(record: RunRecord, name: str) -> list[str]:
    """Return what is wrong with a record; `name` is its kind, "" for a healthy neighbour."""
    if not name:
        is_right = record.outcome is Outcome.DONE and record.env_steps == 60
        return [] if is_right else [f"neighbour lost: {record.outcome} {record.message}"]
    kind = KINDS[name]
    tail = "\n".join(record.stderr_tail)
    if record.outcome is not kind.outcome:
        return [f"{name}: expected {kind.outcome}, saw {record.outcome}: {record.message}"]
    if not re.search(kind.words, record.message) or not re.search(kind.stderr, tail):
        return [f"{name}: words: {record.message} / {tail[-200:]}"]
    return []


def invoke(store: Path, side: SideSpec) -> subprocess.Popen[bytes]:
    """Start an invocation of its own that trains the N_RUNS runs."""
    words = ["-m", "tests.run.drive", str(store), "0", str(N_RUNS), str(side.file)]
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, cwd=ROOT)


def soak_kills(folder: Path, *, kills: int, rng: random.Random) -> list[str]:
    """Kill invocations and runs at random moments, resume, compare with an undisturbed store."""
    side = write_side(folder, SIDE)
    undisturbed, disturbed = folder / "undisturbed", folder / "disturbed"
    invoke(undisturbed, side).wait()
    wrong: list[str] = []
    n_kills = 0
    while n_kills < kills:
        process = invoke(disturbed, side)
        time.sleep(rng.uniform(0.0, 3.5))
        wrong += kill_one(process, rng)
        n_kills += 1
        wrong += check_whole(disturbed, side)
        if all(Store(disturbed).find(make_run(side, k, seed=k)) for k in range(N_RUNS)):
            wrong += differences(undisturbed, disturbed)
            disturbed = folder / f"disturbed{n_kills}"
    invoke(disturbed, side).wait()
    return wrong + differences(undisturbed, disturbed)


def kill_one(process: subprocess.Popen[bytes], rng: random.Random) -> list[str]:
    """Kill an invocation, or one process below it; then nothing of it may live on."""
    below = descendants(process.pid)
    is_worker = bool(below) and rng.random() < 0.5
    victim = rng.choice(below) if is_worker else psutil.Process(process.pid)
    with contextlib.suppress(psutil.Error):
        victim.kill()
    process.wait()
    deadline = time.monotonic() + ORPHAN_PATIENCE_S
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [f"orphan {orphan}" for orphan in alive(below)]


def descendants(pid: int) -> list[psutil.Process]:
    """Return the living processes below `pid`."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run (a zombie that waits for its reaper does not)."""
    living = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def check_whole(root: Path, side: SideSpec) -> list[str]:
    """Return the published runs that do not verify: there must be none, at any moment."""
    store = Store(root)
    wrong = []
    for number in range(N_RUNS):
        run = make_run(side, number, seed=number)
        reason = store.why_not(run)
        if reason not in ("", "not trained yet"):
            wrong.append(f"false done: {reason}")
    return wrong


def differences(first: Path, second: Path) -> list[str]:
    """Return where two stores differ, wall times masked."""
    contents = [contents_of(root) for root in (first, second)]
    names = sorted(contents[0].keys() | contents[1].keys())
    return [f"differs: {name}" for name in names if contents[0].get(name) != contents[1].get(name)]


def contents_of(root: Path) -> dict[str, object]:
    """Return relative name -> content of every published file, wall times masked."""
    found: dict[str, object] = {}
    for path in sorted((root / "runs").rglob("*")):
        if path.name == "done.json":
            document = json.loads(path.read_text())["document"]
            found[str(path.relative_to(root))] = {**document, "wall_time_s": None}
        elif path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def soak_stops(folder: Path, *, stops: int, rng: random.Random) -> list[str]:
    """Stop whole comparisons at random moments, resume them, compare the reports."""
    toy.prepare(folder)
    toy.finish(folder, folder / "undisturbed")
    expected = toy.reports_of(folder / "undisturbed")
    wrong: list[str] = []
    results = folder / "results0"
    for number in range(1, stops + 1):
        means = rng.choice(list(toy.MEANS))
        process = toy.start(folder, results)
        time.sleep(rng.uniform(0.5, 8.0))
        answer = toy.stop(process, means, rng)
        wrong += toy.faults_of(answer, means)
        if number % STOPS_PER_STORE and not answer.was_over:
            continue
        n_stored = toy.n_stored(results)
        code, n_trained = toy.finish(folder, results)
        if (code, n_trained) != (EXIT_INCONCLUSIVE, toy.N_RUNS - n_stored):
            wrong.append(f"{n_stored} were stored: exit code {code}, trained {n_trained}")
        if toy.reports_of(results) != expected or toy.leftovers(results):
            wrong.append(f"after {means}: another report, or {toy.leftovers(results)} left")
        results = folder / f"results{number}"
    return wrong


def main() -> int:
    """Soak, print what went wrong, return 1 when anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--stops", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began_s = time.monotonic()
        wrong = soak_faults(folder, names=list(KINDS), repeats=options.repeats)
        n_runs = len(KINDS) * options.repeats
        print(f"{n_runs} faults of {len(KINDS)} kinds beside {n_runs} healthy runs: "
              f"{len(wrong)} wrong, {time.monotonic() - began_s:.0f} s")  # fmt: skip
        (folder / "kills").mkdir()
        found = soak_kills(folder / "kills", kills=options.kills, rng=random.Random(options.seed))
        print(f"{options.kills} kills, resumed: {len(found)} wrong")
        rng = random.Random(options.seed)
        stopped = soak_stops(folder / "stops", stops=options.stops, rng=rng)
        print(f"{options.stops} comparisons stopped, resumed: {len(stopped)} wrong")
    for line in wrong + found + stopped:
        print("  " + line)
    return int(bool(wrong or found or stopped))


if __name__ == "__main__":
    sys.exit(main())
