"""The finished trace as `.npz`: plain arrays plus one JSON manifest; equal traces, equal bytes.

Metric names live in the manifest only and never name a member, so no name can become a path.
Reading refuses pickles (`allow_pickle=False`) and, before unpacking anything, archives that claim
too many members, too many bytes or too high a compression ratio.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.codec import floats_back, to_json
from harness.errors import CorruptResult, FutureSchema
from harness.records import TRACE_SCHEMA, Episodes, Series, Trace
from harness.store.files import corrupt

# Limits on what is read (zip bombs): members, unpacked bytes, unpacked / packed bytes.
MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 2 << 30
# Deflate cannot pack tighter than about 1030:1, a constant metric comes near to it.
MAX_RATIO = 1_100
# Every member gets this time stamp, so that equal traces are equal bytes (first date of zip).
EPOCH = (1980, 1, 1, 0, 0, 0)

MEMBER = re.compile(r"(manifest|episodes_[a-z_]+|steps\d+|values\d+)\.npy")

EPISODE_FIELDS: Mapping[str, type[np.generic]] = {
    "end_env_step": np.int64,
    "returns": np.float64,
    "lengths": np.int64,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "env_index": np.int64,
}


def pack(trace: Trace) -> bytes:
    """Return the trace as the bytes of an `.npz` file; the same trace gives the same bytes."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype in EPISODE_FIELDS.items():
        arrays[f"episodes_{name}"] = np.asarray(getattr(trace.episodes, name), dtype=dtype)
    index = _add_metrics(arrays, trace.metrics)
    manifest = {
        "schema_version": TRACE_SCHEMA,
        "metrics": index,
        "facts": trace.facts,
        "provenance": trace.provenance,
    }
    arrays["manifest"] = np.frombuffer(to_json(manifest).encode(), dtype=np.uint8)
    return _zip(arrays)


def _add_metrics(
    arrays: dict[str, NDArray[Any]], metrics: Mapping[str, Series]
) -> dict[str, dict[str, str]]:
    """Add each series to `arrays`; equal env_steps are stored once. Returns name -> members."""
    members: dict[bytes, str] = {}
    index = {}
    for number, name in enumerate(sorted(metrics)):
        env_steps = np.asarray(metrics[name].env_steps, dtype=np.int64)
        member = members.setdefault(env_steps.tobytes(), f"steps{len(members)}")
        arrays[member] = env_steps
        arrays[f"values{number}"] = np.asarray(metrics[name].values, dtype=np.float64)
        index[name] = {"env_steps": member, "values": f"values{number}"}
    return index


def _zip(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, values, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return packed.getvalue()


def unpack(content: bytes, path: Path) -> Trace:
    """Return the trace that `pack` wrote; `path` names the file in errors.

    Raises:
        CorruptResult: limits, members, dtypes or shapes do not hold.
        FutureSchema: written by a newer version; names both versions.
    """
    arrays = _load(content, path)
    try:
        manifest = json.loads(arrays["manifest"].tobytes().decode())
        check_schema(manifest["schema_version"], TRACE_SCHEMA, path=path)
        episodes = Episodes(**{name: arrays[f"episodes_{name}"] for name in EPISODE_FIELDS})
        metrics = {
            name: Series(arrays[member["env_steps"]], arrays[member["values"]])
            for name, member in manifest["metrics"].items()
        }
        facts, provenance = floats_back(manifest["facts"]), floats_back(manifest["provenance"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise corrupt(path, f"lacks a part of a trace ({type(error).__name__}: {error})") from None
    trace = Trace(episodes, metrics, facts, provenance)
    _check_shapes(trace, path)
    return trace


def check_schema(seen: object, known: int, *, path: Path) -> None:
    """Check the schema version of a stored file.

    Raises:
        FutureSchema: newer than this project writes. CorruptResult: no version number, or older
            than any that was ever released.
    """
    if not isinstance(seen, int) or isinstance(seen, bool):
        raise corrupt(path, f"has schema version {seen!r}, not a number")
    place = "/".join(path.parts[-3:])
    if seen > known:
        message = (
            f"expected schema version {known} or older, saw {seen} in {place}: it was written by a "
            "newer version; upgrade this project (pip install --upgrade) or use another --results"
        )
        raise FutureSchema(message)
    if seen < known:
        message = (
            f"expected schema version {known}, saw {seen} in {place}: no migration from {seen} "
            "exists; delete that folder and call compare again"
        )
        raise CorruptResult(message)


def _load(content: bytes, path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_limits(archive, path)
        with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, EOFError, OSError) as error:
        raise corrupt(path, f"is no readable .npz ({error})") from None
    except (NotImplementedError, RuntimeError, KeyError, MemoryError, SyntaxError) as error:
        raise corrupt(path, f"is no readable .npz ({type(error).__name__})") from None


def _check_limits(archive: zipfile.ZipFile, path: Path) -> None:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise corrupt(path, f"claims {len(infos)} members, more than {MAX_MEMBERS}")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > MAX_UNPACKED_BYTES:
        raise corrupt(path, f"claims {unpacked} bytes unpacked, more than {MAX_UNPACKED_BYTES}")
    for info in infos:
        if not MEMBER.fullmatch(info.filename):
            raise corrupt(path, f"holds a foreign member {info.filename[:40]!r}")
        if info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise corrupt(path, f"claims a compression ratio above {MAX_RATIO}:1")
    if len({info.filename for info in infos}) != len(infos):
        raise corrupt(path, "holds two members of one name")


def _check_shapes(trace: Trace, path: Path) -> None:
    n_episodes = np.shape(trace.episodes.end_env_step)
    for name, dtype in EPISODE_FIELDS.items():
        values = getattr(trace.episodes, name)
        if values.dtype != dtype or values.shape != n_episodes or values.ndim != 1:
            raise corrupt(path, f"has an episode field {name} of another length or type")
    for name, series in trace.metrics.items():
        is_typed = series.env_steps.dtype == np.int64 and series.values.dtype == np.float64
        is_paired = series.env_steps.shape == series.values.shape and series.values.ndim == 1
        if not is_typed or not is_paired or np.any(np.diff(series.env_steps) < 0):
            raise corrupt(path, f"has a metric {name[:40]!r} of wrong type, length or step order")
