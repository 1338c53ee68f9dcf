"""Where a run came from: an allow-list of facts, none of which names a person, host or folder."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from harness.records import Json, RunSpec, SideSpec

PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3")
# git answers in milliseconds; on a stuck network drive the commit is worth no more than this.
GIT_TIMEOUT_S = 5.0


def provenance_of(run: RunSpec) -> dict[str, Json]:
    """Return versions, threads, device, commit and hyperparameters of a run, inside its process."""
    import torch

    return {
        "python": platform.python_version(),
        "versions": {**_versions(PACKAGES), **run.side.versions},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "device": run.device,
        "hyperparameters": dict(run.hyperparameters),
        "source_digest": run.side.source_digest,
        **_commit(_folder_of(run.side)),
    }


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _folder_of(side: SideSpec) -> Path | None:
    """Return the folder of the side's own source; None for an installed library."""
    if side.file is not None:
        return Path(side.file).parent
    try:
        found = importlib.util.find_spec(side.module or "")
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None or "site-packages" in found.origin:
        return None
    return Path(found.origin).parent


def _commit(folder: Path | None) -> Mapping[str, Json]:
    """Return the commit of the folder, and whether its sources differ from it; None outside git."""
    if folder is None:
        return {"commit": None, "is_dirty": None}
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "is_dirty": None}
    changed = _git(folder, "status", "--porcelain", "--", "*.py", "*.toml")
    return {"commit": commit, "is_dirty": None if changed is None else bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says, or None when there is no git or no repository."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
