"""One whole training run of a twin, in a process of its own: recorded, or following a record.

    python -m harness.segments.twin_child REQUEST.json ANSWER.json

The record is the reference's run as a file. A follower (mine, or the reference nudged by a rounding
unit after every step) is handed the record's draws and environment; everything computed is
compared where it happens and only its distance is kept.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from harness.codec import to_plain
from harness.records import SideSpec
from harness.segments.compare import Limits, compare_tapes
from harness.segments.distances import Distances
from harness.segments.filetape import TapeReader, TapeWriter
from harness.segments.names import ENV_ACTION, ENV_RESULT, ENV_START, GREEDY, RESETS
from harness.segments.noise import floors_of_sizes
from harness.segments.play import Played, folders_of, play
from harness.segments.quantities import quantities_of
from harness.segments.runtime import Policy, Runtime
from harness.segments.sketch import sketch
from harness.segments.spans import spanned
from harness.segments.tape import Event, Slot, Tape, put
from harness.side import Call
from harness.spec.cards import card
from harness.spec.environments import register_ids

# A record larger than this is cut off: the twin is compared up to there.
RECORD_LIMIT_BYTES = 100_000_000
# Assignments of parameters that are tried, and the median distance from which on one is right.
MAX_TRIED = 8
SETTLED = 1e-3


@dataclass(frozen=True)
class _Asked:
    """The request, as JSON said it."""

    side: SideSpec
    call: Call
    record: Path
    also: tuple[str, ...]
    choices: dict[str, int]
    nudge_seed: int | None
    settles_at: int

    @property
    def policy(self) -> Policy:
        return Policy(
            hands_on="sources",
            also=self.also,
            choices=self.choices,
            nudge_seed=self.nudge_seed,
            is_light=True,
        )


def main(arguments: Sequence[str]) -> int:
    """Do what the request asks; write what was found as JSON."""
    request, answer = (Path(argument) for argument in arguments)
    asked = json.loads(request.read_text())
    torch.set_num_threads(1)
    register_ids()
    job = _Asked(
        side=SideSpec(**asked["side"]),
        call=Call(**asked["call"]),
        record=Path(asked["record"]),
        also=tuple(asked.get("also", ())),
        choices=asked.get("choices", {}),
        nudge_seed=asked.get("nudge_seed"),
        settles_at=asked.get("settles_at", 0),
    )
    if asked["task"] == "record":
        found = record(job)
    elif asked["task"] == "follow":
        found = follow(job, Path(asked["distances"]))
    else:
        window = asked["window"][0], asked["window"][1]
        found = pieces(job, SideSpec(**asked["reference"]), window)
    answer.write_text(json.dumps(to_plain(found)))
    return 0


def record(job: _Asked) -> dict[str, Any]:
    """Run the reference and write what it draws and computes, large arrays as sketches."""
    whole = _kept_whole(job)
    writer = TapeWriter(job.record, limit_bytes=RECORD_LIMIT_BYTES)

    first_update: list[int] = []
    counts = {row.name for row in card(job.call.algo).taps if row.counts} | {RESETS, ENV_ACTION}
    counted: dict[str, dict[Slot, int]] = {}

    def keep(name: str, slot: Slot, event: Event, known: Event | None) -> None:
        del known
        arrays = event.arrays
        if name in counts or name.endswith("updates"):
            counted.setdefault(name, {})[slot] = event.env_step
        if name.endswith("updates") and not first_update:
            first_update.append(event.env_step)
        if name not in whole:
            arrays = {field: sketch(array) for field, array in arrays.items()}
        writer.write(name, slot, replace(event, arrays=arrays))

    played = play(job.side, job.call, policy=Policy(is_light=True), keep=keep)
    writer.close()
    return {
        "error": played.error,
        "problems": played.tape.problems,
        "env_steps": played.tape.env_steps,
        "owners": played.tape.owners,
        "is_cut": writer.is_full,
        "counted": {name: [*slots.values()] for name, slots in counted.items()},
        "first_update": first_update[0] if first_update else 0,
        "sites": played.tape.sites,
    }


def _kept_whole(job: _Asked) -> frozenset[str]:
    """Return what is handed on and therefore kept in full."""
    sources = {row.name for row in card(job.call.algo).taps if row.role == "source"}
    modules = {row.name for row in card(job.call.algo).taps if row.shape == "module"}
    boundary = {ENV_ACTION, ENV_RESULT, ENV_START, RESETS, GREEDY}
    return frozenset(sources | modules | boundary | set(job.also))


def follow(job: _Asked, target: Path) -> dict[str, Any]:
    """Follow the record and keep the distance of everything computed."""
    policy = replace(job.policy, choices=_best_choices(job))
    distances, played = _followed(job, policy)
    distances.save(target)
    return {
        "error": played.error,
        "choices": dict(policy.choices),
        "problems": played.tape.problems,
        "env_steps": played.tape.env_steps,
        "sites": played.tape.sites,
    }


def _followed(job: _Asked, policy: Policy) -> tuple[Distances, Played]:
    reader = TapeReader(job.record)
    chosen = [row.name for row in card(job.call.algo).taps if row.greedy_of]
    distances = Distances(
        whole=_kept_whole(job), is_over=lambda: reader.is_at_end, action="".join(chosen[:1])
    )
    played = play(job.side, job.call, reference=reader, policy=policy, keep=distances.keep)
    return distances, played


def _best_choices(job: _Asked) -> dict[str, int]:
    """Return the matching of parameters under which the run begins nearest to the record.

    Where layers of one shape could be taken for each other, every assignment is tried up to the
    first updates; the first one stands unless another is nearer.
    """
    begun = _followed(job, replace(job.policy, stop_after=0))[1].runtime
    ambiguous = {name: n for name, n in begun.modules.n_candidates.items() if n > 1}
    if not ambiguous:
        return dict(job.choices)
    tried = {}
    for numbers in itertools.islice(itertools.product(*map(range, ambiguous.values())), MAX_TRIED):
        choices = dict(zip(ambiguous, numbers, strict=True))
        policy = replace(job.policy, choices=choices, stop_after=job.settles_at)
        tried[numbers] = _followed(job, policy)[0].median()
        if tried[numbers] <= SETTLED:
            break
    best = min(tried, key=lambda numbers: (tried[numbers] > SETTLED, tried[numbers]))
    return dict(zip(ambiguous, best, strict=True))


def pieces(job: _Asked, reference: SideSpec, window: tuple[int, int]) -> dict[str, Any]:
    """Repeat both runs and test every stretch alone inside a window of env steps.

    Up to the window only draws are handed on, so that mine arrives there as it did before.
    """
    first, last = window
    recording = _Windowed(_kept_whole(job), first)
    recorded = play(reference, job.call, policy=Policy(stop_after=last), keep=recording.keep)
    known = recording.with_names_of(recorded.tape)
    policy = replace(job.policy, stop_after=last, whole_from=first, is_light=False)
    following = _Windowed(frozenset(), first)
    mine = play(job.side, job.call, reference=known, policy=policy, keep=following.keep)
    ours = following.with_names_of(mine.tape)
    theirs = replace(known, events=_since(known, first))
    limits = Limits(
        floors_of_sizes(theirs),
        hyperparameters=dict(job.call.hyperparameters),
        n_envs=job.call.n_envs,
    )
    rows = compare_tapes(ours, theirs, quantities_of(card(job.call.algo), theirs, ours), limits)
    failed = [row for row in rows if row.status == "failed"]
    if failed:
        traced = [_traced(side, job, known, policy) for side in (job.side, reference)]
        failed = [spanned(row, *traced) for row in failed]
    return {"rows": failed, "error": mine.error or recorded.error}


def _traced(side: SideSpec, job: _Asked, known: Tape, policy: Policy) -> Runtime:
    """Repeat a side with its lines traced, and keep nothing of it."""
    policy = replace(policy, traced=folders_of(side))
    return play(side, job.call, reference=known, policy=policy, keep=_forget).runtime


def _forget(name: str, slot: Slot, event: Event, known: Event | None) -> None:
    del name, slot, event, known


class _Windowed:
    """Keeps draws from the beginning and everything else from the window on."""

    def __init__(self, always: frozenset[str], first: int) -> None:
        self._always = always
        self._first = first
        self._tape = Tape()

    def keep(self, name: str, slot: Slot, event: Event, known: Event | None) -> None:
        """Put the event down if it is wanted."""
        del known
        if event.env_step >= self._first or name in self._always:
            put(self._tape, name, slot, event)

    def with_names_of(self, tape: Tape) -> Tape:
        """Return the events with everything else that the play noted."""
        return replace(tape, events=self._tape.events)


def _since(tape: Tape, first: int) -> dict[str, dict[Slot, Event]]:
    return {
        name: {slot: event for slot, event in events.items() if event.env_step >= first}
        for name, events in tape.events.items()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
