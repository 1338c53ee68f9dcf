"""What every run needs, imported once in the launcher, so that starting a run is a mere fork.

All by name, and only what is installed: harness never imports SB3 by a statement of its own.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence

# Imported when installed, in this order. torch._dynamo: the first optimiser that a process makes
# imports it (1.1 s, measured with torch 2.13). The rest are loaded late by libraries themselves.
MODULES = (
    "numpy",
    "torch",
    "torch._dynamo",
    "gymnasium",
    "gymnasium.vector",
    "gymnasium.envs.classic_control",
    "multiprocessing.forkserver",
    "stable_baselines3",
    "harness.run.child",
    "harness.run.load",
    "harness.run.observe",
    "harness.run.provenance",
    "harness.store.trace",
)


def preload(modules: Sequence[str]) -> None:
    """Import the modules that are installed; one that is missing is met again by its user."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
