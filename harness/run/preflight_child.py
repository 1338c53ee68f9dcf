"""Begin several runs, each in a fork of one process with the heavy imports done.

Started by `harness.run.preflight` with the paths of a request and of the answer to be written.
A composition root like `harness.run.child`. A side is called exactly as for a whole run and ended
after its first updates, so that whatever depends on the length of the run is unchanged.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from harness.codec import from_plain, to_plain
from harness.preflight import PreflightResult, PreflightRun
from harness.records import ROLES, Json, Outcome, Role, RunSpec
from harness.run.child import (
    KIND_UNSUPPORTED,
    call_of,
    describe,
    leave,
    prepare_process,
    print_exception,
)
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.run.observe.beginning import Beginning, Stop
from harness.run.preload import MODULES, preload
from harness.run.process import die_with_parent
from harness.run.provenance import PACKAGES, provenance_of
from harness.spec.environments import register_ids

# Between two looks at the forks, seconds.
POLL_S = 0.005
# Facts that may vary with the draws (a round that ends with an episode): where mine differs in one,
# so many further seeds of the reference say whether its own agree.
MAY_VARY = ("first_update_env_step", "seeded_resets")
FURTHER_SEEDS = (10_007, 20_011, 30_011)
# What a run's fork writes to its standard streams; the last lines say why it died.
STDERR_LINES, STDERR_CHARACTERS = 10, 200

# Facts that make sense of a whole run only.
WHOLE_RUN = frozenset(
    {
        "env_steps",
        "episodes",
        "unfinished_episodes",
        "silent_resets",
        "reward_abs_max",
        "n_updates",
        "last_update_env_step",
        "learning_rate_last",
        "unclipped_norm_max",
        "longest_wait",
        "grad_value_clips",
        "final_weights_sha256",
        "unseen_taps",
    }
)


@dataclass
class _Fork:
    """One run under way."""

    index: int
    pid: int
    folder: Path
    started_s: float
    is_over_time: bool = False


def main(arguments: Sequence[str]) -> int:
    """Begin the runs of the request, so many at once; write what became of each as JSON."""
    request, answer = (Path(argument) for argument in arguments)
    asked = json.loads(request.read_text())
    runs = [(one["role"], from_plain(RunSpec, one["run"])) for one in asked["runs"]]
    preload((*MODULES, "harness.run.observe.beginning"))
    register_ids()
    how = {"jobs": asked["jobs"], "time_limit_s": asked["time_limit_s"]}
    found = begin_all(runs, request.parent / "first", **how)
    found += begin_all(further(runs, found), request.parent / "further", **how)
    answer.write_text(json.dumps(found))
    return 0


def further(
    runs: Sequence[tuple[Role, RunSpec]], found: Sequence[Mapping[str, Json]]
) -> list[tuple[Role, RunSpec]]:
    """Return more seeds of the reference, where only draws may have made a difference."""
    result = PreflightResult(tuple(from_plain(PreflightRun, one) for one in found))
    added: list[tuple[Role, RunSpec]] = []
    for env_id in dict.fromkeys(run.env_id for _, run in runs):
        sides = [[*result.facts_of(role, env_id).values()] for role in ROLES]
        if all(sides) and any(_may_be_chance(name, *sides) for name in MAY_VARY):
            first = next(r for role, r in runs if (role, r.env_id) == ("reference", env_id))
            seeds = (first.seed + distance for distance in FURTHER_SEEDS)
            added += [("reference", replace(first, seed=seed)) for seed in seeds]
    return added


def _may_be_chance(
    name: str, mine: Sequence[Mapping[str, Json]], reference: Sequence[Mapping[str, Json]]
) -> bool:
    """Return whether the reference agrees with itself, and mine does not with it."""
    first = reference[0].get(name)
    is_constant = all(facts.get(name) == first for facts in reference)
    return is_constant and any(facts.get(name) != first for facts in mine)


def begin_all(
    runs: Sequence[tuple[Role, RunSpec]], folder: Path, *, jobs: int, time_limit_s: float
) -> list[dict[str, Json]]:
    """Return one answer per run, in order; each run has a process of its own."""
    folder.mkdir()
    waiting = list(enumerate(runs))
    active: list[_Fork] = []
    answers: dict[int, dict[str, Json]] = {}
    while waiting or active:
        while waiting and len(active) < max(1, jobs):
            index, (_, run) = waiting.pop(0)
            active.append(_fork(index, run, folder / f"run-{index}"))
        time.sleep(POLL_S)
        for fork, status in _ended(active, time_limit_s):
            active.remove(fork)
            answers[fork.index] = _answer_of(fork, status, time_limit_s)
    return [
        {"role": role, "env_id": run.env_id, "seed": run.seed, **answers[index]}
        for index, (role, run) in enumerate(runs)
    ]


def begin(run: RunSpec, *, patience_s: float | None = None) -> dict[str, Json]:
    """Begin one run in this process; return its facts, or why there are none."""
    beginning = Beginning(run.taps, **({} if patience_s is None else {"patience_s": patience_s}))
    observation = Observation(run, beginning)
    is_ended = False
    try:
        counts = observation.update_counts
        with observation, beginning.watching(observation.handle, other_counts=counts):
            load_side(run.side)(call_of(run))
    except Stop:
        is_ended = True
    except SystemExit as request:
        message = f"called sys.exit({request.code!r}) before its first updates were made"
        return {"outcome": Outcome.EXITED.value, "message": message}
    except BaseException as error:  # noqa: BLE001 - the child boundary: becomes words
        print_exception(error)
        return _failure(error)
    reason = observation.fault or beginning.fault
    if not is_ended:
        reason = reason or observation.unobserved_reason() or ""
    if reason:
        return {"outcome": Outcome.UNOBSERVED.value, "message": reason}
    seen = {**observation.facts(), **beginning.facts(), "versions": _versions(run)}
    facts = {name: value for name, value in seen.items() if name not in WHOLE_RUN}
    return {"outcome": Outcome.DONE.value, "facts": to_plain(facts)}


def _failure(error: BaseException) -> dict[str, Json]:
    failure = describe(error)
    if failure.kind == KIND_UNSUPPORTED:
        return {"outcome": Outcome.UNSUPPORTED.value, "message": failure.message}
    where = f" at {failure.traceback[-1]}" if failure.traceback else ""
    message = f"{failure.type}: {failure.message}{where}"
    return {"outcome": Outcome.CRASHED.value, "message": message}


def _versions(run: RunSpec) -> dict[str, Json]:
    """Return the versions that both sides can have, not those of what a side is made of."""
    provenance = provenance_of(run)
    versions = {name: provenance["versions"].get(name) for name in PACKAGES[:3]}
    return {"python": provenance["python"], **versions}


def _fork(index: int, run: RunSpec, folder: Path) -> _Fork:
    folder.mkdir()
    sys.stdout.flush()
    sys.stderr.flush()
    parent_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        _in_fork(lambda: begin(run), folder, parent_pid)
    return _Fork(index, pid, folder, time.monotonic())


def _in_fork(work: Callable[[], Mapping[str, Json]], folder: Path, parent_pid: int) -> NoReturn:
    """Do the work and leave the process; nothing of the parent's stack runs on in it."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent_pid)
        os.chdir(folder)
        _redirect(folder / "stderr")
        prepare_process()
        started_s, pid = time.monotonic(), os.getpid()
        answer = work()
        if os.getpid() != pid:
            os._exit(0)
        seconds = time.monotonic() - started_s
        (folder / "answer.json").write_text(json.dumps({**answer, "seconds": seconds}))
        code = 0
    finally:
        leave(code)


def _redirect(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(descriptor, stream)


def _ended(active: Sequence[_Fork], time_limit_s: float) -> Iterator[tuple[_Fork, int]]:
    """Yield the forks that have ended, with their wait status; kill those over time."""
    for fork in list(active):
        if time.monotonic() - fork.started_s > time_limit_s and not fork.is_over_time:
            fork.is_over_time = True
            _kill(fork)
        pid, status = os.waitpid(fork.pid, os.WNOHANG)
        if pid:
            _kill(fork)  # workers that it left behind
            yield fork, status


def _kill(fork: _Fork) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(fork.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _answer_of(fork: _Fork, status: int, time_limit_s: float) -> dict[str, Json]:
    path = fork.folder / "answer.json"
    if path.is_file():
        answer: dict[str, Any] = json.loads(path.read_text())
    else:
        answer = _without_answer(fork, os.waitstatus_to_exitcode(status), time_limit_s)
    if answer["outcome"] != Outcome.DONE.value:
        text = (fork.folder / "stderr").read_text("utf-8", "replace")
        lines = [line[:STDERR_CHARACTERS] for line in text.splitlines() if line.strip()]
        answer["stderr_tail"] = lines[-STDERR_LINES:]
    return answer


def _without_answer(fork: _Fork, code: int, time_limit_s: float) -> dict[str, Json]:
    seconds = time.monotonic() - fork.started_s
    if fork.is_over_time:
        outcome = Outcome.HUNG
        message = f"made no first update and did not end within {time_limit_s:.0f} s"
    elif code < 0:
        outcome, message = Outcome.KILLED, f"was ended by {signal.Signals(-code).name}"
    else:
        outcome, message = Outcome.EXITED, f"ended with exit code {code} before its first update"
    return {"outcome": outcome.value, "message": message, "seconds": seconds}
