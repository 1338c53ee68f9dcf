"""Segments, or facts, judged alone: what `compare segments` and `compare facts` conclude."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.look import compared_so_far, waived
from harness.judge.numerical import segment_gaps
from harness.judge.placing import placed
from harness.judge.summary import differences, provisional
from harness.judge.view import Gathered
from harness.judgement import FactRow, SegmentsResult, Verdict
from harness.localise import Compared
from harness.preflight import PreflightResult
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


@dataclass(frozen=True)
class FactsAlone:
    """The facts of the beginning of every run; verdict: "parity" when none that decides differs."""

    facts: tuple[FactRow, ...]
    verdict: Verdict
    failures: tuple[str, ...] = ()


def judge_facts(spec: ComparisonSpec, preflight: PreflightResult) -> FactsAlone:
    """Return what both sides really use, without any other evidence."""
    gathered = Gathered({}, {}, preflight=preflight)
    compared = provisional(compared_so_far(spec, gathered))
    seen = {row.env_id for row in compared.facts}
    verdict: Verdict = "parity"
    if preflight.failed or any(env.env_id not in seen for env in spec.envs):
        verdict = "invalid"
    if decide(differences(compared)).verdict == "diverged" or _failures(compared):
        verdict = "diverged"
    return FactsAlone(compared.facts, verdict, _failures(compared))
