"""The table of contents: plan, run, judge, report. The only place that knows the order.

    ComparisonSpec -> pre-flight -> segments and draws -> twin runs
                   -> planned runs, look by look -> records and traces -> LookJudgement -> Judgement

Cheapest evidence first: what is found is said at once, and the first stage that establishes
DIVERGED, or cannot be compared, ends the comparison unless it is told to keep going. Facts,
segments and draws are one stage: they take seconds, and segments name the lines behind a fact.

Evidence is taken in planned order: a run that finishes early waits for those before it. So the same
traces always stop the comparison at the same place, whichever run happened to be faster, and a
report made again from stored traces is the same report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness import judge
from harness.ahead import Questions, asked_before, asked_now, preflight_of, segments_of
from harness.codec import from_plain, to_json, to_plain
from harness.errors import UsageError
from harness.judge import Gathered, LookJudgement, RunId
from harness.judgement import Evidence, Judgement, SegmentsResult, TwinRow
from harness.plan.plan import plan_run
from harness.preflight import PreflightResult
from harness.records import (
    ROLES,
    ComparisonSpec,
    Outcome,
    ProgressSink,
    RunRecord,
    RunSpec,
    Trace,
)
from harness.report import stages
from harness.report.export import runs_frame
from harness.report.export import write as write_frame
from harness.report.write import write_report
from harness.run.executor import LocalExecutor
from harness.run.limits import Limits
from harness.store.store import Store


@dataclass(frozen=True)
class CompareResult:
    """A finished comparison: the judgement, and the folder that holds its report."""

    judgement: Judgement
    evidence: Evidence
    folder: Path


# Gives the records of one look's runs in planned order; `ahead` are the next look's runs, which may
# be begun on idle processors. Closing the iterator ends whatever is still in flight.
Arriving = Generator[tuple[RunId, RunRecord], None, None]
Fetch = Callable[[Sequence[RunId], Sequence[RunId]], Arriving]
# Gives the trace of a usable run.
Load = Callable[[RunId, RunRecord], Trace]


def compare(
    spec: ComparisonSpec, *, results: Path, jobs: int, progress: ProgressSink
) -> CompareResult:
    """Train what is missing, judge after every look, stop when decided, write the report.

    Args:
        results: root of the store. jobs: runs trained side by side.

    Raises:
        UsageError: a side cannot express one of the hyperparameters.
        StoreError: the results folder cannot be used.
        Interrupted: Ctrl-C; finished runs are kept and the same command resumes.
    """
    store = Store(results)
    with LocalExecutor(store, jobs=jobs, limits=Limits(), progress=progress) as executor:
        fetch = _trainer(executor, store, planned=_planner(spec), jobs=jobs, progress=progress)
        questions = asked_now(spec, store, jobs=jobs)
        course = _follow(spec, _loader(store), questions=questions, fetch=fetch, say=progress.stage)
    folder = store.comparison_dir(_name_of(spec))
    store.write_comparison(folder, comparison_document(spec, course.gathered))
    return _conclude(spec, course, folder)


def rejudge(folder: Path) -> CompareResult:
    """Judge and render a stored comparison again, without training.

    Raises:
        StoreError: the folder is no comparison, or a trace it names is missing or damaged.
    """
    document = Store.read_comparison(folder)
    spec = from_plain(ComparisonSpec, document["spec"])
    records = {
        RunId(run["role"], run["env_id"], run["seed"]): from_plain(RunRecord, run["record"])
        for run in document["runs"]
    }
    store = Store(folder.parent.parent)
    course = _follow(
        spec,
        _loader(store),
        questions=asked_before(document),
        fetch=_stored(records),
        say=lambda _line: None,
    )
    return _conclude(spec, course, folder)


def judged_looks(spec: ComparisonSpec, gathered: Gathered) -> list[LookJudgement]:
    """Return the looks of a comparison whose evidence is at hand, up to the one that decides it.

    The same course as `compare` takes; nothing is trained, read or written.
    """
    twins = {row.env_id: row for row in gathered.twins}
    course = _follow(
        spec,
        lambda run_id, _record: gathered.traces[run_id],
        questions=Questions(
            preflight=lambda: gathered.preflight,
            segments=lambda: gathered.segments,
            twin=lambda env, _segments: twins.get(env.env_id),
        ),
        fetch=_stored(gathered.records),
        say=lambda _line: None,
    )
    return course.looks


def segments_alone(spec: ComparisonSpec, *, results: Path, jobs: int) -> judge.Alone:
    """Return the segments alone: waived, with places named as the user attached the sides."""
    return judge.judge_segments(spec, segments_of(spec, Store(results), jobs=jobs))


@dataclass(frozen=True)
class FactsSeen:
    """How every run begins, and what the facts say."""

    preflight: PreflightResult
    judged: judge.FactsAlone


def facts_alone(spec: ComparisonSpec, *, results: Path, jobs: int) -> FactsSeen:
    """Return the pre-flight alone: both sides begun on every environment, their facts compared.

    Raises:
        UsageError: a side cannot express one of the hyperparameters.
    """
    preflight = preflight_of(spec, Store(results), jobs=jobs)
    _check_supported(spec, preflight)
    return FactsSeen(preflight, judge.judge_facts(spec, preflight))


@dataclass
class _Course:
    """How far a comparison has come: evidence in planned order, and the looks judged."""

    preflight: PreflightResult = field(default_factory=PreflightResult)
    segments: SegmentsResult = field(default_factory=SegmentsResult)
    twins: tuple[TwinRow, ...] = ()
    records: dict[RunId, RunRecord] = field(default_factory=dict)
    traces: dict[RunId, Trace] = field(default_factory=dict)
    looks: list[LookJudgement] = field(default_factory=list)

    @property
    def gathered(self) -> Gathered:
        return Gathered(self.records, self.traces, self.segments, self.twins, self.preflight)


def _loader(store: Store) -> Load:
    return lambda _run_id, record: store.load(record.spec)


def _follow(
    spec: ComparisonSpec,
    load: Load,
    *,
    questions: Questions,
    fetch: Fetch,
    say: Callable[[str], None],
) -> _Course:
    """Gather evidence until the verdict is decided or the budget is used up."""
    course = _Course()
    for stage in _ahead(spec, course, questions):
        for line in stage.lines:
            say(line)
        if stage.may_end and not spec.keep_going and judge.is_settled(spec, course.gathered):
            course.looks.append(judge.judge_look(spec, course.gathered, 0))
            return course
    waves = _waves(spec)
    for look, wave in enumerate(waves):
        # Where this look is likely to be the last, idle processors begin nothing for the next.
        is_last = look + 1 == len(waves) or judge.awaits_curves_alone(spec, course.gathered)
        ahead = () if is_last else waves[look + 1]
        with closing(fetch(wave, ahead)) as arriving:
            _gather(spec, load, course, arriving=arriving, look=look)
        course.looks.append(judge.judge_look(spec, course.gathered, look))
        if course.looks[-1].decision.verdict != "inconclusive":
            break
    return course


@dataclass(frozen=True)
class _Said:
    """What an answer of before the training says, and whether a comparison may end at it."""

    lines: tuple[str, ...]
    may_end: bool = True


def _ahead(spec: ComparisonSpec, course: _Course, questions: Questions) -> Iterator[_Said]:
    """Add what is known before the training, answer by answer.

    Raises:
        UsageError: a side cannot express one of the hyperparameters.
    """
    course.preflight = questions.preflight()
    _check_supported(spec, course.preflight)
    facts = judge.compared_so_far(spec, course.gathered).facts
    lines = (*stages.beginning_lines(course.preflight.runs), stages.facts_line(facts))
    yield _Said(lines, may_end=bool(course.preflight.failed))
    course.segments = questions.segments()
    segments = judge.compared_so_far(spec, course.gathered).segments
    yield _Said(
        (stages.segments_line(segments.rows, segments.reason), stages.draws_line(segments.draws))
    )
    for env in spec.envs:
        found = questions.twin(env, course.segments)
        if found is not None:
            course.twins = (*course.twins, found)
            yield _Said((stages.twin_line(judge.compared_so_far(spec, course.gathered).twins[-1]),))


def _gather(
    spec: ComparisonSpec,
    load: Load,
    course: _Course,
    *,
    arriving: Iterator[tuple[RunId, RunRecord]],
    look: int,
) -> None:
    """Take runs in planned order until the look is complete, or its verdict depends on no more."""
    for run_id, record in arriving:
        if record.outcome is Outcome.UNSUPPORTED:
            raise UsageError(_unsupported(record.spec.side.name, run_id.role, record.message))
        course.records[run_id] = record
        if record.is_usable:
            course.traces[run_id] = load(run_id, record)
        if not spec.keep_going and _is_decided(spec, course, look=look, run_id=run_id):
            return


def _is_decided(spec: ComparisonSpec, course: _Course, *, look: int, run_id: RunId) -> bool:
    """Return whether DIVERGED is certain: by a fact, or on the environment just completed."""
    if judge.deterministic_divergence(spec, course.gathered):
        return True
    is_last_of_env = run_id.role == "reference" and run_id.seed == spec.seeds[spec.looks[look] - 1]
    if not is_last_of_env:
        return False
    return judge.judge_look(spec, course.gathered, look).decision.verdict == "diverged"


def _trainer(
    executor: LocalExecutor,
    store: Store,
    *,
    planned: Callable[[RunId], RunSpec],
    jobs: int,
    progress: ProgressSink,
) -> Fetch:
    """Return a fetch that reuses stored runs and trains the others."""
    finished: dict[str, RunRecord] = {}

    def fetch(wave: Sequence[RunId], ahead: Sequence[RunId]) -> Arriving:
        # Stored runs first: a verdict that they decide alone must not start any training.
        missing = [(run_id, planned(run_id)) for run_id in wave]
        while missing and (record := store.find(missing[0][1])) is not None:
            progress.finished(record)
            yield missing.pop(0)[0], record
        for _, run in missing:
            executor.submit(run)
        waiting_ahead = [planned(run_id) for run_id in ahead] if missing else []
        for run_id, run in missing:
            while run.key not in finished:
                while waiting_ahead and len(executor.pending()) < jobs:
                    executor.submit(waiting_ahead.pop(0))
                record = executor.next_finished()
                finished[record.spec.key] = record
            yield run_id, finished[run.key]

    return fetch


def _stored(records: Mapping[RunId, RunRecord]) -> Fetch:
    """Return a fetch that gives what a finished comparison had, in the same order."""

    def fetch(
        wave: Sequence[RunId],
        ahead: Sequence[RunId],  # noqa: ARG001
    ) -> Arriving:
        for run_id in wave:
            if run_id in records:
                yield run_id, records[run_id]

    return fetch


def _waves(spec: ComparisonSpec) -> list[tuple[RunId, ...]]:
    """Return the new runs of every look, in order: env by env, seed by seed, mine first."""
    starts = (0, *spec.looks[:-1])
    return [
        tuple(
            RunId(role, env.env_id, seed)
            for env in spec.envs
            for seed in spec.seeds[start:stop]
            for role in ROLES
        )
        for start, stop in zip(starts, spec.looks, strict=True)
    ]


def _planner(spec: ComparisonSpec) -> Callable[[RunId], RunSpec]:
    """Return a function from a run's place in the comparison to its full specification."""
    envs = {env.env_id: env for env in spec.envs}
    return lambda run_id: plan_run(spec, envs[run_id.env_id], role=run_id.role, seed=run_id.seed)


def _conclude(spec: ComparisonSpec, course: _Course, folder: Path) -> CompareResult:
    judgement = judge.conclude(spec, course.gathered, course.looks)
    evidence = course.looks[-1].evidence
    write_report(judgement, evidence, folder)
    return CompareResult(judgement, evidence, folder)


def comparison_document(spec: ComparisonSpec, gathered: Gathered) -> dict[str, Any]:
    """Return what comparison.json holds: the request, what was asked before, and the runs."""
    return {
        "spec": to_plain(spec),
        "preflight": to_plain(gathered.preflight),
        "segments": to_plain(gathered.segments),
        "twins": to_plain(gathered.twins),
        "runs": [
            {**run_id._asdict(), "record": to_plain(record)}
            for run_id, record in gathered.records.items()
        ],
    }


def _name_of(spec: ComparisonSpec) -> str:
    """Return the folder name of a comparison: readable, and different for different requests."""
    identity = replace(spec, asked={}, today="")
    digest = hashlib.sha256(to_json(identity).encode()).hexdigest()[:10]
    return f"{spec.algo}-{digest}"


def _check_supported(spec: ComparisonSpec, preflight: PreflightResult) -> None:
    for run in preflight.runs:
        if run.outcome is Outcome.UNSUPPORTED:
            side = spec.mine if run.role == "mine" else spec.reference
            raise UsageError(_unsupported(side.name, run.role, run.message))


def _unsupported(side: str, role: str, why: str) -> str:
    return (
        f"{side} ({role}) cannot run as asked: {why}\n"
        "Both sides receive the same hyperparameters, and none is ignored. "
        "Give a value that both support with --set name=value."
    )


def is_cached(run: RunSpec, results: Path) -> bool:
    """Return whether the run is stored, verified and would be reused."""
    return Store(results).find(run) is not None


def export(folder: Path, *, fmt: Literal["csv", "parquet"], output: Path) -> Path:
    """Write every stored value of a comparison as one long table; returns the file's path."""
    document = Store.read_comparison(folder)
    store = Store(folder.parent.parent)
    records = [(run["role"], from_plain(RunRecord, run["record"])) for run in document["runs"]]
    runs = (
        (role, record.spec, store.load(record.spec)) for role, record in records if record.is_usable
    )
    return write_frame(runs_frame(runs), output, fmt)
