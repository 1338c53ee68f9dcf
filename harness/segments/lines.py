"""Which lines of a side ran between two events: the stretch of code that a segment is made of.

A trace function notes every line of the side's own files (for the reference: of its package). At
each event the lines since the event before are credited to it. Lines are widened to whole simple
statements, so that a change inside a call that spans several lines is covered.
"""

# ruff: noqa: ANN401 - frames and trace functions are of any type

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from harness.run.observe.sites import Sites

# Lines of one function: (file, first line of the function) -> line numbers.
Lines = dict[tuple[str, int], set[int]]
# A line that is running: file, first line of the function, line.
Place = tuple[str, int, int]
# At most so many stretches are named; the one that holds the tap comes first.
MAX_STRETCHES = 20
# Of the first stretch, so many lines are shown.
MAX_SOURCE_LINES = 30


class Tracer:
    """Credits the lines that ran between two events to the later one.

    Args:
        folders: only files below one of these are traced; without any, nothing is.

    Attributes:
        lines: (quantity of the event before, quantity) -> lines that ran between the two.
        stacks: quantity -> the places of the side's code that its first event was reached
            through, innermost first.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(f"{folder.resolve()}/" for folder in folders)
        self._is_traced: dict[CodeType, bool] = {}
        self._recent: Lines = {}
        self._latest: Lines = {}
        self._before = ""
        self._has_begun = False
        self._stack: tuple[Place, ...] = ()
        self.lines: dict[tuple[str, str], Lines] = {}
        self.stacks: dict[str, tuple[Place, ...]] = {}

    @contextmanager
    def tracing(self, *, is_on: bool) -> Iterator[None]:
        """Trace this thread inside the with block: at once, or from `begin` on."""
        before = sys.gettrace()
        if is_on:
            self.begin()
        try:
            yield
        finally:
            if self._folders:
                sys.settrace(before)

    def begin(self) -> None:
        """Trace from here on, in the functions that are running too."""
        if not self._folders or self._has_begun:
            return
        self._has_begun = True
        sys.settrace(self._enter)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            frame.f_trace = self._enter(frame, "call", None)
            frame = frame.f_back

    def credit(self, name: str) -> None:
        """Credit what ran since the last event to an event of the quantity `name`."""
        if self._folders:
            self._latest, self._recent = self._recent, {}
            self._add((self._before, name))
            self._before = name
            self._stack = tuple(self._running())
            self.stacks.setdefault(name, self._stack)
            # What is left of the statement that the event lies in runs after it.
            for path, start, line in self._stack[:1]:
                self._recent[path, start] = {line}

    def credit_also(self, name: str) -> None:
        """Credit to one more quantity what the last event was credited with."""
        if self._folders:
            self._add(("", name))
            self.stacks.setdefault(name, self._stack)

    def credit_inside(self, names: Sequence[str]) -> None:
        """Credit what ran since the last event, inside of it, to these quantities alone."""
        if self._folders:
            for name in names:
                merge(self.lines.setdefault(("", name), {}), self._recent)
            self._recent = {place[:2]: {place[2]} for place in self._stack[:1]}

    def before(self, name: str) -> Lines:
        """Return everything credited to a quantity."""
        return self.between(lambda _, after: after == name)

    def between(self, is_wanted: Callable[[str, str], bool]) -> Lines:
        """Return the lines between all pairs of quantities that are wanted."""
        found: Lines = {}
        for pair, lines in self.lines.items():
            if is_wanted(*pair):
                merge(found, lines)
        return found

    def around(self) -> Lines:
        """Return the lines of the innermost function inside which everything happens."""
        stacks = [[place[:2] for place in stack] for stack in self.stacks.values() if stack]
        first = stacks[0] if stacks else []
        common = [key for key in first if all(key in stack for stack in stacks)]
        every = self.between(lambda *_: True)
        return {key: every.get(key, set()) for key in common[:1]}

    def _add(self, pair: tuple[str, str]) -> None:
        merge(self.lines.setdefault(pair, {}), self._latest)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        del event, argument
        code = frame.f_code
        traced = self._is_traced.get(code)
        if traced is None:
            # Bodies of modules and classes run at import: they are no part of any stretch.
            is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
            traced = is_function and code.co_filename.startswith(self._folders)
            self._is_traced[code] = traced
        return self._line if traced else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if event == "line":
            self._note(frame)
        elif event == "return" and frame.f_back and self._is_traced.get(frame.f_back.f_code):
            # The rest of the calling statement is still to run.
            self._note(frame.f_back)
        return self._line

    def _note(self, frame: FrameType) -> None:
        place = (frame.f_code.co_filename, frame.f_code.co_firstlineno)
        self._recent.setdefault(place, set()).add(frame.f_lineno)

    def _running(self) -> Iterator[Place]:
        """Yield where the side's frames stand, innermost first."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if self._is_traced.get(frame.f_code):
                yield frame.f_code.co_filename, frame.f_code.co_firstlineno, frame.f_lineno
            frame = frame.f_back


def merge(into: Lines, lines: Lines) -> None:
    """Add lines to others."""
    for place, numbers in lines.items():
        into.setdefault(place, set()).update(numbers)


def merged(lines: Lines, more: Lines) -> Lines:
    """Return both together."""
    found = {place: set(numbers) for place, numbers in lines.items()}
    merge(found, more)
    return found


@dataclass(frozen=True)
class Stretch:
    """Lines of one file. short: the path as reports show it."""

    short: str
    path: str
    first: int
    last: int

    @property
    def place(self) -> str:
        """Return "file:first-last"."""
        return place_of(self.short, self.first, self.last)


def place_of(short: str, first: int, last: int) -> str:
    """Return "file:first-last", "file:first" for a single line."""
    return f"{short}:{first}" if first == last else f"{short}:{first}-{last}"


def stretches(lines: Lines, site: str, sites: Sites) -> tuple[Stretch, ...]:
    """Return the lines as stretches; the function that holds `site` comes first.

    Args:
        site: "file:line" of the event, in the short form of `sites`.
    """
    file, _, number = site.rpartition(":")
    found: list[tuple[bool, int, Stretch]] = []
    for (path, start), numbers in lines.items():
        short = sites.short(path)
        covered = widened(path, numbers)
        is_other = not (short == file and number.isdigit() and int(number) in covered)
        found += [(is_other, start, Stretch(short, path, *span)) for span in _spans(covered)]
    at = int(number) if number.isdigit() else 0
    found.sort(key=lambda one: (one[0], one[2].short != file, abs(one[2].last - at)))
    return tuple(stretch for *_, stretch in found)[:MAX_STRETCHES]


def text_of(stretch: Stretch) -> tuple[str, ...]:
    """Return the source of a stretch, one numbered line each; empty when it cannot be read."""
    try:
        every = Path(stretch.path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ()
    last = min(stretch.last, stretch.first + MAX_SOURCE_LINES - 1)
    return tuple(
        f"{n:>4}  {every[n - 1]}" for n in range(stretch.first, last + 1) if n <= len(every)
    )


def widened(path: str, numbers: set[int]) -> set[int]:
    """Return the lines of every simple statement, or header, that one of `numbers` lies in."""
    spans = statements_of(path)
    covered = set()
    for number in numbers:
        first, last = spans.get(number, (number, number))
        covered |= set(range(first, last + 1))
    return covered


@cache
def statements_of(path: str) -> Mapping[int, tuple[int, int]]:
    """Return line -> first and last line of the innermost statement, or header, that it lies in."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    spans: dict[int, tuple[int, int]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = node.end_lineno or node.lineno
        if isinstance(body, list) and body:
            last = max(node.lineno, body[0].lineno - 1)
        for line in range(node.lineno, last + 1):
            known = spans.get(line)
            if known is None or node.lineno >= known[0]:
                spans[line] = (node.lineno, last)
    return spans


def _spans(numbers: set[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of runs of lines; gaps of one line are bridged."""
    ordered = sorted(numbers)
    start = 0
    for i in range(1, len(ordered) + 1):
        if i == len(ordered) or ordered[i] > ordered[i - 1] + 2:
            yield ordered[start], ordered[i - 1]
            start = i
