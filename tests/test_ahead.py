"""What is asked before the training: kept answers, sides without taps, draws that mine lacks."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import ahead
from harness.judgement import SegmentsResult, TwinRow
from harness.plan import identity
from harness.preflight import PreflightResult, PreflightRun
from harness.records import Outcome
from harness.segments.twin_run import Twinned
from harness.stats.drift import Band
from harness.store.store import Store
from tests.judge import evidence as made
from tests.judge.evidence import ENV

TAPPED = "from harness.tap import tap\ndef side(call):\n    tap('loss', 1.0)\n"


@pytest.fixture
def spec(tmp_path):
    """A comparison of two tapped files."""
    file = tmp_path / "side.py"
    file.write_text(TAPPED)
    known = made.spec()
    sides = {"mine": known.mine, "reference": known.reference}
    return replace(known, **{role: replace(one, file=str(file)) for role, one in sides.items()})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def counted(monkeypatch, where, name, answer):
    """Replace a question by a fixed answer; returns the list of its calls."""
    calls = []

    def ask(*given, **named):
        calls.append((given, named))
        return answer

    monkeypatch.setattr(where, name, ask)
    return calls


def test_segments_are_asked_once_and_then_kept(spec, store, monkeypatch):
    calls = counted(monkeypatch, ahead, "run_segments", made.segments())
    first = ahead.segments_of(spec, store, jobs=1)
    assert ahead.segments_of(spec, store, jobs=1) == first == made.segments()
    assert len(calls) == 1


def test_segments_of_a_side_that_failed_are_asked_again(spec, store, monkeypatch):
    broken = SegmentsResult(reason="killed", is_invalid=True)
    calls = counted(monkeypatch, ahead, "run_segments", broken)
    for _ in range(2):
        assert ahead.segments_of(spec, store, jobs=1) == broken
    assert len(calls) == 2


def test_segments_are_asked_again_when_mine_changes(spec, store, monkeypatch):
    calls = counted(monkeypatch, ahead, "run_segments", made.segments())
    ahead.segments_of(spec, store, jobs=1)
    edited = replace(spec, mine=replace(spec.mine, source_digest="1" * 64))
    ahead.segments_of(edited, store, jobs=1)
    assert len(calls) == 2


def test_segments_are_asked_again_of_another_version_of_the_harness(spec, store, monkeypatch):
    calls = counted(monkeypatch, ahead, "run_segments", made.segments())
    ahead.segments_of(spec, store, jobs=1)
    monkeypatch.setattr(ahead, "asking", lambda: "another version")
    ahead.segments_of(spec, store, jobs=1)
    assert len(calls) == 2


def test_version_of_the_harness_counts_everything_that_an_answer_is_made_by(monkeypatch):
    hashed = []
    monkeypatch.setattr(identity, "digest_of_files", lambda files, **_: hashed.extend(files) or "")
    identity.harness_digest.__wrapped__(*ahead.ASKING)
    names = {file.relative_to(Path(ahead.__file__).parent).as_posix() for file in hashed}
    assert {"tap.py", "segments/runtime.py", "spec/cards/dqn.toml", "run/preflight.py"} <= names
    assert not any(name.startswith(("report/", "judge/", "cli/")) for name in names)


def test_algorithm_without_scenarios_says_so(spec, store, monkeypatch):
    monkeypatch.setattr(ahead, "scenarios", dict)
    assert "no exposing scenario for dqn" in ahead.segments_of(spec, store, jobs=1).reason


@pytest.fixture
def twin_run(monkeypatch):
    answers = [made.twin()]
    calls, given = [], []

    def ask(task, *, jobs, bands):
        calls.append(task)
        given.append(bands)
        return Twinned(answers[0], BANDS)

    monkeypatch.setattr(ahead, "run_twin", ask)
    return calls, answers, given


BANDS = {"loss": Band((3,), (1e-5,)), "updates": Band()}


def test_bands_are_measured_once_for_a_reference_whatever_mine_is(spec, store, twin_run):
    edited = replace(spec, mine=replace(spec.mine, source_digest="1" * 64))
    other = replace(spec, reference=replace(spec.reference, source_digest="2" * 64))
    for asked in (spec, edited, other):
        ahead.twin_of(asked, store, asked.envs[0], made.segments(), jobs=1)
    assert twin_run[2] == [None, BANDS, None]


def test_twin_run_is_kept_by_what_can_change_it(spec, store, twin_run):
    calls, *_ = twin_run
    ask = {"jobs": 1}
    for _ in range(2):
        assert ahead.twin_of(spec, store, spec.envs[0], made.segments(), **ask) == made.twin()
    assert len(calls) == 1
    assert (calls[0].seed, calls[0].handed_on) == (0, ())
    chosen = made.segments(choices={"q_net": 1})
    ahead.twin_of(spec, store, spec.envs[0], chosen, **ask)
    assert calls[1].choices == {"q_net": 1}
    longer = replace(spec.envs[0], total_timesteps=9_999)
    ahead.twin_of(spec, store, longer, made.segments(), **ask)
    assert len(calls) == 3


def test_twin_run_that_failed_is_asked_again(spec, store, twin_run):
    calls, answers, _ = twin_run
    answers[0] = made.twin("not run", detail="killed")
    for _ in range(2):
        ahead.twin_of(spec, store, spec.envs[0], made.segments(), jobs=1)
    assert len(calls) == 2


def test_minibatch_is_handed_on_where_mine_does_not_tap_its_rows(spec, store, twin_run):
    found = made.segments(made.segment("rows", "unobserved"))
    ahead.twin_of(spec, store, spec.envs[0], found, jobs=1)
    assert twin_run[0][0].handed_on == ("batch",)


def test_value_of_another_convention_is_handed_on(spec, store, twin_run):
    found = made.segments(made.segment("loss", "convention"))
    ahead.twin_of(spec, store, spec.envs[0], found, jobs=1)
    assert twin_run[0][0].handed_on == ("loss",)


def test_twin_run_needs_every_draw_of_mine(spec, store, twin_run):
    found = made.segments(made.segment("action", "unobserved"), made.segment("q_net", "unobserved"))
    row = ahead.twin_of(spec, store, spec.envs[0], found, jobs=1)
    assert row == TwinRow(ENV, 0, "not run", detail="needs the taps q_net, action")
    assert twin_run[0] == []


def test_nothing_replayed_means_no_twin_run(spec, store):
    assert ahead.twin_of(spec, store, spec.envs[0], SegmentsResult(), jobs=1) is None


def begun(outcome=Outcome.DONE):
    return PreflightResult((PreflightRun("mine", ENV, 0, outcome),), 0.5)


@pytest.mark.parametrize(("outcome", "n"), [(Outcome.DONE, 1), (Outcome.HUNG, 2)])
def test_preflight_is_kept_when_every_run_was_seen(spec, store, monkeypatch, outcome, n):
    calls = counted(monkeypatch, ahead, "preflight", begun(outcome))
    for _ in range(2):
        ahead.preflight_of(spec, store, jobs=1)
    assert len(calls) == n
    runs = calls[0][0][0]
    assert [(role, run.seed) for role, run in runs] == [
        ("mine", 0),
        ("reference", 0),
        ("reference", 1),
    ]


def test_stored_answers_are_given_back_and_absent_ones_are_empty():
    questions = ahead.asked_before({})
    assert questions.preflight() == PreflightResult()
    assert questions.segments() == SegmentsResult()
    assert questions.twin(made.spec().envs[0], SegmentsResult()) is None
