"""Loading a side by name, in the child process: from a file or an installed module."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UsageError, nearest_sentence
from harness.records import SideSpec
from harness.run.tapmap import apply_tap_map
from harness.side import Call


def load_side(side: SideSpec) -> Callable[[Call], None]:
    """Import the side's module, insert the taps of its map, and return its callable.

    Call it inside the `Observation`, so that what the module imports by name is observed.

    Raises:
        UsageError: the file, module or callable does not exist, or is not a callable of one
            argument; the message lists the nearest callables. Errors inside the side's module
            itself are not caught: they are the side's crash.
    """
    module = _from_file(Path(side.file)) if side.file else _from_module(side.module or "")
    function = _callable_of(module, side)
    if side.tap_map:
        apply_tap_map(Path(side.tap_map))
    return function


def _from_file(path: Path) -> ModuleType:
    """Import one file under a name of its own, with its folder importable, as `python path` does.

    The made-up parent package makes `from .sibling import x` work too.
    """
    path = path.resolve()
    if not path.is_file():
        what = "a folder" if path.is_dir() else "nothing"
        message = (
            f"expected a Python file at {str(path)!r}, saw {what}; give path/to/file.py:callable"
        )
        raise UsageError(message)
    package_name = f"_side_{hashlib.sha256(str(path.parent).encode()).hexdigest()[:12]}"
    name = f"{package_name}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    package = ModuleType(package_name)
    package.__path__ = [str(path.parent)]
    sys.modules.setdefault(package_name, package)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        message = f"expected a Python file (.py), saw {path.name!r}; give path/to/file.py:callable"
        raise UsageError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise
        message = (
            f"expected an importable module {name!r}, saw no module {error.name!r}; install it, "
            "run from the folder that holds it, or give path/to/file.py:callable"
        )
        raise UsageError(message) from error


def _callable_of(module: ModuleType, side: SideSpec) -> Callable[[Call], None]:
    function: Any = module
    for part in side.callable.split("."):
        if not hasattr(function, part):
            valid = _callables(module)
            hint = nearest_sentence(side.callable, valid) if valid else "it defines no callable"
            message = f"no callable {side.callable!r} in {side.file or side.module}; {hint}"
            raise UsageError(message)
        function = getattr(function, part)
    if not callable(function):
        message = (
            f"expected {side.callable!r} in {side.file or side.module} to be a callable that takes "
            f"a Call, saw {type(function).__name__}; write def {side.callable}(call): ..."
        )
        raise UsageError(message)
    _check_takes_call(function, side)
    return function  # type: ignore[no-any-return]


def _check_takes_call(function: Callable[..., Any], side: SideSpec) -> None:
    try:
        signature = inspect.signature(function)
        signature.bind(None)
    except ValueError:  # a built-in without a signature: calling it will tell
        return
    except TypeError as error:
        message = (
            f"expected {side.callable!r} in {side.file or side.module} to take one argument, "
            f"the Call, saw {side.callable}{signature}; write def {side.callable}(call): ..."
        )
        raise UsageError(message) from error


def _callables(module: ModuleType) -> list[str]:
    """Return the public callables that the module itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", "") == module.__name__
    ]
