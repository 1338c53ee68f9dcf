"""What one look compared, as one record: what waivers are applied to and findings are read off."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.judgement import EnvJudgement, FactRow, SanityRow, SegmentsResult, TwinRow
from harness.waiver import WaiverRow


@dataclass(frozen=True)
class Compared:
    """Everything that was compared, whatever came out; rows may be marked as waived.

    Attributes:
        env_ids: every environment of the comparison, easiest first.
        waivers: what became of each of them.
    """

    env_ids: tuple[str, ...]
    envs: tuple[EnvJudgement, ...] = ()
    facts: tuple[FactRow, ...] = ()
    sanity: tuple[SanityRow, ...] = ()
    segments: SegmentsResult = field(default_factory=SegmentsResult)
    twins: tuple[TwinRow, ...] = ()
    waivers: tuple[WaiverRow, ...] = ()
