from dataclasses import replace

from harness.judgement import MetricTest, Onset
from harness.report import summary
from tests.report import samples


def metric(name, p, *, hit=False, low=None):
    onset = None if low is None else Onset(low, low + 1, 0.95)
    return MetricTest(name, "trace", "", "", "", p, hit, onset=onset)


def test_by_evidence_puts_significant_then_small_p_then_early_then_uncomputable():
    tests = [metric("none", None), metric("b", 0.2), metric("nan", float("nan")), metric("a", 0.1)]
    tests += [metric("late", 0.01, hit=True, low=9), metric("early", 0.01, hit=True, low=2)]
    order = [test.metric for test in summary.by_evidence(tests)]
    assert order == ["early", "late", "a", "b", "nan", "none"]


def test_strongest_without_any_computed_p_is_none():
    env = replace(samples.env(), metrics=(metric("x", None),))
    assert summary.strongest(env) is None


def test_fact_groups_of_the_same_difference_on_two_envs_are_one_and_deciding_ones_first():
    groups = summary.fact_groups(samples.diverged_by_fact(("A-v0", "B-v0")).facts)
    assert [group.name for group in groups] == ["optimiser_constants", "episodes"]
    assert groups[0].env_ids == ("A-v0", "B-v0")


def test_failed_runs_of_equal_failures_are_one_group_with_the_last_stderr_line():
    groups = summary.failed_runs(samples.invalid().runs)
    assert [group.seeds for group in groups] == [(0, 1, 2), (3,)]
    assert groups[0].last_line == "ValueError: expected 4 observations, got 2"
    assert groups[1].last_line == ""


def test_failed_runs_of_finished_and_ended_runs_are_none():
    runs = [replace(run, outcome="ended") for run in samples.runs()]
    assert summary.failed_runs([*runs, *samples.runs()]) == ()


def test_missing_evidence_names_endpoint_margin_and_seeds():
    lines = summary.missing_evidence(samples.inconclusive())
    assert lines[1] == (
        "CartPole-v1, final performance: a difference inside ±35 reward is not shown; "
        "expect 12 seeds per side to show it (now 3 and 3)"
    )


def test_missing_evidence_without_a_seed_count_advises_margin_or_length():
    envs = (samples.env(endpoints=samples.endpoints(is_equivalent=False)),)
    lines = summary.missing_evidence(replace(samples.inconclusive(), envs=envs))
    assert "wider --margin or longer runs" in lines[0]


def test_costs_of_envs_with_equal_answers_is_one_line():
    lines = summary.costs(samples.inconclusive(("A-v0", "B-v0")).envs)
    assert len(lines) == 1
    assert lines[0].startswith("A-v0, B-v0: about 12 seeds per side would show")


def test_command_of_hostile_values_is_quoted_for_the_shell():
    made = summary.command(
        {"algo": "dqn", "mine": "a b;rm -rf x", "keep_going": True, "json": None}
    )
    assert made == "compare --algo dqn --mine 'a b;rm -rf x' --keep-going"


def test_command_of_set_list_repeats_the_option():
    assert summary.command({"set": ["gamma=0.9", "tau=1"]}) == "compare --set gamma=0.9 --set tau=1"
