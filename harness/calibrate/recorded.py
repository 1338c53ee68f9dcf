"""Pre-flight and segments with the reference asked once per process: many copies, one reference.

`compare` asks the reference anew for each file, in child processes. Here the same scenarios are
played in this process and what the reference did is kept, which takes a third of the time. A copy
that hangs is ended by a timer.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from types import FrameType
from typing import Any
from unittest import mock

import torch

from harness import ahead
from harness.codec import to_plain
from harness.judgement import SegmentsResult
from harness.preflight import PreflightResult
from harness.records import Json, Role, RunSpec, SideSpec
from harness.run.preflight import preflight, preflight_key
from harness.segments import child
from harness.segments.join import joined
from harness.segments.play import Played, play
from harness.segments.run import Values
from harness.segments.scenario import Scenario, scenarios
from harness.side import Call
from harness.spec.environments import register_ids

# CPU time of one copy in one scenario, far above what any takes, seconds.
TIME_LIMIT_S = 120.0
# How the reference begins, and its plays, by everything that they depend on; a
# play with the tape that it followed.
_BEGUN: dict[str, PreflightResult] = {}
_KEPT: dict[tuple[str, int], tuple[Any, Played]] = {}


@contextmanager
def reference_recorded_once() -> Iterator[None]:
    """Let `harness.ahead` ask in this process, with everything that the reference did kept."""
    with (
        mock.patch.object(ahead, "run_segments", _in_this_process),
        mock.patch.object(ahead, "preflight", _preflight),
    ):
        yield


def _preflight(runs: Sequence[tuple[Role, RunSpec]], *, jobs: int) -> PreflightResult:
    """Return how the runs begin; those of the reference are begun once."""
    reference = [one for one in runs if one[0] == "reference"]
    key = preflight_key(reference)
    if key not in _BEGUN:
        _BEGUN[key] = preflight(reference, jobs=jobs)
    mine = preflight([one for one in runs if one[0] == "mine"], jobs=jobs)
    return PreflightResult((*mine.runs, *_BEGUN[key].runs), mine.seconds + _BEGUN[key].seconds)


def _in_this_process(
    algo: str,
    mine: SideSpec,
    reference: SideSpec,
    *,
    values: Values,
    **_how: object,
) -> SegmentsResult:
    rows = scenarios()[algo]
    return joined(algo, rows, [answer_of(one, mine, reference, **asdict(values)) for one in rows])


def answer_of(
    scenario: Scenario, mine: SideSpec, reference: SideSpec, **values: Mapping[str, Json]
) -> dict[str, Any]:
    """Return what one scenario says of mine, as its child process would.

    Args:
        values: `fallback` and `asked`, as of `harness.segments.child.run_scenario`.
    """
    with _kept_plays(reference):
        return _answer(scenario, mine, reference, **values)


def _answer(
    scenario: Scenario, mine: SideSpec, reference: SideSpec, **values: Mapping[str, Json]
) -> dict[str, Any]:
    torch.set_num_threads(1)
    register_ids()
    sides = child.Sides(mine, reference, child.policy_of(scenario))
    try:
        with _time_limit():
            found = child.run_scenario(scenario, sides, **values)
    except TimeoutError:
        found = {"failure": f"it did not end within {TIME_LIMIT_S:,.0f} s"}
    return dict(json.loads(json.dumps(to_plain(found))))


def reference_again(algo: str, reference: SideSpec, *, seed: int) -> SegmentsResult:
    """Return the reference against itself nudged, in scenarios under seeds of their own."""
    rows = [replace(one, seed=1_000 * seed + one.seed) for one in scenarios()[algo]]
    with mock.patch.object(child, "play", partial(_followers_nudged, seed)):
        answers = [_answer(one, reference, reference, fallback={}) for one in rows]
    return joined(algo, rows, answers)


def _followers_nudged(seed: int, side: SideSpec, call: Call, **how: Any) -> Played:  # noqa: ANN401
    """Play; one that follows a tape in the precision of training is moved by rounding."""
    policy = how["policy"]
    if how.get("reference") is not None and not policy.is_wide:
        how["policy"] = replace(policy, nudge_seed=seed)
    return play(side, call, **how)


@contextmanager
def _kept_plays(reference: SideSpec) -> Iterator[None]:
    def kept(side: SideSpec, call: Any, **how: Any) -> Played:  # noqa: ANN401 - as `play` has them
        if side != reference:
            return play(side, call, **how)
        known = how.get("reference")
        named = json.dumps(to_plain([vars(call), repr(how.get("policy"))]))
        key = (named, id(known))
        if key not in _KEPT:
            _KEPT[key] = (known, play(side, call, **how))  # known is held, so its id stays taken
        return _KEPT[key][1]

    with mock.patch.object(child, "play", kept):
        yield


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise TimeoutError inside the with block after TIME_LIMIT_S of this process's own time."""

    def ended(_signum: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, ended)
    signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
