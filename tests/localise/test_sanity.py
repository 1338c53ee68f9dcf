"""Each sanity check is shown to hold on a right trace and to fail on a planted fault."""

import numpy as np
import pytest

from harness.localise import Subject, check_sanity
from harness.localise.sanity import CHECKS
from harness.records import Episodes, Series, Trace


def make_trace(*, metrics=None, facts=None, lengths=(10, 20)):
    n = len(lengths)
    episodes = Episodes(
        end_env_step=np.cumsum(lengths).astype(np.int64),
        returns=np.ones(n),
        lengths=np.asarray(lengths, dtype=np.int64),
        terminated=np.ones(n, dtype=bool),
        truncated=np.zeros(n, dtype=bool),
        env_index=np.zeros(n, dtype=np.int64),
    )
    series = {
        name: Series(np.arange(1, len(values) + 1) * 10, np.asarray(values, dtype=float))
        for name, values in (metrics or {}).items()
    }
    return Trace(episodes, series, facts or {}, {})


def failed(trace, *, hyperparameters=None, tier="easy", total_timesteps=100):
    subject = Subject(trace, hyperparameters or {}, tier, total_timesteps)
    rows = check_sanity([subject], role="mine", env_id="Toy-v0")
    return {row.check: row.detail for row in rows if not row.passed}


GOOD = {
    "metrics": {
        "update_norm": [0.1, 0.1],
        "learning_rate": [1e-3, 1e-3],
        "grad_norm": [0.5, 10.0],
        "epsilon.mean": [1.0, 0.05],
        "entropy.mean": [0.69, 0.1],
        "td_target.max": [5.0, 9.0],
        "td_target.min": [-1.0, 0.0],
    },
    "facts": {
        "first_non_finite": None,
        "env_steps": 100,
        "time_limit": 20,
        "n_discrete_actions": 2,
        "reward_abs_max": 1.0,
    },
}
SETTINGS = {"max_grad_norm": 10.0, "gamma": 0.9}


def planted(*, metrics=None, facts=None):
    return {
        "metrics": {**GOOD["metrics"], **(metrics or {})},
        "facts": {**GOOD["facts"], **(facts or {})},
    }


def test_right_trace_passes_every_check():
    subject = Subject(make_trace(**GOOD), SETTINGS, "probe", 100)
    rows = check_sanity([subject], role="mine", env_id="Toy-v0")
    assert {row.check for row in rows} == {check.name for check in CHECKS}
    assert all(row.passed for row in rows)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (planted(facts={"first_non_finite": "loss, update 11"}), "first non-finite value: loss"),
        (planted(facts={"env_steps": 90}), "90 env steps made, 100 asked for"),
        (planted(facts={"time_limit": 15}), "an episode of 20 env steps, time limit 15"),
        (planted(metrics={"update_norm": [0.0, 0.0]}), "no update changed any parameter"),
        (planted(metrics={"learning_rate": [1e-3, -1e-5]}), "learning rate -1e-05 at env step 20"),
        (planted(metrics={"grad_norm": [0.5, 10.1]}), "max_grad_norm=10.0: 10.1 at env step 20"),
        (planted(metrics={"epsilon.mean": [1.2, 0.05]}), "epsilon 1.2 at env step 10"),
        (planted(metrics={"entropy.mean": [0.8, 0.1]}), "entropy outside [0, log 2]: 0.8"),
        (planted(metrics={"td_target.max": [5.0, 40.0]}), "max|r|/(1-gamma)=10: 40"),
    ],
)
def test_planted_fault_fails_exactly_one_check(fault, words):
    details = failed(make_trace(**fault), hyperparameters=SETTINGS, tier="probe")
    assert len(details) == 1
    assert words in next(iter(details.values()))


def test_rounding_in_gradient_clipping_is_no_fault():
    trace = make_trace(metrics={"grad_norm": [10.0 * (1 + 1e-6)]})
    assert failed(trace, hyperparameters=SETTINGS) == {}


def test_check_that_does_not_apply_is_not_listed():
    rows = check_sanity([Subject(make_trace(), {}, "easy", 10)], role="mine", env_id="Toy-v0")
    assert "epsilon lies in [0, 1]" not in {row.check for row in rows}


def test_one_failing_run_of_two_is_counted():
    good, bad = make_trace(facts={"env_steps": 100}), make_trace(facts={"env_steps": 50})
    subjects = [Subject(trace, {}, "easy", 100) for trace in (good, bad)]
    (row,) = [
        row
        for row in check_sanity(subjects, role="reference", env_id="Toy-v0")
        if row.check == "all env steps asked for were made"
    ]
    assert not row.passed
    assert row.detail.endswith("(1 of 2 runs)")


def test_one_whole_round_more_than_asked_for_is_a_convention_and_two_are_not():
    facts = {"env_steps": 108, "longest_wait": [16]}
    assert failed(make_trace(facts=facts)) == {}
    assert len(failed(make_trace(facts={**facts, "env_steps": 140}))) == 1


def test_unclipped_gradient_above_the_limit_between_measured_updates_is_seen():
    metrics, facts = {"grad_norm": [0.5, 0.5]}, {"unclipped_norm_max": [37.0]}
    details = failed(make_trace(metrics=metrics, facts=facts), hyperparameters=SETTINGS)
    assert "a gradient of norm 37 reached the optimiser" in next(iter(details.values()))


def test_bound_of_targets_does_not_apply_where_no_target_was_seen():
    bare = make_trace(facts=GOOD["facts"])
    assert not any(
        "targets" in name for name in failed(bare, hyperparameters=SETTINGS, tier="probe")
    )
