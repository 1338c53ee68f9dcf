"""The pre-flight as a process: what becomes of sides that fail, hang, or never train."""

import resource
import time
from dataclasses import replace

import pytest

from harness.plan.identity import identify
from harness.plan.plan import plan_run
from harness.preflight import PreflightResult, PreflightRun
from harness.records import Outcome
from harness.run.observe.beginning import FIRST_UPDATES, OTHER_UPDATES
from harness.run.preflight import preflight, preflight_key
from harness.run.preflight_child import begin, begin_all, further
from harness.spec.request import Request
from harness.spec.resolve import resolve
from tests.run.beginnings import SB3, a_run, facts_of, planted, written

TRAINING = """
import torch

def side(call):
    torch.manual_seed(call.seed)
    env = call.make_env()
    env.reset(seed=call.seed)
    weight = torch.nn.Parameter(torch.ones(2, 2))
    other = torch.nn.Parameter(torch.ones(1))
    first, second = (torch.optim.Adam([p]) for p in (weight, other))
    for t in range(call.total_timesteps):
        if any(env.step(0)[2:4]):
            env.reset()
        {body}
"""
UPDATE = "(weight.square().sum() + other).backward(); first.step()"


def a_side(folder, body):
    return written(folder, TRAINING.replace("{body}", body))


def begun(side, **options):
    return begin(a_run("dqn", side), **options)


def test_run_ends_when_every_optimiser_has_made_its_updates(tmp_path):
    log = tmp_path / "log"
    late = f"{UPDATE}; t % 3 or second.step(); import os; os.mkdir({str(log)!r} + str(t))"
    answer = begun(a_side(tmp_path, late))
    assert answer["outcome"] == "done"
    assert answer["facts"]["first_update_env_step"] == [1, 1]
    assert len([*tmp_path.glob("log*")]) == FIRST_UPDATES
    assert OTHER_UPDATES <= FIRST_UPDATES // 3 + 1


def test_round_of_updates_without_end_is_cut_and_its_number_left_out(tmp_path):
    endless = f"while True: {UPDATE}"
    answer = begun(a_side(tmp_path, endless))
    assert answer["outcome"] == "done"
    assert "first_round_updates" not in answer["facts"]


def test_side_that_never_updates_is_given_up_and_shows_its_environment(tmp_path):
    wait = "import time; time.sleep(0.02)"
    started = time.monotonic()
    answer = begun(a_side(tmp_path, wait), patience_s=0.2)
    assert time.monotonic() - started < 3
    assert answer["outcome"] == "done"
    assert answer["facts"]["env_id"] == "CartPole-v1"
    assert "optimiser_class" not in answer["facts"] or answer["facts"]["optimiser_class"] == []


def test_side_that_catches_everything_is_ended_all_the_same(tmp_path):
    answer = begun(a_side(tmp_path, f"try: {UPDATE}\n        except: pass"))
    assert answer["outcome"] == "done"


def test_short_run_that_ends_by_itself_is_described(tmp_path):
    run = replace(a_run("dqn", a_side(tmp_path, UPDATE)), total_timesteps=4)
    assert facts_of(run)["first_update_env_step"] == [1]


def test_side_that_stops_early_by_itself_is_unobserved(tmp_path):
    answer = begun(a_side(tmp_path, "return"))
    assert answer["outcome"] == "unobserved"
    assert "the side stopped early" in answer["message"]


def test_error_of_the_watching_is_told_and_not_raised(tmp_path, monkeypatch):
    def broken(*_):
        message = "new torch"
        raise ValueError(message)

    monkeypatch.setattr("harness.run.observe.beginning.read_networks", broken)
    answer = begun(a_side(tmp_path, UPDATE))
    assert answer["outcome"] == "unobserved"
    assert answer["message"] == "first update: ValueError: new torch"


@pytest.mark.slow
def test_pre_flight_of_dqn_on_cartpole_costs_at_most_five_seconds_of_two_cores():
    spec = resolve(Request("dqn", ("CartPole-v1",)), identify=identify)
    runs = [
        (role, plan_run(spec, spec.envs[0], role=role, seed=seed))
        for role, seed in (("mine", 0), ("reference", 0), ("reference", 1))
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = preflight(runs, jobs=2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert {run.outcome for run in result.runs} == {Outcome.DONE}
    # Processor time (measured: 4.5 s, 2.9 s by the clock on two idle cores), whatever else runs.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= 2 * 5


def test_side_on_another_environment_is_unobserved_and_it_is_named(tmp_path):
    change = ("call.make_env()", 'gym.make("Acrobot-v1")')
    answer = begun(planted("dqn", tmp_path, change))
    assert answer["outcome"] == "unobserved"
    assert "expected 330 env steps of CartPole-v1, saw 0" in answer["message"]
    assert "others (Acrobot-v1; n_envs = 1)" in answer["message"]


def test_failing_side_is_a_crash_with_its_line(tmp_path):
    answer = begun(a_side(tmp_path, 'raise ValueError("odd shape")'))
    assert answer["outcome"] == "crashed"
    assert answer["message"].startswith("ValueError: odd shape at mine.py:14 in side")


def test_side_that_does_not_exist_is_a_crash_in_words(tmp_path):
    side = replace(a_side(tmp_path, UPDATE), callable="sid")
    assert "side" in begun(side)["message"]


def test_refused_hyperparameter_is_unsupported(tmp_path):
    answer = begin(a_run("dqn", planted("dqn", tmp_path), optimize_memory_usage=True))
    assert answer["outcome"] == "unsupported"
    assert answer["message"].startswith("optimize_memory_usage=True cannot be expressed")


def test_reference_wants_what_it_knows():
    answer = begin(a_run("ppo", SB3["ppo"], no_such=1))
    assert answer["outcome"] == "unsupported"


def test_forks_end_as_they_end(tmp_path):
    bodies = {
        "exited": 'import os, sys; os.write(2, b"last words"); sys.exit(3)',
        "left": "import os; os._exit(4)",
        "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "hung": "import time; time.sleep(60)",
        "done": UPDATE,
    }
    sides = {}
    for name, body in bodies.items():
        (tmp_path / name).mkdir()
        sides[name] = a_side(tmp_path / name, body)
    runs = [("mine", a_run("dqn", side)) for side in sides.values()]
    found = begin_all(runs, tmp_path / "forks", jobs=5, time_limit_s=4)
    answers = dict(zip(bodies, found, strict=True))
    assert [answer["outcome"] for answer in answers.values()] == [
        "exited", "exited", "killed", "hung", "done",
    ]  # fmt: skip
    assert answers["exited"]["stderr_tail"] == ["last words"]
    assert answers["exited"]["message"] == "called sys.exit(3) before its first updates were made"
    assert answers["left"]["message"] == "ended with exit code 4 before its first update"
    assert answers["killed"]["message"] == "was ended by SIGKILL"
    assert answers["hung"]["message"] == "made no first update and did not end within 4 s"
    assert answers["done"]["seconds"] > 0


def planned(folder, body=UPDATE):
    side = a_side(folder, body)
    roles = (("mine", 0), ("reference", 0), ("reference", 1))
    return [(role, a_run("dqn", side, seed=seed)) for role, seed in roles]


def test_pre_flight_begins_every_run_in_one_process_of_its_own(tmp_path):
    result = preflight(planned(tmp_path), jobs=2)
    assert [(run.role, run.seed, run.outcome) for run in result.runs] == [
        ("mine", 0, Outcome.DONE), ("reference", 0, Outcome.DONE), ("reference", 1, Outcome.DONE),
    ]  # fmt: skip
    assert result.facts_of("mine", "CartPole-v1")[0]["optimiser_class"] == ["Adam"]
    assert [*result.facts_of("reference", "CartPole-v1")] == [0, 1]
    assert result.seconds > 0


def test_child_without_an_answer_is_the_crash_of_every_run(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.run.preflight.BOOT", "raise SystemExit('no child')")
    result = preflight(planned(tmp_path), jobs=1)
    assert {run.outcome for run in result.runs} == {Outcome.CRASHED}
    expected = "the pre-flight's process ended with exit code 1: no child"
    assert {run.message for run in result.runs} == {expected}


def test_child_that_does_not_end_is_the_crash_of_every_run(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.run.preflight.BOOT", "import time; time.sleep(60)")
    monkeypatch.setattr("harness.run.preflight.IMPORTS_S", 0.2)
    result = preflight(planned(tmp_path), jobs=1, time_limit_s=0.1)
    assert {run.message for run in result.runs} == {"the pre-flight did not end within 0 s"}


def test_fact_that_may_vary_is_asked_of_further_seeds_of_the_reference(tmp_path):
    runs = planned(tmp_path)
    asked = further(runs, _answers(runs, [[5], [9], [9]]))
    assert [role for role, _ in asked] == ["reference"] * 3
    assert len({run.seed for _, run in asked} | {0, 1}) == 5
    assert further(runs, _answers(runs, [[9], [9], [9]])) == []
    assert further(runs, _answers(runs, [[5], [9], [8]])) == []


def _answers(runs, values):
    return [
        {"role": role, "env_id": run.env_id, "seed": run.seed, "outcome": "done",
         "facts": {"first_update_env_step": value}}
        for (role, run), value in zip(runs, values, strict=True)
    ]  # fmt: skip


def test_differing_schedule_is_seen_with_five_seeds_of_the_reference(tmp_path):
    late = tmp_path / "late"
    late.mkdir()
    mine = a_run("dqn", a_side(late, f"if t > 3: {UPDATE}"))
    result = preflight([("mine", mine), *planned(tmp_path)[1:]], jobs=2)
    assert len(result.facts_of("reference", "CartPole-v1")) == 5
    assert {run.outcome for run in result.runs} == {Outcome.DONE}


def test_key_depends_on_runs_and_roles(tmp_path):
    runs = planned(tmp_path)
    assert preflight_key(runs) == preflight_key(runs)
    assert preflight_key(runs) != preflight_key(runs[:2])
    swapped = [("reference", runs[0][1]), *runs[1:]]
    assert preflight_key(runs) != preflight_key(swapped)


@pytest.mark.parametrize("facts", [{}, {"env_id": "CartPole-v1"}])
def test_failed_runs_have_no_facts(facts, tmp_path):
    run = PreflightRun("mine", "CartPole-v1", 0, Outcome.CRASHED, facts=facts)
    assert PreflightResult((run,)).facts_of("mine", "CartPole-v1") == {}
