"""What identifies a run: everything that can change its outcome, and nothing else."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from harness.errors import UsageError
from harness.modules import locate_module
from harness.plan.closure import Closure, closure, is_installed
from harness.records import Json, RunSpec, SideSpec

THREADS = 1  # torch threads of every run; more make two runs side by side far slower
_CPUINFO = Path("/proc/cpuinfo")
# The instruction sets that torch asks for, best first (aten/src/ATen/native/DispatchStub.cpp).
_CAPABILITIES = (
    ("AVX512", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"})),
    ("AVX2", frozenset({"avx2", "fma"})),
)
_CORE_DISTRIBUTIONS = ("torch", "numpy", "gymnasium")
# Environments of gymnasium's own package that another distribution computes.
_ENV_DISTRIBUTIONS = {
    "gymnasium.envs.box2d": ("box2d", "box2d-py"),
    "gymnasium.envs.mujoco": ("mujoco",),
    "gymnasium.envs.classic_control": (),
    "gymnasium.envs.toy_text": (),
}
ABSENT = "absent"


def identify(side: SideSpec) -> SideSpec:
    """Return the side with its source digest, and with versions of what its source imports.

    Raises:
        UsageError: its module cannot be found.
    """
    files = _closure(_file_of(side))
    versions = {**_versions_of(files.packages), **side.versions}
    return replace(side, source_digest=source_digest(side), versions=versions)


def source_digest(side: SideSpec) -> str:
    """Return the SHA-256 over the side's transitive local source, data files and tap map.

    Paths enter relative to the side's own file, so that a moved project keeps its digest.

    Raises:
        UsageError: its module cannot be found.
    """
    start = _file_of(side)
    files = list(_closure(start).files)
    if side.tap_map is not None:
        files.append(Path(side.tap_map).resolve())
    return digest_of_files(files, relative_to=start.parent)


def digest_of_files(files: Iterable[Path], *, relative_to: Path) -> str:
    """Return the SHA-256 over relative names and contents, whatever the order of `files`."""
    digest = hashlib.sha256()
    named = {Path(os.path.relpath(file, relative_to.resolve())).as_posix(): file for file in files}
    for name, file in sorted(named.items()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{len(name)}:{name}:{content}\n".encode())
    return digest.hexdigest()


@cache
def harness_digest(*parts: str) -> str:
    """Return the SHA-256 over parts of the harness's own code: files, or folders of them.

    >>> harness_digest("tap.py") == harness_digest("tap.py", "stats")
    False
    """
    home = Path(__file__).parents[1]
    files = [
        file
        for part in parts
        for file in ([home / part] if (home / part).is_file() else (home / part).rglob("*"))
        if file.suffix in (".py", ".toml")
    ]
    return digest_of_files(files, relative_to=home)


@cache
def fingerprint() -> Mapping[str, str]:
    """Return what "same seed" is relative to: versions, threads, CPU; imports none of them."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "cpu_capability": cpu_capability(),
        "threads": str(THREADS),
        **{name: version_of(name) for name in _CORE_DISTRIBUTIONS},
    }


@cache
def env_fingerprint(env_id: str) -> Mapping[str, str]:
    """Return what computes an environment: version of its package, or digest of its source.

    Empty for gymnasium's own environments without a further package, whose version every run
    holds anyway.
    """
    import gymnasium

    from harness.probes.registry import register

    register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "out of date": said once, when the request is resolved
        entry_point = gymnasium.spec(env_id).entry_point
    module = entry_point if isinstance(entry_point, str) else entry_point.__module__
    module = module.partition(":")[0]
    for prefix, distributions in _ENV_DISTRIBUTIONS.items():
        if module.startswith(prefix):
            return _first_installed(distributions)
    file = locate_module(module)
    if file is None or is_installed(file):
        return _versions_of([module.partition(".")[0]])
    files = _closure(file)
    return {
        "env_source": digest_of_files(files.files, relative_to=file.parent),
        **_versions_of({*files.packages} - {"gymnasium", "numpy", "torch"}),
    }


def run_key(run: RunSpec) -> str:
    """Return the SHA-256 of everything in `run` that can change its outcome.

    Left out: the key itself, the side's shown name, absolute paths (their contents are in the
    source digest), and what follows from the hyperparameters.
    """
    content = asdict(run)
    del content["key"], content["idle"]
    for field in ("name", "file", "tap_map"):
        del content["side"][field]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(value: Json) -> str:
    """Return the one JSON text of a value: sorted keys, no blanks, no NaN.

    >>> canonical_json({"b": 1, "a": [0.5, None]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def cpu_capability() -> str:
    """Return the instruction set that torch will use, in its words: "AVX512", "AVX2", "DEFAULT".

    Reads the processor's flags and ATEN_CPU_CAPABILITY; elsewhere than on Linux the machine type
    stands in for it.
    """
    asked = os.environ.get("ATEN_CPU_CAPABILITY", "").upper()
    flags = _cpu_flags()
    if flags is None:
        return asked or f"DEFAULT ({platform.machine()})"
    able = [name for name, needed in _CAPABILITIES if needed <= flags] + ["DEFAULT"]
    return asked if asked in able else able[0]


def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, or "absent".

    >>> version_of("no-such-distribution")
    'absent'
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ABSENT


@cache
def _closure(file: Path) -> Closure:
    return closure(file)


def _file_of(side: SideSpec) -> Path:
    if side.file is not None:
        return Path(side.file).resolve()
    file = locate_module(side.module or "")
    if file is None:
        message = f"the source of module {side.module!r} is not found\nInstall it, or give a file."
        raise UsageError(message)
    return file.resolve()


def _cpu_flags() -> frozenset[str] | None:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), None)
    return None if flags is None else frozenset(flags.split())


def _first_installed(distributions: Iterable[str]) -> Mapping[str, str]:
    found = {name: version_of(name) for name in distributions}
    installed = {name: version for name, version in found.items() if version != ABSENT}
    return dict(list(installed.items())[:1])


def _versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return distribution -> version of top-level import names, core ones left out."""
    wanted = sorted({*packages} - {*_CORE_DISTRIBUTIONS})
    if not wanted:
        return {}
    by_package = _distributions()
    names = sorted({name for package in wanted for name in by_package.get(package, ())})
    return {name: version_of(name) for name in names}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
