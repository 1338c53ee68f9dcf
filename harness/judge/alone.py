"""Segments judged alone: what `compare segments` says, and with which verdict."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.look import waived
from harness.judge.numerical import segment_gaps
from harness.judge.placing import placed
from harness.judge.summary import differences
from harness.judgement import SegmentsResult, Verdict
from harness.localise import Compared
from harness.records import ComparisonSpec
from harness.spec.cards import card
from harness.verdict import decide
from harness.waiver import failures


@dataclass(frozen=True)
class Alone:
    """The segments alone; verdict: "parity" only when everything was tested and is the same.

    Attributes:
        failures: waivers that do not hold, one sentence each.
    """

    segments: SegmentsResult
    verdict: Verdict
    failures: tuple[str, ...] = ()


def judge_segments(spec: ComparisonSpec, segments: SegmentsResult) -> Alone:
    """Return what the segments say without any other evidence."""
    env_ids = tuple(env.env_id for env in spec.envs)
    compared = waived(spec, Compared(env_ids, segments=segments))
    return Alone(placed(compared.segments, spec), _verdict(spec, compared), _failures(compared))


def _verdict(spec: ComparisonSpec, compared: Compared) -> Verdict:
    segments = compared.segments
    if segments.is_invalid or not segments.rows:
        return "invalid"
    if decide(differences(compared)).verdict == "diverged" or _failures(compared):
        return "diverged"
    return "inconclusive" if segment_gaps(segments, card(spec.algo)) else "parity"


def _failures(compared: Compared) -> tuple[str, ...]:
    return failures(compared.waivers)
