"""Why a planned run is not cached: what differs from the most similar stored run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from harness.records import RunSpec

# Parts of a run in the order in which people think of them -> words.
_WORDS = {
    "seed": "new seed",
    "side.source_digest": "source changed",
    "total_timesteps": "total_timesteps",
    "hyperparameters": "hyperparameter",
    "side.versions": "version of",
    "fingerprint": "changed",
    "device": "device",
    "taps": "taps of the card",
    "trace_schema": "schema",
}


def reason_not_cached(run: RunSpec, stored: Iterable[RunSpec]) -> str:
    """Return in a few words what keeps `run` from reusing a stored run of the same side.

    Args:
        stored: specifications of the usable stored runs, in any order.
    """
    alike = [
        other
        for other in stored
        if (other.algo, other.env_id, other.side.name) == (run.algo, run.env_id, run.side.name)
    ]
    if not alike:
        return "never run here"
    same_seed = [other for other in alike if other.seed == run.seed]
    found = [_differences(run, other) for other in same_seed or alike]
    differences = min(found, key=lambda texts: (len(texts), texts))
    return "; ".join(differences[:2]) if differences else "stored run is not usable"


def _differences(run: RunSpec, stored: RunSpec) -> list[str]:
    new, old = _flat(asdict(run)), _flat(asdict(stored))
    return [
        _sentence(name, old.get(name), new.get(name))
        for name in sorted(new | old, key=_rank)
        if new.get(name) != old.get(name) and _word_of(name)
    ]


def _sentence(name: str, old: object, new: object) -> str:
    part = _word_of(name)
    words, detail = _WORDS[part], name.removeprefix(part).removeprefix(".")
    if part in ("seed", "side.source_digest", "taps"):
        return words
    return f"{words} {detail}".strip() + f": {old} -> {new}"


def _word_of(name: str) -> str:
    return next((part for part in _WORDS if name == part or name.startswith(part + ".")), "")


def _rank(name: str) -> tuple[int, str]:
    part = _word_of(name)
    return (list(_WORDS).index(part) if part else len(_WORDS), name)


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested record as one mapping with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        full = f"{prefix}{name}"
        flat |= _flat(value, f"{full}.") if isinstance(value, dict) else {full: value}
    return flat
