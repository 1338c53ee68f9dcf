"""Running scales of observations and rewards: SB3's wrapper where it is asked for, and mine."""

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecNormalize

from baselines.sb3.normalisation import environments
from harness.probes.registry import register
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from harness.spec.cards.card import idle
from my_impls import a2c, ppo

register()


def a_call(env_id="probes/Exposing-v0", *, algo="ppo", n_envs=2, **hyperparameters):
    defaults = {**card(algo).defaults, "n_steps": 4, **hyperparameters}
    return Call(algo, env_id, 3, 16, n_envs, defaults, idle=idle(algo, defaults))


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_without_normalisation_there_is_no_wrapper_and_its_settings_are_idle(algo):
    call = a_call(algo=algo, clip_obs=3.0)
    assert not isinstance(environments(call), VecNormalize)
    names = ("norm_obs", "norm_reward", "clip_obs", "clip_reward", "norm_epsilon")
    assert call.idle == names


@pytest.mark.parametrize(
    ("on", "idle_names"),
    [
        ({"norm_obs": True}, ("norm_reward", "clip_reward")),
        ({"norm_reward": True}, ("norm_obs", "clip_obs")),
        ({"norm_obs": True, "norm_reward": True}, ()),
    ],
)
def test_settings_of_what_is_on_are_not_idle(on, idle_names):
    assert a_call(**on).idle == idle_names


def test_wrapper_has_the_hyperparameters_of_the_call_and_the_discount_of_the_algorithm():
    env = environments(
        a_call(norm_reward=True, clip_obs=3.0, clip_reward=2.0, norm_epsilon=0.1, gamma=0.8)
    )
    assert isinstance(env, VecNormalize)
    assert (env.norm_obs, env.norm_reward) == (False, True)
    assert (env.clip_obs, env.clip_reward, env.epsilon, env.gamma) == (3.0, 2.0, 0.1, 0.8)


def test_observations_that_are_no_numbers_are_refused_by_the_reference():
    with pytest.raises(UnsupportedHyperparameter, match=r"norm_obs=True.*Discrete"):
        environments(a_call("FrozenLake-v1", norm_obs=True))


@pytest.mark.parametrize("side", [a2c.side, ppo.side])
@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "probes/ExposingImage-v0"])
def test_observations_that_are_no_floats_are_refused_by_mine(side, env_id):
    algo = side.__module__.rpartition(".")[2]
    with pytest.raises(UnsupportedHyperparameter, match="expected observations of float numbers"):
        side(a_call(env_id, algo=algo, norm_obs=True))


@pytest.mark.parametrize("module", [a2c, ppo])
def test_moments_of_batches_are_those_of_all_rows_together(module):
    rows = np.random.default_rng(0).normal(3.0, 2.0, (60, 4))
    moments = module.Moments(0.0, np.zeros(4), np.ones(4))
    for batch in np.split(rows, [1, 7, 30]):
        moments = moments.and_of(batch)
    assert moments.n == 60
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0))
    np.testing.assert_allclose(moments.var, rows.var(axis=0))


def test_nothing_seen_counts_as_a_ten_thousandth_of_a_row():
    scales = ppo.Normaliser([a_call().make_env()], ppo.Hyperparameters(norm_obs=True))
    assert scales.of_obs.n == 1e-4
    scales.observed(np.full((2, 3), 5.0, np.float32))
    np.testing.assert_allclose(scales.of_obs.mean, 5.0 * 2 / 2.0001)
