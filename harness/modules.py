"""Find the source of a module by reading, never by importing: importing runs foreign code."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def locate_module(module: str) -> Path | None:
    """Return the file of a dotted module without importing its parents; None when not found."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top.isidentifier() else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not parts:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations or ():
        path = Path(location, *parts)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None
