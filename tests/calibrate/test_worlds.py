"""Comparisons made of pool runs: who is compared with whom, and what a shift does."""

import numpy as np

from benchmarks.synthetic import run_spec, synthetic_trace
from harness.calibrate import alarms, power
from harness.calibrate.ledger import Ledger, Task
from harness.calibrate.pool import PoolRun
from harness.calibrate.rates import rate
from harness.calibrate.worlds import drawn, endpoints, gathered, judged, shifted, split
from harness.records import Outcome, RunRecord
from tests.judge.evidence import spec as spec_of


def pool_of(spec, n):
    (env,) = spec.envs
    rng = np.random.default_rng(0)
    runs = []
    for seed in range(n):
        run = run_spec(spec, env, role="reference", seed=seed)
        trace = synthetic_trace(run, n_metrics=0, rng=rng)
        runs.append(PoolRun(RunRecord(run, Outcome.DONE, env_steps=run.total_timesteps), trace))
    return runs


def test_split_gives_disjoint_runs_and_drawn_may_repeat():
    rng = np.random.default_rng(0)
    mine, reference = split(rng, 20, 8)
    assert len({*mine, *reference}) == 16
    mine, reference = drawn(rng, 3, 8)
    assert {*mine, *reference} <= {0, 1, 2}
    assert len(mine) == len(reference) == 8


def test_shifted_side_is_diverged_and_the_same_side_is_not():
    spec = spec_of(n_seeds=5)
    runs = pool_of(spec, 10)
    (env,) = spec.envs
    places = {env.env_id: ([*range(5)], [*range(5, 10)])}
    same = judged(spec, gathered({env.env_id: runs}, places))[-1]
    assert same.decision.verdict == "inconclusive"
    assert alarms.alarming(same) == set()

    def moved(trace):
        return shifted(trace, lambda steps: np.full(len(steps), 100.0))

    other = judged(spec, gathered({env.env_id: runs}, places, change=moved))[-1]
    assert other.decision.verdict == "diverged"
    assert alarms.alarming(other) == {"curves"}
    assert power._onset(other) is not None


def test_endpoints_move_with_a_shift_of_all_returns():
    spec = spec_of(n_seeds=5)
    runs = pool_of(spec, 6)
    total = spec.envs[0].total_timesteps
    before = endpoints(runs, total)
    moved = [
        PoolRun(run.record, shifted(run.trace, lambda steps: np.full(len(steps), 2.0)))
        for run in runs
    ]
    after = endpoints(moved, total)
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values + 2.0)


def test_rates_of_comparisons_are_counted_per_level_and_group():
    records = [
        {"group": "a", "verdicts": ["diverged", "parity"], "levels": [["facts", "traces"], []]},
        {"group": "b", "verdicts": ["inconclusive"], "levels": [[]]},
    ]
    found = alarms.summary(records)
    assert (found["all"]["events"], found["all"]["trials"]) == (1, 3)
    assert found["levels"]["facts"]["events"] == 1
    assert found["levels"]["curves"]["events"] == 0
    assert found["groups"]["a"]["parity"] == 1


def test_power_counts_verdicts_by_look_and_onsets_that_are_held():
    record = {"cell": "dqn X", "tier": "easy", "effect": 1.0, "begin": 100.0, "looks": [3, 5]}
    record |= {"seeds": [3, 5, 0], "onsets": [[80, 120], [110, 130], None]}
    found = power.summary([record])
    assert found["curves"]["dqn X | 1.0"]["found"] == {"3": 1, "5": 2}
    assert (found["onset"]["events"], found["onset"]["trials"]) == (1, 2)


def test_rate_has_the_exact_interval():
    found = rate(0, 36)  # the "rule of three" gives 8 %, the exact two-sided interval 9.7 %
    assert found.low == 0.0
    np.testing.assert_allclose(found.high, 1 - 0.025 ** (1 / 36))


def test_ledger_asks_once_and_again_when_the_code_is_another(tmp_path):
    asked = []

    def ask(word):
        asked.append(word)
        return {"word": word, "code": "old"}

    tasks = [Task(word, word, ask, (word,)) for word in ("a", "b")]
    how = {"jobs": 1, "say": lambda _line: None}
    ledger = Ledger(tmp_path / "answers.jsonl")
    ledger.fill(ledger.missing(tasks), is_over=lambda: bool(asked), **how)
    assert asked == ["a"]
    again = Ledger(tmp_path / "answers.jsonl")
    again.fill(again.missing(tasks), is_over=lambda: False, **how)
    assert asked == ["a", "b"]
    assert [one["word"] for one in again.answers(tasks)] == ["a", "b"]
    assert again.missing(tasks) == []
    assert len(again.missing(tasks, code="new")) == 2


def test_ledger_when_a_line_was_cut_off_asks_that_one_again(tmp_path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"key": "a", "code": "x"}\n{"key": "b", "co')
    tasks = [Task(word, word, dict) for word in ("a", "b")]
    assert [task.key for task in Ledger(file).missing(tasks)] == ["b"]
