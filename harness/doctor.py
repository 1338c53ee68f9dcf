"""`compare doctor`: can this machine compare, and does the same seed give the same weights?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.plan.identity import ABSENT, THREADS, cpu_capability, version_of
from harness.spec.references import is_supported, references
from harness.spec.tiers import extras

Level = Literal["ok", "warn", "fail"]

PYTHON_SUPPORTED = (3, 11)
# One CartPole comparison of 16 runs stores a few MB; below this a long one may not fit.
MIN_DISK_BYTES = 1 << 30
# A run of SB3's DQN takes about 0.4 GB with torch loaded; two run side by side by default here.
MIN_RAM_BYTES = 1 << 30
SELF_TEST_LIMIT_S = 60.0
_DISTRIBUTIONS = ("torch", "numpy", "gymnasium", "scipy", "pandas", "typer", "pydantic")
# With this process's import path, and not the current folder (-P): a json.py there is no fault.
_SELF_TEST = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.doctor import train_tiny; print(train_tiny(seed=0))"
)


@dataclass(frozen=True)
class Check:
    """One line: `fix` says what to do and is empty when nothing is wrong."""

    level: Level
    name: str
    detail: str
    fix: str = ""


def checks() -> Iterator[Check]:
    """Yield every check, cheapest first."""
    yield _python()
    yield from _versions()
    yield from _references()
    yield _processor()
    yield _threads()
    yield _disk(Path.cwd())
    yield _memory()
    yield from _extras()
    yield _determinism()


def train_tiny(*, seed: int) -> str:
    """Train a small network on CartPole for 64 updates; return the SHA-256 of its weights."""
    import hashlib

    import gymnasium
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    env = gymnasium.make("CartPole-v1")
    obs, _ = env.reset(seed=seed)
    for _ in range(64):
        values = network(torch.as_tensor(obs).repeat(32, 1))
        action = int(values[0].argmax())
        obs, reward, terminated, truncated, _ = env.step(action)
        loss = (values[:, action] - float(reward)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if terminated or truncated:
            obs, _ = env.reset()
    env.close()
    weights = b"".join(p.detach().numpy().tobytes() for p in network.parameters())
    return hashlib.sha256(weights).hexdigest()


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info[:2] < PYTHON_SUPPORTED:
        return Check("fail", "python", version, "install Python 3.11 or newer")
    return Check("ok", "python", f"{version} ({sys.executable})")


def _versions() -> Iterator[Check]:
    required = _requirements()
    for name in _DISTRIBUTIONS:
        version, wanted = version_of(name), required.get(name, "")
        if version == ABSENT:
            yield Check("fail", name, "not installed", f"pip install '{name}{wanted}'")
        elif not is_supported(version, wanted):
            fix = f"pip install '{name}{wanted}'"
            yield Check("warn", name, f"{version}, expected {wanted}", fix)
        else:
            yield Check("ok", name, version)


def _requirements() -> dict[str, str]:
    """Return distribution -> version range that this project asks for; empty when not installed."""
    try:
        lines = importlib.metadata.requires("rl-parity") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    plain = [line for line in lines if ";" not in line]
    names = {line: line.rstrip("0123456789.<>=!~, ") for line in plain}
    return {name: line[len(name) :].strip() for line, name in names.items()}


def _references() -> Iterator[Check]:
    for reference in references().values():
        version = reference.installed_version
        name, wanted = f"reference {reference.name}", reference.distribution + reference.supported
        if version is None:
            yield Check("warn", name, "not installed", reference.pip)
        elif not is_supported(version, reference.supported):
            yield Check("warn", name, f"{version}, expected {wanted}", f"pip install '{wanted}'")
        else:
            yield Check("ok", name, version)


def _processor() -> Check:
    n_cores = os.cpu_count() or 1
    return Check("ok", "processor", f"{n_cores} cores, {platform.machine()}, {cpu_capability()}")


def _threads() -> Check:
    given = {k: v for k, v in os.environ.items() if k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    detail = f"{THREADS} torch thread per run" + (f" (your {words} is overridden)" if words else "")
    return Check("ok", "threads", detail)


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < MIN_DISK_BYTES:
        return Check("warn", "disk", detail, "free some space, or give --results elsewhere")
    return Check("ok", "disk", detail)


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    detail = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available"
    if memory.available < MIN_RAM_BYTES:
        return Check("warn", "memory", detail, "close other programs, or use --jobs 1")
    return Check("ok", "memory", detail)


def _extras() -> Iterator[Check]:
    for extra in extras():
        if importlib.util.find_spec(extra.module) is None:
            prefixes = ", ".join(prefix + "*" for prefix in extra.prefixes[:3])
            yield Check("warn", f"extra {extra.name}", f"missing ({prefixes})", extra.pip)
        else:
            yield Check("ok", f"extra {extra.name}", "installed")


def _determinism() -> Check:
    """Train the tiny run in two processes side by side, and compare the weights."""
    name = "determinism"
    outcomes = [_outcome(process) for process in [_begin_self_test(), _begin_self_test()]]
    failed = [outcome for outcome in outcomes if outcome.is_failed]
    if failed:
        fix = "end other heavy programs, or install torch and gymnasium again"
        return Check("fail", name, f"the self-test ended with: {failed[0].text}", fix)
    first, second = (outcome.text for outcome in outcomes)
    if first != second:
        fix = "report this processor and torch version; runs will not be reproducible"
        return Check("fail", name, f"same seed, different weights: {first}, {second}", fix)
    return Check("ok", name, f"same seed, same weights ({first[:12]}, two processes)")


@dataclass(frozen=True)
class _SelfTest:
    """How one self-test process ended; `text` is the weights' hash or the last line of error."""

    is_failed: bool
    text: str


def _begin_self_test() -> subprocess.Popen[str]:
    threads = {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "passive"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _SELF_TEST, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )


def _outcome(process: subprocess.Popen[str]) -> _SelfTest:
    try:
        out, err = process.communicate(timeout=SELF_TEST_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return _SelfTest(True, f"no answer within {SELF_TEST_LIMIT_S:g} s")
    lines = (err if process.returncode else out).strip().splitlines()
    return _SelfTest(process.returncode != 0 or not lines, (lines or ["no output"])[-1])
