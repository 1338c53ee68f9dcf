"""Evidence ahead of the training: pre-flight, segments, twin runs. Answers are kept by content.

Each question takes seconds to a minute; a kept answer is reused until something that can change it
changes. Nothing that a side does in them raises here: the answers say what happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.codec import from_plain
from harness.judgement import SegmentRow, SegmentsResult, TwinRow
from harness.plan.identity import fingerprint, harness_digest
from harness.plan.plan import plan_run
from harness.preflight import PreflightResult
from harness.records import ROLES, ComparisonSpec, EnvPlan, Json, Outcome, Role, RunSpec
from harness.run.preflight import preflight, preflight_key
from harness.segments.run import Values, run_segments, segments_key
from harness.segments.scenario import scenarios
from harness.segments.twin_run import TwinTask, run_twin
from harness.spec.cards import card
from harness.stats.drift import Band
from harness.store.answers import find_answer, keep_answer
from harness.store.store import Store

# Seeds of the reference that are begun before the training: what differs between them is no fact.
PREFLIGHT_SEEDS = 2
# The parts of the harness that an answer is made by: one of another version is asked again.
ASKING = ("probes", "run", "segments", "side.py", "spec", "stats", "tap.py")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Question(Generic[Answer]):
    """One question with the hash of everything but the harness that can change its answer.

    Attributes:
        is_final: whether an answer is kept. What failed is asked again: a process may have been
            killed, or a time limit met by chance.
    """

    kind: str
    cls: type[Answer]
    key: str
    ask: Callable[[], Answer]
    is_final: Callable[[Answer], bool]


@dataclass(frozen=True)
class Questions:
    """What is asked before the training, one callable per stage, cheapest first.

    Attributes:
        twin: takes the environment and what the segments found; None when it was not asked.
    """

    preflight: Callable[[], PreflightResult]
    segments: Callable[[], SegmentsResult]
    twin: Callable[[EnvPlan, SegmentsResult], TwinRow | None]


def asked_now(spec: ComparisonSpec, store: Store, *, jobs: int) -> Questions:
    """Return the questions as they are answered on this machine, or by a kept answer."""
    return Questions(
        preflight=lambda: preflight_of(spec, store, jobs=jobs),
        segments=lambda: segments_of(spec, store, jobs=jobs),
        twin=lambda env, segments: twin_of(spec, store, env, segments, jobs=jobs),
    )


def asked_before(document: Mapping[str, Json]) -> Questions:
    """Return the questions with the answers that a stored comparison holds."""
    twins = from_plain(tuple[TwinRow, ...], document.get("twins", ()))
    by_env = {row.env_id: row for row in twins}
    return Questions(
        preflight=lambda: from_plain(PreflightResult, document.get("preflight", {})),
        segments=lambda: from_plain(SegmentsResult, document.get("segments", {})),
        twin=lambda env, _segments: by_env.get(env.env_id),
    )


def preflight_of(spec: ComparisonSpec, store: Store, *, jobs: int) -> PreflightResult:
    """Return what both sides really use: mine under one seed, the reference under two."""
    runs: list[tuple[Role, RunSpec]] = [
        (role, plan_run(spec, env, role=role, seed=seed))
        for env in spec.envs
        for role in ROLES
        for seed in spec.seeds[: 1 if role == "mine" else PREFLIGHT_SEEDS]
    ]
    question = _Question(
        "preflight",
        PreflightResult,
        key=preflight_key(runs),
        ask=lambda: preflight(runs, jobs=jobs),
        is_final=lambda found: all(run.outcome is Outcome.DONE for run in found.runs),
    )
    return _kept(store, question)


def segments_of(spec: ComparisonSpec, store: Store, *, jobs: int) -> SegmentsResult:
    """Return what the algorithm's exposing scenarios say of mine."""
    if spec.algo not in scenarios():
        return SegmentsResult(reason=f"no exposing scenario for {spec.algo} yet")
    values = Values(spec.envs[0].hyperparameters, _asked_everywhere(spec))
    sides = (spec.algo, spec.mine, spec.reference)
    question = _Question(
        "segments",
        SegmentsResult,
        key=segments_key(*sides, values=values, fingerprint=fingerprint()),
        ask=lambda: run_segments(*sides, values=values, jobs=jobs),
        is_final=lambda found: not found.is_invalid,
    )
    return _kept(store, question)


def _asked_everywhere(spec: ComparisonSpec) -> dict[str, Json]:
    """Return the hyperparameters, and "n_envs", that all environments are given the same value."""
    every = [{**env.hyperparameters, "n_envs": env.n_envs} for env in spec.envs]
    return {n: v for n, v in every[0].items() if all(n in one and one[n] == v for one in every)}


def twin_of(
    spec: ComparisonSpec, store: Store, env: EnvPlan, segments: SegmentsResult, *, jobs: int
) -> TwinRow | None:
    """Return how mine trains under the reference's draws; None where nothing could be replayed."""
    if not segments.rows:
        return None
    seed = spec.seeds[0]
    lacking, handed_on = _draws_of(segments.rows, spec.algo)
    if lacking:
        needed = f"needs the tap{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
        return TwinRow(env.env_id, seed, "not run", detail=needed)
    task = TwinTask(
        spec.algo, spec.mine, spec.reference, env, seed, dict(segments.choices), handed_on
    )
    runs = [plan_run(spec, env, role=role, seed=seed).key for role in ROLES]
    key = _hashed(*runs, dict(segments.choices), handed_on)
    question = _Question(
        "twins",
        TwinRow,
        key=key,
        ask=lambda: _twinned(store, task, _hashed(asking(), runs[-1], handed_on), jobs=jobs),
        is_final=lambda found: found.status != "not run",
    )
    return _kept(store, question)


def _twinned(store: Store, task: TwinTask, reference_key: str, *, jobs: int) -> TwinRow:
    """Run the twin; how far nudged references drift is kept, for it does not depend on mine."""
    kept = find_answer(store.root, "bands", key=reference_key)
    bands = None if kept is None else from_plain(dict[str, Band], kept)
    found = run_twin(task, jobs=jobs, bands=bands)
    if bands is None and found.bands:
        keep_answer(store.root, "bands", key=reference_key, answer=dict(found.bands))
    return found.row


def _hashed(*parts: Json) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _kept(store: Store, question: _Question[Answer]) -> Answer:
    """Return the kept answer; ask where there is none, and keep what is said if it is final."""
    key = _hashed(asking(), question.key)
    kept = find_answer(store.root, question.kind, key=key)
    if kept is not None:
        return from_plain(question.cls, kept)
    found = question.ask()
    if question.is_final(found):
        keep_answer(store.root, question.kind, key=key, answer=found)
    return found


def asking() -> str:
    """Return the hash of the harness's own code that answers are made by."""
    return harness_digest(*ASKING)


def _draws_of(rows: Sequence[SegmentRow], algo: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the draws that mine does not tap, and the checks that are handed on in their place.

    A minibatch that is tapped carries the draw of its rows; nothing carries another draw. A tap of
    another convention is handed on too: its own value says nothing, and nothing inherits it.
    """
    seen = {row.tap for row in rows if row.status in ("passed", "failed", "convention")}
    taps = card(algo).taps
    untapped = [
        tap for tap in taps if tap.role == "source" and not tap.is_optional and tap.name not in seen
    ]
    gathered = [tap for tap in taps if tap.gathers and tap.name in seen]
    stages = {tap.stage for tap in gathered}
    lacking = tuple(tap.name for tap in untapped if tap.stage not in stages)
    is_carried = len(lacking) < len(untapped)
    conventions = {row.tap for row in rows if row.status == "convention"}
    carrying = {tap.name for tap in gathered} if is_carried else set()
    return lacking, tuple(tap.name for tap in taps if tap.name in carrying | conventions)
