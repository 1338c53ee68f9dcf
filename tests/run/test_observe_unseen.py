import multiprocessing
import os
import subprocess
import sys

import gymnasium
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from tests.run.observing import CARTPOLE, MemoryWriter, a_run, cartpole, drive, watch


def reason_of(work, **kwargs):
    return watch(work, **kwargs)[0].unobserved_reason()


def test_run_that_makes_no_environment_says_expected_and_seen():
    reason = reason_of(lambda: None)
    assert "expected 100 env steps of CartPole-v1, saw 0 (mine.py:side, seed 3)" in reason
    assert "gymnasium.make" in reason
    assert "call.make_env()" in reason


def test_environment_constructed_directly_is_named():
    kept = []

    def work():
        kept.append(CartPoleEnv())
        drive(kept[0], 100)

    reason = reason_of(work)
    assert "saw 0" in reason
    assert "constructed directly" in reason
    assert "CartPoleEnv" in reason


def test_environments_in_other_processes_are_the_reason():
    def work():
        process = multiprocessing.get_context("fork").Process(target=os.getpid, name="Worker-9")
        process.start()
        process.join()

    reason = reason_of(work)
    assert "1 process(es) (Worker-9)" in reason
    assert "SubprocVecEnv: use DummyVecEnv" in reason


def test_other_interpreter_is_the_reason():
    reason = reason_of(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    assert "where environments cannot be seen" in reason


def test_wrong_environment_is_named():
    reason = reason_of(lambda: drive(gymnasium.make("MountainCar-v0"), 100))
    assert "it stepped 1 others (MountainCar-v0; n_envs = 1)" in reason


def test_more_environments_than_n_envs_are_the_reason():
    def work():
        for _ in range(4):
            drive(cartpole(), 25)

    reason = reason_of(work)
    assert "3 environments of this id beyond n_envs (CartPole-v1; n_envs = 1)" in reason


@pytest.mark.parametrize(("n_steps", "is_seen"), [(99, True), (50, True), (49, False)])
def test_few_steps_short_is_a_fact_and_most_steps_short_is_unobserved(n_steps, is_seen):
    observation, _ = watch(lambda: drive(cartpole(), n_steps))
    assert (observation.unobserved_reason() is None) == is_seen
    assert observation.facts()["env_steps"] == n_steps


def test_error_of_the_watching_never_reaches_the_watched_code():
    from harness.run.observe import Observation

    class FullDisk(MemoryWriter):
        def progress(self, *_):
            message = "no space left"
            raise OSError(message)

    with Observation(a_run(), FullDisk()) as observation:
        drive(cartpole(), 100)
    assert "environment step: OSError: no space left" in observation.unobserved_reason()


def test_error_of_the_side_passes_through_and_everything_is_restored():
    make = gymnasium.make

    def work():
        message = "the side's own"
        raise ValueError(message)

    with pytest.raises(ValueError, match="the side's own"):
        watch(work)
    assert gymnasium.make is make


def test_forked_child_writes_nothing_into_the_parents_trace():
    def work():
        env = cartpole()
        drive(env, 60)
        pid = os.fork()
        if pid == 0:
            drive(env, 40)
            os._exit(0 if gymnasium.make(CARTPOLE).__class__.__name__ == "TimeLimit" else 1)
        assert os.waitpid(pid, 0)[1] == 0

    observation, writer = watch(work)
    assert observation.facts()["env_steps"] == 60 == writer.steps[-1][0]
