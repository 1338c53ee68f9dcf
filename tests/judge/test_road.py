"""The road on stored evidence: what decides first ends it, and judging again gives the same."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.synthetic import store_comparison
from harness import pipeline
from harness.ahead import asked_before
from harness.codec import to_plain
from harness.judgement import SegmentsResult
from harness.preflight import PreflightResult, PreflightRun
from harness.records import Outcome
from harness.store.store import Store
from tests.judge import evidence as made

FACTS = {"mine": {"n_updates": [10]}, "reference": {"n_updates": [10]}}


def begun(**mine):
    """Mine under one seed, the reference under two, whose facts agree but for what is given."""
    facts = {"optimiser_class": ["Adam"]}
    return PreflightResult(
        (
            PreflightRun("mine", made.ENV, 0, Outcome.DONE, facts=facts | mine),
            PreflightRun("reference", made.ENV, 0, Outcome.DONE, facts=facts),
            PreflightRun("reference", made.ENV, 1, Outcome.DONE, facts=facts),
        ),
        0.5,
    )


def judged(tmp_path, spec=None, **found):
    """Judge a stored comparison whose answers from before the training are these."""
    spec = spec or made.spec()
    rng = np.random.default_rng(7)
    folder = store_comparison(spec, tmp_path, n_metrics=8, rng=rng, facts=FACTS)
    twins = tuple(made.twin(env_id=env.env_id) for env in spec.envs)
    answers = {"preflight": begun(), "segments": made.segments(), "twins": twins, **found}
    document = Store.read_comparison(folder) | to_plain(answers)
    Store(tmp_path).write_comparison(folder, document)
    return pipeline.rejudge(folder)


def test_everything_agreeing_is_numerical_parity_and_judged_again_to_the_byte(tmp_path):
    result = judged(tmp_path)
    assert result.judgement.grounds == "numerical"
    assert {"optimiser_class", "n_updates"} <= {row.name for row in result.judgement.facts}
    before = (result.folder / "report.json").read_bytes()
    pipeline.rejudge(result.folder)
    assert (result.folder / "report.json").read_bytes() == before


def test_numerical_parity_at_the_first_look_ends_the_comparison(tmp_path):
    spec = replace(made.spec(n_seeds=5), looks=(3, 5))
    judgement = judged(tmp_path, spec).judgement
    assert judgement.grounds == "numerical"
    assert len(judgement.looks) == 1
    assert {run.seed for run in judgement.runs} == {0, 1, 2}


STOPS = {
    "fact": {"preflight": begun(optimiser_class=["SGD"])},
    "segment": {"segments": made.segments(made.failed("td_target"))},
    "draw": {"segments": made.segments(draws=[made.draw("action", is_rejected=True)])},
    "twin": {"twins": (made.departed(),)},
}


@pytest.mark.parametrize("level", STOPS)
def test_difference_found_before_the_training_ends_it_there(tmp_path, level):
    judgement = judged(tmp_path, **STOPS[level]).judgement
    assert judgement.verdict == "diverged"
    assert judgement.findings[0].level == level
    assert judgement.runs == ()


@pytest.mark.parametrize("level", STOPS)
def test_keep_going_trains_in_spite_of_it(tmp_path, level):
    spec = replace(made.spec(), keep_going=True)
    judgement = judged(tmp_path, spec, **STOPS[level]).judgement
    assert judgement.verdict == "diverged"
    assert len(judgement.runs) == 6


def test_facts_segments_and_draws_are_one_stage_and_spare_the_twin_runs(tmp_path):
    judgement = judged(tmp_path, **STOPS["fact"], **STOPS["segment"], **STOPS["twin"]).judgement
    assert [one.level for one in judgement.findings] == ["segment", "fact"]
    assert judgement.segments
    assert judgement.twins == ()


def test_side_that_cannot_begin_is_asked_nothing_more(tmp_path):
    broken = PreflightRun("mine", made.ENV, 0, Outcome.CRASHED, message="mine raised: x")
    preflight = PreflightResult((broken, *begun().runs[1:]), 0.5)
    judgement = judged(tmp_path, preflight=preflight).judgement
    assert (judgement.verdict, judgement.segments, judgement.runs) == ("invalid", (), ())


def test_fact_that_differs_is_diverged_although_a_scenario_failed(tmp_path):
    broken = SegmentsResult(reason="scenario 'base': mine raised: x", is_invalid=True)
    judgement = judged(tmp_path, **STOPS["fact"], segments=broken, twins=()).judgement
    assert (judgement.verdict, judgement.findings[0].level) == ("diverged", "fact")
    assert any("mine raised: x" in note for note in judgement.notes)


def test_twin_run_that_departs_on_the_first_environment_spares_the_others(tmp_path):
    spec = made.spec(env_ids=(made.ENV, "Acrobot-v1"))
    twins = (made.departed(), made.twin(env_id="Acrobot-v1"))
    judgement = judged(tmp_path, spec, twins=twins).judgement
    assert [row.env_id for row in judgement.twins] == [made.ENV]


def test_side_that_failed_in_a_scenario_is_invalid_before_anything_trains(tmp_path):
    broken = SegmentsResult(reason="scenario 'base': mine raised: x", is_invalid=True)
    judgement = judged(tmp_path, segments=broken, twins=()).judgement
    assert (judgement.verdict, judgement.runs) == ("invalid", ())
    assert "mine raised: x" in judgement.headline


def test_side_without_taps_reaches_parity_by_statistics_alone(tmp_path):
    from harness.records import Margin

    bare = SegmentsResult(reason="not tested alone: mine has no taps", notes=("taps in mine ...",))
    wide = replace(made.spec(n_seeds=6), margin=Margin(8.0, is_absolute=True))
    judgement = judged(tmp_path, wide, segments=bare, twins=()).judgement
    assert (judgement.verdict, judgement.grounds) == ("parity", "statistical")
    assert "taps in mine ..." in judgement.notes


@pytest.mark.parametrize(
    ("found", "n_begun"), [({}, 0), ({"segments": SegmentsResult(reason="no taps")}, 4)]
)
def test_next_look_is_begun_early_only_where_this_one_may_not_be_the_last(found, n_begun, tmp_path):
    spec = replace(made.spec(n_seeds=5), looks=(3, 5))
    answers = {"preflight": begun(), "segments": made.segments(), "twins": (made.twin(),), **found}
    asked = []

    def fetch(wave, ahead):
        asked.append(ahead)
        yield from ()

    questions = asked_before(to_plain(answers))
    store = Store(tmp_path)
    pipeline._follow(spec, store, questions=questions, fetch=fetch, say=lambda _line: None)
    assert len(asked[0]) == n_begun


def test_waiver_lets_the_road_go_on_past_its_stage(tmp_path):
    spec = made.spec(made.waiver("td_target"))
    judgement = judged(tmp_path, spec, **STOPS["segment"]).judgement
    assert judgement.verdict == "inconclusive"
    assert len(judgement.runs) == 6
    assert [row.status for row in judgement.waivers] == ["applied"]


def test_comparison_stored_without_these_answers_is_still_read(tmp_path):
    folder = store_comparison(
        made.spec(), tmp_path, n_metrics=8, rng=np.random.default_rng(7), facts=FACTS
    )
    document = Store.read_comparison(folder)
    for name in ("preflight", "segments", "twins"):
        del document[name]
    Store(tmp_path).write_comparison(folder, document)
    assert pipeline.rejudge(folder).judgement.verdict == "inconclusive"


def test_fact_found_before_the_training_opens_the_line_that_was_seen_then(tmp_path):
    answer = begun(optimiser_class=["SGD"], sites={"step": "./mine.py:42"})
    first = judged(tmp_path, preflight=answer).judgement.findings[0]
    assert first.quantity == "optimiser_class"
    assert first.mine_place.endswith("mine.py:42")
