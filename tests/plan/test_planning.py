from dataclasses import replace

import pytest

from harness.plan.estimate import measured_speed, run_time_s, total_time_s
from harness.plan.plan import plan_run, runs_of_look
from harness.plan.reason import reason_not_cached
from harness.records import Outcome, RunRecord
from tests.plan.plan_toys import side_of, spec_of


@pytest.fixture
def spec(tmp_path):
    sides = []
    for name in ("mine", "reference"):
        file = tmp_path / f"{name}.py"
        file.write_text(f"NAME = {name!r}\ndef side(call): pass\n")
        sides.append(side_of(file, name))
    return spec_of(*sides, env_ids=("CartPole-v1", "Acrobot-v1"))


def _record(run, **changes):
    return RunRecord(run, Outcome.DONE, **changes)


def test_runs_of_look_go_env_by_env_seed_by_seed_mine_first(spec):
    order = [(p.run.env_id, p.run.seed, p.role) for p in runs_of_look(spec, 2)]
    assert order == [
        (env_id, seed, role)
        for env_id in ("CartPole-v1", "Acrobot-v1")
        for seed in (0, 1)
        for role in ("mine", "reference")
    ]


def test_runs_of_look_are_what_plan_run_gives_and_have_different_keys(spec):
    runs = [planned.run for planned in runs_of_look(spec, 3)]
    assert runs[0] == plan_run(spec, spec.envs[0], role="mine", seed=0)
    assert len({run.key for run in runs}) == len(runs) == 12


def test_plan_run_takes_taps_and_device_from_the_spec(spec):
    run = plan_run(spec, spec.envs[0], role="reference", seed=1)
    assert (run.taps, run.device, run.side.name) == ({"q_values": "update"}, "cpu", "reference")


def test_measured_speed_is_the_median_of_stored_runs_else_the_table(spec):
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    records = [
        _record(run, env_steps=1000, wall_time_s=seconds) for seconds in (1.0, 2.0, 4.0, 0.0)
    ]
    speed = measured_speed(records, lambda *_: 50.0)
    assert speed("dqn", "CartPole-v1") == 500.0
    assert speed("dqn", "Acrobot-v1") == 50.0
    assert run_time_s(run, speed) == 2.0


@pytest.mark.parametrize(("jobs", "expected"), [(1, 10.0), (2, 7.0), (4, 4.0), (9, 4.0)])
def test_total_time_of_runs_side_by_side(jobs, expected):
    assert total_time_s([3.0, 2.0, 1.0, 4.0], jobs=jobs) == expected


def test_total_time_of_nothing_is_zero():
    assert total_time_s([], jobs=2) == 0.0


def test_reason_not_cached_without_similar_runs_says_so(spec):
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    other = plan_run(spec, spec.envs[1], role="mine", seed=0)
    assert reason_not_cached(run, [other]) == "never run here"


def test_reason_not_cached_names_whatreplace(spec):
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    side = replace(run.side, source_digest="old")
    cases = {
        "source changed": replace(run, side=side),
        "hyperparameter gamma: 0.9 -> 0.99": replace(
            run, hyperparameters={**run.hyperparameters, "gamma": 0.9}
        ),
        "new seed": replace(run, seed=5),
        "total_timesteps: 10 -> 1000": replace(run, total_timesteps=10),
    }
    assert [reason_not_cached(run, [stored]) for stored in cases.values()] == list(cases)


def test_reason_not_cached_compares_with_the_most_similar_run(spec):
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    far = replace(run, seed=5, device="cuda", total_timesteps=1)
    near = replace(run, fingerprint={**run.fingerprint, "torch": "0.1"})
    torch = run.fingerprint["torch"]
    assert reason_not_cached(run, [far, near]) == f"changed torch: 0.1 -> {torch}"


def test_reason_not_cached_for_an_equal_run_says_that_it_is_not_usable(spec):
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    assert reason_not_cached(run, [run]) == "stored run is not usable"
