import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from harness import probes
from harness.probes import PROBES, exposing

GAMMA = 0.9
IDS = [probe.env_id for probe in PROBES]


@pytest.fixture(autouse=True)
def _registered():
    probes.register()


def episodes(env_id, n=200):
    """Return (state, action, reward-to-go with GAMMA) of every step of n random episodes."""
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    steps = []
    for k in range(n):
        obs, _ = env.reset(seed=0 if k == 0 else None)
        rewards, taken, is_over = [], [], False
        while not is_over:
            action = env.action_space.sample()
            taken.append((float(obs[0]), float(np.asarray(action).item())))
            obs, reward, terminated, truncated, _ = env.step(action)
            assert not truncated
            rewards.append(reward)
            is_over = terminated
        to_go = [sum(GAMMA**j * r for j, r in enumerate(rewards[i:])) for i in range(len(rewards))]
        steps += [(*pair, value) for pair, value in zip(taken, to_go, strict=True)]
    return steps


@pytest.mark.parametrize("env_id", [*IDS, *exposing.VARIANTS])
def test_env_checker_on_a_probe_finds_nothing(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|recommend)")  # on purpose
        check_env(gymnasium.make(env_id).unwrapped, skip_render_check=True)
    assert gymnasium.spec(env_id).max_episode_steps is not None


@pytest.mark.parametrize("probe", PROBES, ids=IDS)
def test_action_value_of_a_probe_is_the_discounted_reward_to_go(probe):
    for state, action, to_go in episodes(probe.env_id):
        assert probe.action_value(state, action, GAMMA) == pytest.approx(to_go)


@pytest.mark.parametrize("probe", PROBES, ids=IDS)
def test_optimal_value_of_a_probe_is_the_largest_action_value(probe):
    actions = [0, 1] if probe.action_type == "discrete" else np.linspace(-1, 1, 5)
    for state in probe.states:
        best = max(probe.action_value(state, a, GAMMA) for a in actions)
        assert probe.optimal_value(state, GAMMA) == pytest.approx(best)


@pytest.mark.parametrize("probe", PROBES, ids=IDS)
def test_states_of_a_probe_are_the_observations_that_occur(probe):
    assert {state for state, _, _ in episodes(probe.env_id)} == set(probe.states)


def test_probes_are_the_first_five_numbers_and_name_what_they_isolate():
    assert {probe.number for probe in PROBES} == {1, 2, 3, 4, 5}
    assert all(probe.isolates for probe in PROBES)


def test_each_probe_has_its_closed_form_in_the_docstring():
    for probe in PROBES:
        assert "Closed form" in (gymnasium.make(probe.env_id).unwrapped.__doc__ or "")


def test_register_twice_changes_nothing():
    before = [gymnasium.registry[env_id] for env_id in IDS]
    probes.register()
    assert [gymnasium.registry[env_id] for env_id in IDS] == before


def walk(env_id, action=None, n=400):
    """Return (observations, rewards, terminations, truncations) of n env steps."""
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    env.reset(seed=0)
    steps = []
    for _ in range(n):
        chosen = env.action_space.sample() if action is None else action
        obs, reward, terminated, truncated, _ = env.step(np.asarray(chosen))
        steps.append((obs, reward, terminated, truncated))
        if terminated or truncated:
            env.reset()
    return tuple(map(np.array, zip(*steps, strict=True)))


@pytest.mark.parametrize("env_id", exposing.VARIANTS)
def test_exposing_variant_ends_in_both_ways_and_has_outliers_and_rewards_of_both_signs(env_id):
    _, rewards, terminated, truncated = walk(env_id)
    assert min(terminated.sum(), truncated.sum()) >= 8
    usual = rewards[rewards > -exposing.OUTLIER / 2]
    assert len(rewards) - len(usual) == len(rewards) // exposing.OUTLIER_EVERY
    assert 0.2 < np.mean(usual > 0) < 0.8


def test_exposing_box_depends_on_both_dimensions_of_the_action():
    obs, rewards, *_ = walk("probes/ExposingBox-v0", (0.2, -0.3), n=1)
    for action in ((0.3, -0.3), (0.2, -0.4)):
        other_obs, other_rewards, *_ = walk("probes/ExposingBox-v0", action, n=1)
        assert np.all(other_obs != obs)
        assert other_rewards != rewards


def test_exposing_shaped_observes_two_points_that_differ():
    obs, *_ = walk("probes/ExposingShaped-v0")
    assert obs.shape == (400, 2, 3)
    assert np.all(obs[:, 0] != obs[:, 1])
