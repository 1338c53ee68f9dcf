"""The project's own catalogue of planted changes: the TOML files of this folder.

`harness.calibrate.bugs` says what their keys mean. Beside `[[planted]]` they hold
`[[not_injectable]]`: an entry of the public collection that the clean file cannot hold, and the
`reason`.
"""

import tomllib
from functools import cache
from pathlib import Path

from harness.calibrate import bugs
from harness.calibrate.bugs import Planted, changed_lines

__all__ = ["Planted", "changed_lines", "clean_source", "everything", "planted", "table"]

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
ALGOS = ("a2c", "ddpg", "dqn", "ppo", "sac", "td3")


@cache
def clean_source(algo):
    return (ROOT / f"my_impls/{algo}.py").read_text(encoding="utf-8")


@cache
def table(algo):
    return tomllib.loads((FOLDER / f"{algo}.toml").read_text(encoding="utf-8"))


@cache
def planted(algo):
    """Return every planted change of one algorithm, in the order of the file."""
    return bugs.load_file(FOLDER / f"{algo}.toml")


def everything():
    return tuple(
        row for algo in ALGOS if (FOLDER / f"{algo}.toml").exists() for row in planted(algo)
    )
