"""Answers on disk, one line of JSON each: a measurement that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One question.

    Attributes:
        name: for people. key: hash of everything that can change the answer.
        ask: a picklable function of `arguments` that returns plain JSON values.
    """

    name: str
    key: str
    ask: Callable[..., Record]
    arguments: tuple[Any, ...] = ()


def key_of(*parts: object) -> str:
    """Return the hash of plain values.

    >>> key_of("a", 1) == key_of("a", 1), key_of("a", 1) == key_of("a", 2)
    (True, False)
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


class Ledger:
    """Answers by key; what is there already is not asked again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Record] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            if line.endswith("}"):  # a line that was being written when all was ended has none
                read = json.loads(line)
                self._known[read["key"]] = read

    def missing(self, tasks: Iterable[Task], *, code: str = "") -> list[Task]:
        """Return the tasks without an answer, each key once.

        Args:
            code: version of the code that an answer must be of; "" takes any.
        """
        return list({task.key: task for task in tasks if not self._has(task, code)}.values())

    def answers(self, tasks: Iterable[Task]) -> list[Record]:
        """Return the answers that are there, in the order of the tasks."""
        return [self._known[task.key] for task in tasks if task.key in self._known]

    def fill(
        self, missing: Sequence[Task], *, jobs: int, say: Say, is_over: Callable[[], bool]
    ) -> None:
        """Ask for what is missing, `jobs` at a time, until all is there or time is over."""
        for count, (task, record) in enumerate(_answered(missing, jobs, is_over), 1):
            self._keep(task, record)
            say(f"{count} of {len(missing)}: {task.name}")

    def _has(self, task: Task, code: str) -> bool:
        known = self._known.get(task.key)
        return known is not None and (not code or known.get("code") == code)

    def _keep(self, task: Task, record: Record) -> None:
        line = {"key": task.key, "name": task.name, **record}
        self._known[task.key] = line
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _answered(
    tasks: Sequence[Task], jobs: int, is_over: Callable[[], bool]
) -> Iterator[tuple[Task, Record]]:
    """Yield (task, answer) as they come; in this process when there is one job."""
    if jobs == 1:
        for task in tasks:
            if is_over():
                return
            yield task, task.ask(*task.arguments)
        return
    waiting = list(tasks)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: dict[Future[Record], Task] = {}
        while (waiting and not is_over()) or running:
            while waiting and len(running) < jobs and not is_over():
                task = waiting.pop(0)
                running[pool.submit(task.ask, *task.arguments)] = task
            done = next(as_completed(running))
            yield running.pop(done), done.result()
