"""Read the TOML tables that ship beside the code of this stage."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from harness.records import Json


@cache
def read_table(name: str) -> dict[str, Json]:
    """Return the table `name` ("tiers.toml", "cards/dqn.toml"); cached, so do not change it."""
    text = resources.files("harness.spec").joinpath(*name.split("/")).read_text(encoding="utf-8")
    return tomllib.loads(text)


def table_names(folder: str) -> tuple[str, ...]:
    """Return the stems of the TOML files in `folder` of this stage, sorted.

    >>> table_names("cards")
    ('dqn',)
    """
    entries = resources.files("harness.spec").joinpath(folder).iterdir()
    return tuple(sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml")))
