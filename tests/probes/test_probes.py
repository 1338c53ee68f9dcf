import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from harness.probes import exposing
from harness.probes.listed import PROBES, probe_of
from harness.probes.registry import register

GAMMA = 0.5
N_ENVS = 4
BY_ID = pytest.mark.parametrize("probe", PROBES, ids=[probe.env_id for probe in PROBES])


@pytest.fixture(autouse=True)
def _registered():
    register()


def episodes(env_id, n=60):
    """Return per episode the states, actions, rewards and whether it was cut off."""
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    found = []
    for k in range(n):
        obs, _ = env.reset(seed=k if k < N_ENVS else None)
        states, actions, rewards, is_over = [], [], [], False
        while not is_over:
            states.append(obs.copy())
            action = env.action_space.sample()
            actions.append(tuple(np.asarray(action, float).ravel()))
            obs, reward, terminated, truncated, _ = env.step(action)
            rewards.append(reward)
            is_over = terminated or truncated
        found.append((states, actions, rewards, truncated))
    return found


def state_of(probe, obs):
    """Return the state that an observation shows: its first elements."""
    return tuple(float(x) for x in obs.ravel()[: len(probe.states[0])])


UNSHARED = [probe.env_id for probe in PROBES if probe.number != 10]


@pytest.mark.parametrize("env_id", [*UNSHARED, *exposing.VARIANTS])
def test_env_checker_on_a_probe_finds_nothing(env_id):
    # PR10 shares its arrays on purpose, which the checker forbids.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|recommend)")  # on purpose
        check_env(gymnasium.make(env_id).unwrapped, skip_render_check=True)
    assert gymnasium.spec(env_id).max_episode_steps is not None


@BY_ID
def test_action_value_of_a_probe_is_the_discounted_reward_to_go(probe):
    for states, actions, rewards, is_cut in episodes(probe.env_id):
        assert is_cut is probe.is_endless
        tail = rewards[-1] / (1 - GAMMA) if is_cut else 0.0
        for i, (obs, action) in enumerate(zip(states, actions, strict=True)):
            rest = rewards[i:]
            to_go = sum(GAMMA**j * r for j, r in enumerate(rest)) + GAMMA ** len(rest) * tail
            found = probe.action_value(state_of(probe, obs), action, GAMMA)
            assert found == pytest.approx(to_go, abs=1e-6)


@BY_ID
def test_optimal_value_of_a_probe_is_the_largest_action_value(probe):
    space = gymnasium.make(probe.env_id).action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        actions = [(0.0,), (1.0,)]
    else:
        sides = [np.linspace(lo, hi, 31) for lo, hi in zip(space.low, space.high, strict=True)]
        actions = list(zip(*(grid.ravel() for grid in np.meshgrid(*sides)), strict=True))
    for state in probe.states:
        values = [probe.action_value(state, action, GAMMA) for action in actions]
        assert max(values) <= probe.optimal_value(state, GAMMA) + 1e-9
        assert max(values) == pytest.approx(probe.optimal_value(state, GAMMA), abs=0.01)


@BY_ID
def test_states_and_returns_of_a_probe_are_those_that_occur(probe):
    played = episodes(probe.env_id, n=400)
    seen = {state_of(probe, obs) for states, *_ in played for obs in states}
    answer = probe.answer(GAMMA, n_envs=N_ENVS)
    assert seen <= set(probe.states)
    if probe.n_envs == 1:  # else each sub-environment has states of its own
        assert seen == set(probe.states)
        returns = [sum(rewards) for _, _, rewards, _ in played]
        error = np.std(returns) / np.sqrt(len(returns))
        assert np.mean(returns) == pytest.approx(answer.random_return, abs=4 * error + 1e-9)


def test_each_sub_environment_shows_the_index_of_its_seed():
    envs = gymnasium.make_vec("probes/SubEnvironment-v0", num_envs=4)
    obs, _ = envs.reset(seed=8)
    assert obs.ravel().tolist() == [0.0, 1.0, 2.0, 3.0]
    obs, rewards, *_ = envs.step(np.zeros(4, int))
    assert rewards.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert probe_of("probes/SubEnvironment-v0").answer(GAMMA, n_envs=1) is None


def test_shared_array_is_one_object_that_changes():
    env = gymnasium.make("probes/SharedArray-v0").unwrapped
    first, _ = env.reset(seed=0)
    assert first.tolist() == [0.0]
    assert env.step(0)[0] is first
    assert first.tolist() == [1.0]


def test_probes_are_the_thirteen_numbers_and_name_what_they_isolate():
    assert {probe.number for probe in PROBES} == set(range(1, 14))
    by_type = {kind: {p.number for p in PROBES if p.action_type == kind} for kind in
               ("discrete", "continuous")}  # fmt: skip
    assert by_type["continuous"] == set(range(1, 14))
    assert by_type["discrete"] == set(range(1, 14)) - {8}
    assert all(probe.isolates and probe.component for probe in PROBES)


def test_each_probe_has_its_closed_form_in_the_docstring():
    for probe in PROBES:
        assert "Closed form" in (gymnasium.make(probe.env_id).unwrapped.__doc__ or "")


def test_register_twice_changes_nothing():
    before = [gymnasium.registry[probe.env_id] for probe in PROBES]
    register()
    assert [gymnasium.registry[probe.env_id] for probe in PROBES] == before


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
