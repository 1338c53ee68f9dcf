"""Doing something to a module as soon as it is imported, before anyone has names out of it.

Libraries that one side may use (JAX and what builds on it) are never imported for its sake; what
watches them waits here until the side imports them itself.
"""

# ruff: noqa: ANN401 - the edge to the import system

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

Then = Callable[[ModuleType], None]


class Arrivals:
    """A finder at the head of `sys.meta_path` that lets the others find, and then calls.

    Args:
        then: module name -> what is called with the module, once it has been executed.
    """

    def __init__(self, then: Mapping[str, Then]) -> None:
        self._then = dict(then)

    def wait(self) -> None:
        """Call for modules that are there already; wait for the others."""
        for name in [name for name in self._then if name in sys.modules]:
            self._then.pop(name)(sys.modules[name])
        finder: Any = self
        sys.meta_path.insert(0, finder)

    def stop(self) -> None:
        """Wait no longer."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return what the other finders return, with the call added to its execution."""
        del path, target
        then = self._then.pop(name, None)
        if then is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            then(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
