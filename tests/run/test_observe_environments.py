import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from harness.run.observe.wrappers import ObservedEnv
from tests.run.observing import CARTPOLE, cartpole, drive, watch

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


def drive_vector(envs, n_calls, *, seed=5):
    """Push right in every environment; return the real env steps made."""
    mode = envs.metadata["autoreset_mode"]
    envs.reset(seed=seed)
    resets_next = np.zeros(envs.num_envs, dtype=bool)
    n_steps = 0
    for _ in range(n_calls):
        _, _, terminated, truncated, _ = envs.step(np.ones(envs.num_envs, dtype=np.int64))
        n_steps += int((~resets_next).sum())
        done = terminated | truncated
        resets_next = done if mode == AutoresetMode.NEXT_STEP else np.zeros_like(done)
        if mode == AutoresetMode.DISABLED and done.any():
            envs.reset(options={"reset_mask": done})
    envs.close()
    return n_steps


def expected_episodes(n_envs, n_steps, seed=5):
    """Return the lengths of the episodes of each environment when driven alone."""
    lengths = []
    for i in range(n_envs):
        env = gymnasium.make(CARTPOLE)
        env.reset(seed=seed + i)
        length, done = 0, []
        for _ in range(n_steps):
            _, _, terminated, truncated, _ = env.step(1)
            length += 1
            if terminated or truncated:
                done.append(length)
                length = 0
                env.reset()
        lengths.append(done)
    return lengths


def test_gym_make_when_stepped_is_counted_with_returns_and_lengths():
    found = {}

    def work():
        found["returns"] = drive(cartpole(), 100, seed=7)

    observation, writer = watch(work)
    assert [row["episode_return"] for row in writer.episodes] == found["returns"]
    assert [row["length"] for row in writer.episodes] == found["returns"]  # CartPole pays 1
    assert all(row["terminated"] and not row["truncated"] for row in writer.episodes)
    ends = [row["end_env_step"] for row in writer.episodes]
    assert ends == list(np.cumsum(found["returns"]).astype(int))
    assert writer.steps[-1] == (100, 0)
    assert observation.unobserved_reason() is None


def test_truncation_when_the_time_limit_strikes_is_kept_apart_from_termination():
    observation, writer = watch(
        lambda: drive(gymnasium.make("Pendulum-v1"), 400, action=np.array([0.0])),
        env_id="Pendulum-v1",
    )
    flags = [(row["terminated"], row["truncated"], row["length"]) for row in writer.episodes]
    assert flags == [(False, True, 200)] * 2
    assert observation.facts()["time_limit"] == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_vector_env_in_every_autoreset_mode_counts_real_steps_and_whole_episodes(kind, mode):
    made = {}

    def work():
        made["steps"] = drive_vector(kind([cartpole] * 2, autoreset_mode=mode), 40)

    observation, writer = watch(work, total_timesteps=80, n_envs=2)
    facts = observation.facts()
    assert facts["env_steps"] == made["steps"] == writer.steps[-1][0]
    assert facts["env_steps"] + facts["silent_resets"] == 80
    assert (facts["silent_resets"] > 0) == (mode == AutoresetMode.NEXT_STEP)
    assert facts["autoreset_mode"] == mode.value
    expected = expected_episodes(2, 40)
    for i in range(2):
        lengths = [row["length"] for row in writer.episodes if row["env_index"] == i]
        assert lengths == expected[i][: len(lengths)]
        assert len(lengths) >= len(expected[i]) - 1
    assert facts["reset_seeds"] == [5, 6]
    assert facts["seeded_resets"] == [1, 1]
    assert observation.unobserved_reason() is None


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point"])
def test_make_vec_in_every_mode_is_seen_once(mode):
    made = {}

    def work():
        envs = gymnasium.make_vec(CARTPOLE, num_envs=2, vectorization_mode=mode)
        made["steps"] = drive_vector(envs, 30)

    observation, _ = watch(work, total_timesteps=60, n_envs=2)
    assert observation.facts()["env_steps"] == made["steps"]
    assert observation.facts()["n_training_envs"] == 2
    assert observation.facts()["env_id"] == CARTPOLE
    assert observation.facts()["auxiliary_envs"] == 0


def test_sync_vector_env_of_directly_constructed_environments_is_seen():
    observation, _ = watch(
        lambda: drive_vector(SyncVectorEnv([CartPoleEnv] * 2), 30), total_timesteps=60, n_envs=2
    )
    facts = observation.facts()
    assert facts["env_steps"] + facts["silent_resets"] == 60
    assert facts["env_id"].startswith("CartPole-v")


def test_sb3_dummy_vec_env_is_seen_through_its_environments():
    def work():
        envs = DummyVecEnv([cartpole, cartpole])
        envs.seed(11)
        envs.reset()
        for _ in range(30):
            envs.step(np.array([1, 1]))

    observation, writer = watch(work, total_timesteps=60, n_envs=2)
    assert observation.facts()["env_steps"] == 60
    assert observation.facts()["reset_seeds"] == [11, 12]
    assert {row["env_index"] for row in writer.episodes} == {0, 1}


def test_further_environment_when_n_envs_are_training_is_auxiliary():
    def work():
        env, evaluation = cartpole(), cartpole()
        drive(env, 60)
        drive(evaluation, 50)
        drive(env, 40)

    observation, writer = watch(work)
    facts = observation.facts()
    assert (facts["env_steps"], facts["n_training_envs"], facts["auxiliary_envs"]) == (100, 1, 1)
    assert sum(row["length"] for row in writer.episodes) <= 100
    assert writer.steps[-1] == (100, 0)


def test_environment_of_another_id_is_auxiliary():
    def work():
        drive(gymnasium.make("MountainCar-v0"), 20)
        drive(cartpole(), 100)

    observation, _ = watch(work)
    assert observation.facts()["env_id"] == CARTPOLE
    assert observation.facts()["auxiliary_envs"] == 1


def test_rewards_are_the_environments_own_when_the_user_scales_them():
    def work():
        scaled = gymnasium.wrappers.TransformReward(cartpole(), lambda reward: 100 * reward)
        drive(scaled, 100)

    _, writer = watch(work)
    assert all(row["episode_return"] == row["length"] for row in writer.episodes)


def test_reset_seeds_when_every_reset_is_seeded_are_counted():
    def work():
        env = cartpole()
        for seed in (4, 5, 6):
            env.reset(seed=seed)
            env.step(0)

    observation, _ = watch(work, total_timesteps=3)
    facts = observation.facts()
    assert (facts["seeded_resets"], facts["reset_seeds"]) == ([3], [4])
    assert facts["unfinished_episodes"] == 2


def test_actions_and_rewards_every_twentieth_step_make_one_point_per_hundred():
    def work():
        env = cartpole()
        env.reset(seed=0)
        for step in range(1, 201):
            _, _, terminated, _, _ = env.step(1 if step % 40 == 1 else 0)
            if terminated:
                env.reset()

    _, writer = watch(work, total_timesteps=200)
    # Sampled are steps 1, 21 ... 81, then 101 ... 181: action 1 at 1, 41, 81, 121, 161.
    assert writer.series("action.mean") == [(81, 0.6), (181, 0.4)]
    spread = dict(writer.series("action.std"))
    assert spread == pytest.approx({81: 0.24**0.5, 181: 0.24**0.5})
    assert writer.series("reward.mean") == [(81, 1.0), (181, 1.0)]


def test_env_spec_of_an_observed_environment_makes_an_environment_wrapped_once():
    layers = {}

    def work():
        env = gymnasium.make(cartpole().spec)
        layers["n"] = str(env).count("ObservedEnv")
        drive(env, 100)

    observation, _ = watch(work)
    assert layers["n"] == 1
    assert observation.facts()["env_steps"] == 100
    assert observation.facts()["wrapper_stack"][0] == "TimeLimit"


def test_environment_whose_creator_calls_make_is_counted_once():
    gymnasium.register(id="Nested-v0", entry_point=lambda: gymnasium.make(CARTPOLE))
    try:
        observation, _ = watch(lambda: drive(gymnasium.make("Nested-v0"), 50), total_timesteps=50,
                               env_id="Nested-v0")  # fmt: skip
    finally:
        del gymnasium.registry["Nested-v0"]
    assert observation.facts()["env_steps"] == 50
    assert observation.facts()["auxiliary_envs"] == 0


def test_observed_environment_is_transparent_to_attributes_copies_and_pickles():
    def work():
        env = cartpole()
        env._max_episode_steps = 7
        assert isinstance(env, gymnasium.wrappers.TimeLimit)
        assert env.get_wrapper_attr("_max_episode_steps") == 7
        copied = copy.deepcopy(env)
        assert isinstance(copied, ObservedEnv)
        assert not isinstance(pickle.loads(pickle.dumps(env)), ObservedEnv)
        drive(env, 60)
        drive(copied, 30)

    observation, writer = watch(work, total_timesteps=60)
    assert observation.facts()["env_steps"] == 60
    assert max(row["length"] for row in writer.episodes) == 7


@pytest.mark.parametrize("peeled", [lambda env: env.env, lambda env: env.unwrapped])
def test_environment_without_its_time_limit_is_seen_as_such(peeled):
    def work():
        env = peeled(gymnasium.make(CARTPOLE, max_episode_steps=5))
        assert not isinstance(env, gymnasium.wrappers.TimeLimit)
        drive(env, 60)

    observation, writer = watch(work, total_timesteps=60)
    assert observation.facts()["env_steps"] == 60
    assert observation.facts()["time_limit"] is None
    assert max(row["length"] for row in writer.episodes) > 5


def test_patches_when_the_context_ends_are_all_undone():
    def replaced():
        layers = (type(cartpole().unwrapped), gymnasium.wrappers.TimeLimit, gymnasium.Wrapper)
        of_layers = [vars(cls).get(name) for cls in layers for name in ("step", "reset")]
        vectors = (AsyncVectorEnv.step_wait, SyncVectorEnv.step)
        return [gymnasium.make, gymnasium.make_vec, *vectors, *of_layers]

    before = replaced()
    watch(lambda: drive(cartpole(), 100))
    after = replaced()
    assert before == after
    assert not isinstance(cartpole(), ObservedEnv)


def test_name_imported_before_the_context_is_watched_too(monkeypatch):
    from tests.run import observing

    monkeypatch.setattr(observing, "make", gymnasium.make, raising=False)
    observation, _ = watch(lambda: drive(observing.make(CARTPOLE), 100))
    assert observation.facts()["env_steps"] == 100
