"""Sides of a request: what `--mine` and `--reference` name, found without running anything."""

from __future__ import annotations

import ast
import errno
import importlib.util
import os
import re
import tokenize
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UnknownName, UsageError, nearest_sentence
from harness.modules import locate_module
from harness.records import Role, SideSpec
from harness.spec.references import find_reference, reference_names

DEFAULT_CALLABLE = "side"
_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<callable>[^:/\\]*))?")
_LATER = {
    "git:": "a git revision",
    "logs:": "recorded curves",
}
_SPELLINGS = "path.py, path.py:callable, module:callable, or the name of a reference"


def find_side(word: str | None, *, algo: str, role: Role) -> SideSpec:
    """Return the side that `word` names; None is the default of the role.

    The source digest stays empty; `harness.plan.identity` fills it. Nothing is imported or run.

    Raises:
        UsageError: the word names nothing that could be attached; says what is supported.
        UnknownName: no such reference.
    """
    if word is None:
        return _default_side(algo, role)
    _check_word(word, role)
    for prefix, meaning in _LATER.items():
        if word.startswith(prefix):
            message = f"--{role} {word}: {meaning} ({prefix}...) cannot be attached yet"
            raise UsageError(message + f"\nSupported: {_SPELLINGS}")
    match = _FILE.fullmatch(word)
    if match:
        name = match["callable"] or DEFAULT_CALLABLE
        return _file_side(Path(match["path"]), name, role=role, shown=f"{match['path']}:{name}")
    if ":" in word:
        return _module_side(word, role=role)
    return _named_side(word, algo=algo, role=role)


def with_taps(side: SideSpec, word: str | None, *, where: str) -> SideSpec:
    """Return the side with the tap map at the path `word` instead of its own; None keeps that.

    Raises:
        UsageError: there is no such file.
    """
    if word is None:
        return side
    if not Path(word).is_file():
        folder = Path(word).absolute().parent
        beside = [file.name for file in sorted(folder.glob("*.toml"))][:20]
        near = f"; {nearest_sentence(Path(word).name, beside)}" if beside else ""
        message = f"{where} {word}: no such file (looked in {folder}){near}"
        raise UsageError(
            message + "\nGive the path of a TOML tap map; see harness/run/tapplaces.py."
        )
    return replace(side, tap_map=str(Path(word).resolve()))


def _check_word(word: str, role: Role) -> None:
    """Raise for a word that no file system can hold."""
    if not word.strip():
        message = f"--{role} names nothing\nSupported: {_SPELLINGS}"
        raise UsageError(message)
    try:
        os.stat(word)  # noqa: PTH116 - Path hides what is wrong with a name
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            reason = "its name is too long" if isinstance(error, OSError) else str(error)
            message = f"--{role} {word[:60]}...: {reason}\nSupported: {_SPELLINGS}"
            raise UsageError(message) from error


def implementations() -> tuple[str, ...]:
    """Return the algorithms that have a file in `my_impls`, sorted; empty when there is none."""
    folder = _my_impls()
    files = sorted(folder.glob("[a-z]*.py")) if folder else []
    return tuple(file.stem for file in files)


def _default_side(algo: str, role: Role) -> SideSpec:
    if role == "reference":
        return find_reference(None, algo=algo)
    folder = _my_impls()
    shown = f"my_impls/{algo}.py"
    file = folder / f"{algo}.py" if folder else None
    if file is None or not file.is_file():
        message = (
            f"there is no {shown}, which --mine means by default\n"
            f"Write it, or attach another file with --mine path.py:callable."
        )
        raise UsageError(message)
    return _file_side(file, DEFAULT_CALLABLE, role="mine", shown=f"{shown}:{DEFAULT_CALLABLE}")


def _my_impls() -> Path | None:
    spec = importlib.util.find_spec("my_impls")
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def _named_side(word: str, *, algo: str, role: Role) -> SideSpec:
    if word in reference_names():
        return find_reference(word, algo=algo)
    if Path(word).exists():
        kind = "a folder" if Path(word).is_dir() else "not a .py file"
        message = f"--{role} {word} is {kind}\nSupported: {_SPELLINGS}"
        raise UsageError(message)
    error = UnknownName(kind="reference", name=word, valid=reference_names(), where=f"--{role}")
    error.args = (f"{error}\nOr attach a file: --{role} path.py:callable",)
    raise error


def _file_side(path: Path, name: str, *, role: Role, shown: str) -> SideSpec:
    if not path.is_file():
        beside = [file.name for file in sorted(path.absolute().parent.glob("*.py"))][:20]
        near = f"; {nearest_sentence(path.name, beside)}" if beside else ""
        message = f"--{role} {path}: no such file (looked in {path.absolute().parent}){near}"
        raise UsageError(message + "\nGive the path of a Python file, then :callable.")
    _check_defines(path, name, where=f"--{role} {path}")
    file = str(path.resolve())
    return SideSpec(shown, file=file, module=None, callable=name, tap_map=None, source_digest="")


def _module_side(word: str, *, role: Role) -> SideSpec:
    module, _, name = word.partition(":")
    file = locate_module(module)
    if file is None:
        message = (
            f"--{role} {word}: module {module!r} is not found (looked in the installed packages "
            f"and on PYTHONPATH)\nFor a file write its path: --{role} path.py:callable"
        )
        raise UsageError(message)
    name = name or DEFAULT_CALLABLE
    _check_defines(file, name, where=f"--{role} {module}")
    return SideSpec(
        f"{module}:{name}", file=None, module=module, callable=name, tap_map=None, source_digest=""
    )


def _check_defines(path: Path, name: str, *, where: str) -> None:
    """Raise unless the file parses and defines `name` as something callable with one argument."""
    tree = _parse(path, where=where)
    definitions = _definitions(tree.body)
    if name not in definitions:
        if "*" in definitions:
            return
        callables = [n for n, node in definitions.items() if isinstance(node, ast.FunctionDef)]
        offers = nearest_sentence(name, callables) if callables else "it defines no function"
        message = (
            f"{where} has no callable {name!r}; {offers}\n"
            f"A side is `def side(call): ...`, which trains once; name another as path.py:NAME."
        )
        raise UsageError(message)
    node = definitions[name]
    if isinstance(node, ast.AsyncFunctionDef):
        message = f"{where}: {name!r} is async (line {node.lineno})\nA side is a plain function."
        raise UsageError(message)
    if isinstance(node, ast.FunctionDef) and not _takes_one(node.args):
        message = (
            f"{where}: expected `def {name}(call)`, got `def {name}({ast.unparse(node.args)})` "
            f"(line {node.lineno})\nA side takes one argument, the call; see harness/side.py."
        )
        raise UsageError(message)


def _parse(path: Path, *, where: str) -> ast.Module:
    try:
        with tokenize.open(path) as source:
            return ast.parse(source.read(), filename=str(path))
    except SyntaxError as error:
        message = f"{where}: not valid Python, line {error.lineno}: {error.msg}"
    except (OSError, UnicodeDecodeError, ValueError) as error:
        message = f"{where} cannot be read as Python: {error}"
    raise UsageError(message + f"\nTry: python -m py_compile {path.name}")


def _definitions(body: Sequence[ast.stmt]) -> dict[str, ast.stmt]:
    """Return the names bound at module level, also inside `if`, `try` and `with`; "*" for star."""
    names: dict[str, ast.stmt] = {}
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names[node.name] = node
            case ast.Import() | ast.ImportFrom():
                names |= {(a.asname or a.name).split(".")[0]: node for a in node.names}
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found = [n for target in targets for n in ast.walk(target)]
                names |= {n.id: node for n in found if isinstance(n, ast.Name)}
            case ast.If() | ast.Try() | ast.With():
                for inner in (node.body, getattr(node, "orelse", []), _handlers(node)):
                    names |= _definitions(inner)
            case _:
                pass
    return names


def _handlers(node: ast.stmt) -> list[ast.stmt]:
    handlers = node.handlers if isinstance(node, ast.Try) else []
    return [statement for handler in handlers for statement in handler.body]


def _takes_one(arguments: ast.arguments) -> bool:
    positional = [*arguments.posonlyargs, *arguments.args]
    n_required = len(positional) - len(arguments.defaults)
    needs_keywords = any(default is None for default in arguments.kw_defaults)
    has_room = bool(positional) or arguments.vararg is not None
    return has_room and n_required <= 1 and not needs_keywords
