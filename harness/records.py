"""The vocabulary that the stages share: frozen records, no behaviour beyond simple derivations.

Data flow: ComparisonSpec -> RunSpec (plan) -> RunRecord, Trace (run, store) -> Curves ->
MetricTest, Equivalence (stats) -> Finding, FactRow (localise) -> Judgement (verdict) -> report.

Everything reachable from `Judgement` holds plain Python values, so that report.json is its direct
serialisation; arrays live in `Trace`, `Curves` and `Evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.waiver import Waiver

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Version of everything written to disk for a run (spec.json, traces, done.json). In the run key.
TRACE_SCHEMA = 1
# Version of report.json and comparison.json.
REPORT_SCHEMA = 1

Role = Literal["mine", "reference"]
ROLES: tuple[Role, Role] = ("mine", "reference")

# JSON values: None, bool, int, float, str, lists and string-keyed mappings of these.
Json = Any

# Where a divergence can sit: a closed list (bug collection, legend).
COMPONENTS = (
    "network-architecture",
    "weight-init",
    "observation-preprocessing",
    "action-scaling",
    "exploration",
    "replay-buffer",
    "sampling",
    "bootstrapping-termination",
    "target-network",
    "return-advantage-estimation",
    "loss",
    "gradient-optimiser",
    "lr-schedule",
    "normalisation",
    "update-schedule",
    "entropy-temperature",
    "distribution-logprob",
    "seeding-determinism",
    "evaluation-logging",
    "env-interface",
)

# The order in which data flows through one iteration of any of the algorithms; an effect in a later
# stage may be inherited from an earlier one, never the other way round within one update.
STAGES = ("collect", "store", "sample", "target", "loss", "gradient", "step", "sync", "outcome")


@dataclass(frozen=True)
class SideSpec:
    """One implementation as attached: what the child process loads, and what identifies it.

    Attributes:
        name: shown to people, for example "my_impls/dqn.py:side" or "sb3".
        file: absolute path of a Python file that holds the callable, or None.
        module: importable module that holds the callable, or None; exactly one of the two is set.
        callable: attribute that is called with a `harness.side.Call`.
        tap_map: absolute path of a TOML tap map, or None.
        source_digest: SHA-256 over the transitive local source and the tap map.
        versions: distribution name -> version of what the side is made of (a reference library).
    """

    name: str
    file: str | None
    module: str | None
    callable: str
    tap_map: str | None
    source_digest: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSpec:
    """One training run: everything that can change its outcome. `key` is the hash of the rest.

    Attributes:
        fingerprint: versions, torch threads, CPU capability ...: what "same seed" is relative to.
        taps: tap name -> clock ("env_step" or "update"), from the algorithm's card.
        idle: names of hyperparameters whose value switches something off.
    """

    key: str
    side: SideSpec
    algo: str
    env_id: str
    seed: int
    total_timesteps: int
    n_envs: int
    hyperparameters: Mapping[str, Json]
    device: str
    fingerprint: Mapping[str, str]
    taps: Mapping[str, str]
    trace_schema: int = TRACE_SCHEMA
    idle: tuple[str, ...] = ()


class Outcome(StrEnum):
    """How a run ended. DONE and NON_FINITE leave a whole trace; the others none that counts."""

    DONE = "done"
    NON_FINITE = "non-finite"  # finished, but a loss, gradient or parameter became NaN or infinite
    CRASHED = "crashed"  # an exception left the side
    EXITED = "exited"  # exit code other than 0 without an exception
    INCOMPLETE = "incomplete"  # exit code 0, yet no valid done.json
    KILLED = "killed"  # ended by a signal that the supervisor did not send
    HUNG = "hung"  # no env step and no update for the stall limit
    TIMED_OUT = "timed-out"  # wall clock limit
    OUT_OF_MEMORY = "out-of-memory"
    UNSUPPORTED = "unsupported"  # the side raised UnsupportedHyperparameter
    UNOBSERVED = "unobserved"  # trained, but the harness could not see it
    ENDED = "ended"  # by the supervisor: the verdict no longer depended on it


USABLE_OUTCOMES = frozenset({Outcome.DONE, Outcome.NON_FINITE})


@dataclass(frozen=True)
class RunRecord:
    """What became of one planned run.

    Attributes:
        message: one sentence for people: cause, where, what to do; empty for DONE.
        stderr_tail: last lines of stderr, control characters stripped; empty for usable runs.
        env_steps, updates: progress reached. wall_time_s: 0 when unknown.
        is_cached: nothing was trained; the stored run was reused.
    """

    spec: RunSpec
    outcome: Outcome
    message: str = ""
    stderr_tail: tuple[str, ...] = ()
    env_steps: int = 0
    updates: int = 0
    wall_time_s: float = 0.0
    is_cached: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether the run left a whole trace."""
        return self.outcome in USABLE_OUTCOMES


@dataclass(frozen=True)
class Series:
    """One measured quantity of one run. NaN and infinities are values; absent means no entry.

    Attributes:
        env_steps: (n,) int64, non-decreasing; env steps made when the value was measured.
        values: (n,) float64.
    """

    env_steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Episodes:
    """Finished training episodes of one run in order of their end; all arrays are (n_episodes,).

    Attributes:
        end_env_step: int64, env step (summed over parallel envs) at which the episode ended.
        returns: float64, undiscounted sum of the environment's own rewards.
        lengths: int64. terminated, truncated: bool. env_index: int64, which parallel env.
    """

    end_env_step: NDArray[np.int64]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    env_index: NDArray[np.int64]


@dataclass(frozen=True)
class Trace:
    """Everything observed of one usable run.

    Attributes:
        episodes: finished training episodes.
        metrics: metric name (see `harness.spec.metrics`) -> series.
        facts: exact observations by name (parameter counts, optimiser constants ...).
        provenance: versions, threads, commit, hyperparameters as asked and as resolved ...
    """

    episodes: Episodes
    metrics: Mapping[str, Series]
    facts: Mapping[str, Json]
    provenance: Mapping[str, Json]


@dataclass(frozen=True)
class Curves:
    """One metric of one side on one environment, on the common grid.

    Attributes:
        checkpoints: (n_checkpoints,) int64, env step at the end of each bin.
        values: (n_seeds, n_checkpoints) float64; NaN where absent (before the first episode or
            update) or where the side itself produced NaN; infinities are kept.
        seeds: (n_seeds,) of the rows.
    """

    metric: str
    checkpoints: NDArray[np.int64]
    values: NDArray[np.float64]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class EnvPlan:
    """One environment of a comparison with its budget.

    Attributes:
        tier: "probe", "easy", "medium", "hard" or "" for an id outside the tiers.
        hyperparameters: all of them, resolved, under SB3's names.
        sources: hyperparameter name -> where its value comes from.
        idle: names of hyperparameters whose value switches something off.
    """

    env_id: str
    tier: str
    total_timesteps: int
    n_envs: int
    hyperparameters: Mapping[str, Json]
    sources: Mapping[str, str]
    idle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Margin:
    """Equivalence margin: `value` reference standard deviations, or reward when is_absolute."""

    value: float
    is_absolute: bool = False


@dataclass(frozen=True)
class ComparisonSpec:
    """The request, resolved: what is compared, on what, with which error rates.

    Attributes:
        looks: own seeds per side at each interim analysis, increasing, e.g. (3, 5, 8).
        seeds: seed values; the first `looks[k]` of them belong to look k.
        alpha: family-wise error rate of DIVERGED, and error rate of PARITY.
        difference_test: "max-t" or "cluster-mass".
        asked: the user's own words: option name -> value, for the report and for resuming.
        taps: tap name -> clock ("env_step" or "update"), from the algorithm's card.
        waivers: differences that the user declared. today: the day on which they are looked at,
            "2027-06-30"; stored, so that judging again gives the same.
    """

    algo: str
    envs: tuple[EnvPlan, ...]
    mine: SideSpec
    reference: SideSpec
    looks: tuple[int, ...]
    seeds: tuple[int, ...]
    alpha: float
    margin: Margin
    budget: str
    device: str = "cpu"
    is_paired: bool = False
    keep_going: bool = False
    difference_test: Literal["max-t", "cluster-mass"] = "max-t"
    asked: Mapping[str, Json] = field(default_factory=dict)
    taps: Mapping[str, str] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    today: str = ""


class ProgressSink(Protocol):
    """Receives what happens to runs while they happen; the report stage shows it."""

    def started(self, run: RunSpec) -> None:
        """Say that a run began to train."""

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:
        """Say how far a run has come; called a few times per second and run."""

    def finished(self, record: RunRecord) -> None:
        """Say how a run ended; cached runs come here without `started`."""

    def stage(self, line: str) -> None:
        """Say in one line what a stage found that is not a run: facts, segments, twin runs."""
