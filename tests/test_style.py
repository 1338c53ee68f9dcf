"""Budgets of the code itself: long functions, long files, notes to self, sources that agree."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "my_impls", "baselines", "benchmarks")
MAX_BODY = 50  # lines of a function body without its docstring
LONG_BODY = 30
MAX_LONG_SHARE = 0.05
MAX_FILE = 400  # lines
# Written in two parts, so that this file does not hold what it looks for.
NOTE_TO_SELF = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


class Body(NamedTuple):
    """A function and the lines of its body."""

    place: str
    lines: int


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def bodies(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[ast.get_docstring(node) is not None :]
            lines = statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0
            yield Body(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines)


def all_bodies():
    found = [body for path in sources(*PACKAGES) for body in bodies(path)]
    assert found
    return found


def test_function_bodies_when_measured_keep_to_fifty_lines():
    assert [body for body in all_bodies() if body.lines > MAX_BODY] == []


def test_long_functions_when_counted_are_at_most_five_per_cent():
    found = all_bodies()
    long = [body for body in found if body.lines > LONG_BODY]
    assert len(long) <= MAX_LONG_SHARE * len(found), long


def test_files_when_measured_keep_to_four_hundred_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    assert {path: n for path, n in lengths.items() if n > MAX_FILE} == {}


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests"), ids=str)
def test_source_when_searched_holds_no_note_to_self(path):
    assert not NOTE_TO_SELF.search(path.read_text(encoding="utf-8"))


def test_links_of_pages_when_local_lead_to_a_file():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "results/README.md"]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_make_targets_when_named_in_a_page_exist():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        word
        for page in pages
        for word in re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", page.read_text(), re.M)
    }
    assert named - targets == set()
