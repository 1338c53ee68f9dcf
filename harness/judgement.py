"""The records of a judgement: what the statistics, the localiser and the verdict say.

All plain values, so that report.json is the direct serialisation of `Judgement`. Numbers that may
be NaN or infinite are floats and serialise as "NaN", "Infinity", "-Infinity"; None means absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.records import REPORT_SCHEMA, Json
from harness.waiver import WaiverRow

if TYPE_CHECKING:
    from harness.records import Curves

Verdict = Literal["parity", "diverged", "inconclusive", "invalid"]


@dataclass(frozen=True)
class Interval:
    """A point estimate with an interval at the stated level; unit as the context says."""

    estimate: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Onset:
    """Where a difference begins: never a bare step. Env steps; `low` <= onset <= `high`."""

    low: int
    high: int
    level: float


@dataclass(frozen=True)
class MetricTest:
    """One metric on one environment, tested over time.

    Attributes:
        family: "curve" for episode_return, "trace" for every other metric.
        p_adjusted: smallest step-down adjusted p over time within the family and environment;
            None when it could not be computed (`reason` says why).
        significant: checkpoint index ranges [first, last] that stay significant after every
            adjustment (time, metrics, environments, looks).
        waived: why the difference is allowed, when a waiver says so; in every row likewise.
        onset: where the difference begins, when significant.
        effect: mean of mine - reference over the significant stretch, or over all checkpoints.
    """

    metric: str
    family: Literal["curve", "trace"]
    unit: str
    component: str
    stage: str
    p_adjusted: float | None
    is_significant: bool
    significant: tuple[tuple[int, int], ...] = ()
    onset: Onset | None = None
    effect: float | None = None
    reason: str = ""
    waived: str = ""


@dataclass(frozen=True)
class EndpointTest:
    """Equivalence on one endpoint of one environment (area under the curve, or final performance).

    Attributes:
        difference: mine - reference, reward, interval at level 1 - 2 * alpha_spent.
        margin: reward. p_equivalence: larger of the two one-sided p; None when not computable.
        minimum_detectable: smallest true difference (reward) found with 80 % power at this n.
        seeds_for_parity: seeds per side for 80 % power of equivalence if the truth is no
            difference; None when beyond SEEDS_CAP or not computable.
    """

    endpoint: Literal["auc", "final"]
    mine: Interval
    reference: Interval
    difference: Interval
    margin: float
    p_equivalence: float | None
    is_equivalent: bool
    minimum_detectable: float | None
    seeds_for_parity: int | None
    reason: str = ""


@dataclass(frozen=True)
class EnvJudgement:
    """Everything said about one environment."""

    env_id: str
    tier: str
    n_mine: int
    n_reference: int
    total_timesteps: int
    outcome: Verdict
    metrics: tuple[MetricTest, ...]
    endpoints: tuple[EndpointTest, ...]
    smallest_p: float | None  # reachable with these seeds
    alpha_per_test: float  # what p must reach at this look, after Holm's first step
    hyperparameters: Mapping[str, Json]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactRow:
    """One exact observation on both sides. `decides`: an unwaived difference means DIVERGED."""

    name: str
    env_id: str
    component: str
    mine: str
    reference: str
    is_equal: bool
    decides: bool
    hint: str = ""
    waived: str = ""


@dataclass(frozen=True)
class SanityRow:
    """A check that needs no reference, on one side."""

    check: str
    role: Literal["mine", "reference"]
    env_id: str
    component: str
    passed: bool
    detail: str = ""
    waived: str = ""


@dataclass(frozen=True)
class SegmentRow:
    """One stretch of code, ending at a tap, tested alone.

    Attributes:
        status: "convention": differs by a factor or offset that nothing else inherits; no failure.
        n_events: compared. n_failed: of these. missing, extra: events that only the reference, or
            only mine, has.
        size: largest error in noise floors. share: of elements off, in the first failing event.
        update, env_step: counts made when it failed first.
        noise_floor: typical distance of the reference's float32 from its float64;
            a difference counts from a stated multiple of it on.
        mine_place, reference_place: "file:first-last", the stretch that ends at the tap.
        mine_lines, reference_lines: every stretch that ran between the tap before and this one, or
            that made what ran; mine_source, reference_source: the text of the first of them.
        scenario: where it was tested, or failed first.
    """

    tap: str
    component: str
    stage: str
    status: Literal["passed", "failed", "not exercised", "unobserved", "convention"]
    n_events: int = 0
    n_failed: int = 0
    missing: int = 0
    extra: int = 0
    size: float = 0.0
    share: float = 0.0
    update: int = 0
    env_step: int = 0
    fields: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    mine_place: str = ""
    reference_place: str = ""
    mine_lines: tuple[str, ...] = ()
    reference_lines: tuple[str, ...] = ()
    mine_source: tuple[str, ...] = ()
    reference_source: tuple[str, ...] = ()
    noise_floor: float = 0.0
    scenario: str = ""
    is_optional: bool = False
    waived: str = ""


@dataclass(frozen=True)
class DrawRow:
    """One test of random draws: mine's against the reference's in the same states.

    Attributes:
        source: tap whose value is drawn. feature: what was looked at, in plain words.
        n: draws that differ in it. p_adjusted: over everything tested in the scenario.
        mine, reference: estimates, in the unit that the feature says.
        smallest_detectable: difference found with 80 % power; None when unknown.
        reason: why it was rejected without a test, or could not be rejected; else empty.
    """

    source: str
    component: str
    stage: str
    feature: str
    n: int
    p_adjusted: float
    is_rejected: bool
    mine: float
    reference: float
    smallest_detectable: float | None = None
    reason: str = ""
    scenario: str = ""
    mine_place: str = ""
    reference_place: str = ""
    mine_lines: tuple[str, ...] = ()
    waived: str = ""


@dataclass(frozen=True)
class TwinRow:
    """A whole training run under the reference's draws on one environment.

    Attributes:
        status: "inside": no quantity left its band; "departed"; "not run": `detail` says why.
        env_steps, updates: compared. n_quantities: compared at every update.
        quantity, component: what left its band first. update, env_step: when. size: its distance
            from the reference then, in shares of its scale. band: what nudged reference runs allow.
        course: (env step, distance, band) of that quantity, or of the parameters, thinned to plot.
        segments: failing stretches when the run was repeated piece by piece around the departure.
        detail: one sentence, or "".
        is_invalid: not run because mine or the reference failed in it.
    """

    env_id: str
    seed: int
    status: Literal["inside", "departed", "not run"]
    env_steps: int = 0
    updates: int = 0
    n_quantities: int = 0
    quantity: str = ""
    component: str = ""
    update: int = 0
    env_step: int = 0
    size: float = 0.0
    band: float = 0.0
    course: tuple[tuple[int, float, float], ...] = ()
    segments: tuple[SegmentRow, ...] = ()
    detail: str = ""
    mine_place: str = ""
    reference_place: str = ""
    is_invalid: bool = False
    waived: str = ""


@dataclass(frozen=True)
class SegmentsResult:
    """What the replays of all scenarios found.

    Attributes:
        rows: one per quantity, in data-flow order; empty when nothing could be compared.
        events: event -> how often the scenarios exercised it.
        draws: one per source and kind of feature.
        reason: why nothing, or not everything, could be compared; empty if all could.
        notes: scenarios that were left out, values that mine cannot vary, tap names not known.
        is_invalid: mine or the reference failed, or a tap could not be read.
        env_steps: made by both sides together.
        choices: module tap -> which of several matchings of its parameters agreed.
        kept: hyperparameter that mine was seen to ignore -> the value taken on both sides.
    """

    rows: tuple[SegmentRow, ...] = ()
    events: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    env_steps: int = 0
    draws: tuple[DrawRow, ...] = ()
    notes: tuple[str, ...] = ()
    is_invalid: bool = False
    choices: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One established divergence, ready to be acted on.

    Attributes:
        level: "fact", "segment", "draw", "twin", "sanity", "probe", "trace" or "curve".
        summary: one sentence with size and place. look_next: one sentence.
        onset: env steps, or None for findings without time.
    """

    level: str
    env_id: str
    component: str
    quantity: str
    summary: str
    look_next: str
    onset: Onset | None = None
    mine_place: str = ""
    reference_place: str = ""


@dataclass(frozen=True)
class LookRow:
    """One interim analysis: what was known, what was decided."""

    n_mine: int
    n_reference: int
    env_steps_spent: int
    alpha_spent: float  # level that the smallest p must reach, before Holm
    equivalence_spent: float  # level that the equivalence p must reach; 0: cannot decide yet
    smallest_p: Mapping[str, float]  # env id -> smallest adjusted p of its families at this look
    equivalence_p: Mapping[str, float]  # env id -> larger p of its two equivalence tests
    decision: Verdict


@dataclass(frozen=True)
class RunRow:
    """One run as listed in the report."""

    role: Literal["mine", "reference"]
    env_id: str
    seed: int
    outcome: str
    key: str
    env_steps: int
    updates: int
    message: str = ""
    stderr_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aggregate:
    """IQM of reference-normalised final scores over environments, stratified bootstrap."""

    mine: Interval
    reference: Interval
    difference: Interval


@dataclass(frozen=True)
class Judgement:
    """The whole result of a comparison; report.json is its serialisation.

    Attributes:
        grounds: "numerical" or "statistical" for parity, else "".
        headline: the verdict in one sentence. reasons: the rules that fired, one sentence each.
        look_next: what to look at, or what evidence is missing and what it costs.
        env_steps_spent: training steps this verdict rests on, both sides, cached ones included.
        segments: stretches of code tested alone, in data-flow order; empty when none were.
        segment_events: event -> how often the scenarios exercised it.
        draws: tests of random draws, one per source and kind of feature.
        twins: whole training runs under the reference's draws, one per environment.
        waivers: what became of every declared deviation.
    """

    verdict: Verdict
    grounds: str
    headline: str
    reasons: tuple[str, ...]
    look_next: tuple[str, ...]
    algo: str
    mine: str
    reference: str
    alpha: float
    margin: str
    budget: str
    difference_test: str
    is_paired: bool
    envs: tuple[EnvJudgement, ...]
    facts: tuple[FactRow, ...]
    sanity: tuple[SanityRow, ...]
    findings: tuple[Finding, ...]
    aggregate: Aggregate | None
    looks: tuple[LookRow, ...]
    runs: tuple[RunRow, ...]
    env_steps_spent: Mapping[str, int]
    asked: Mapping[str, Json]
    provenance: Mapping[str, Json]
    notes: tuple[str, ...] = ()
    segments: tuple[SegmentRow, ...] = ()
    segment_events: Mapping[str, int] = field(default_factory=dict)
    draws: tuple[DrawRow, ...] = ()
    twins: tuple[TwinRow, ...] = ()
    waivers: tuple[WaiverRow, ...] = ()
    schema_version: int = REPORT_SCHEMA


@dataclass(frozen=True)
class Evidence:
    """The arrays behind a judgement, for plots and exports.

    Attributes:
        curves: env id -> metric -> (mine, reference), same checkpoints.
        finals: env id -> (mine, reference) final performance per seed, reward.
    """

    curves: Mapping[str, Mapping[str, tuple[Curves, Curves]]]
    finals: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
