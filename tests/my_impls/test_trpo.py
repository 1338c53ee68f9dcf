from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from harness.side import Call
from my_impls.trpo import TRPO, Hyperparameters, conjugate_gradients, side

SMALL = {"n_steps": 16, "batch_size": 8, "net_arch": [4], "n_critic_updates": 1}


def an_agent(env_id="Pendulum-v1", **changes):
    h = replace(Hyperparameters(net_arch=(4,), n_steps=32), **changes)
    return TRPO([gymnasium.make(env_id)], h, Call("trpo", env_id, 0, 1, 1, {}))


def test_conjugate_gradients_solve_a_system_in_as_many_steps_as_it_has_unknowns():
    rng = torch.Generator().manual_seed(0)
    root = torch.randn(5, 5, generator=rng, dtype=torch.float64)
    matrix = root @ root.T + torch.eye(5, dtype=torch.float64)
    g = torch.randn(5, generator=rng, dtype=torch.float64)
    x = conjugate_gradients(lambda v: matrix @ v, g, n_steps=5)
    assert torch.allclose(x, torch.linalg.solve(matrix, g), atol=1e-6)


def test_conjugate_gradients_start_near_0_at_random():
    x = conjugate_gradients(lambda v: v, torch.zeros(4), n_steps=0)
    assert 0 < x.abs().max() < 1e-3


def test_fisher_product_is_the_covariance_of_the_score_where_the_outputs_are_discrete():
    agent = an_agent("CartPole-v1", cg_damping=0.1)
    obs = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        old = agent.net.policy(obs)
    pi = agent.net.policy(obs)
    times = agent.fisher(torch.distributions.kl_divergence(pi, old).mean())
    scores = [[agent.flat_gradient(log_prob, keep=True) for log_prob in row] for row in pi.logits]
    x = torch.randn(len(scores[0][0]), generator=torch.Generator().manual_seed(2))
    expected = sum(
        old.probs[i, a] * (scores[i][a] @ x) * scores[i][a] for i in range(6) for a in range(2)
    )
    assert torch.allclose(times(x), expected / 6 + 0.1 * x, atol=1e-5)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_policy_step_keeps_the_divergence_below_its_limit_and_leaves_v_alone(env_id):
    agent = an_agent(env_id, target_kl=0.02)
    rollout = agent.collect()
    obs = torch.as_tensor(rollout.obs[:, 0])
    with torch.no_grad():
        before = agent.net.policy(obs)
    v = [p.clone() for p in agent.net.v.parameters()]
    agent.improve_policy(rollout)
    with torch.no_grad():
        kl = torch.distributions.kl_divergence(agent.net.policy(obs), before).mean().item()
    assert 0.001 < kl < 0.02
    assert all(torch.equal(p, q) for p, q in zip(agent.net.v.parameters(), v, strict=True))


def test_policy_when_every_candidate_is_refused_is_what_it_was_bit_by_bit():
    agent = an_agent(target_kl=1e6, line_search_max_iter=1)
    rollout = agent.collect()
    before = [p.detach().clone() for p in agent.net.theta]
    rollout.old_log_prob -= 200  # the ratio overflows: no candidate has a larger objective
    agent.improve_policy(rollout)
    assert all(torch.equal(p, q) for p, q in zip(agent.net.theta, before, strict=True))


def test_value_fit_leaves_the_policy_alone():
    agent = an_agent()
    rollout = agent.collect()
    theta = [p.detach().clone() for p in agent.net.theta]
    agent.improve_value(rollout, progress=0.5)
    assert all(torch.equal(p, q) for p, q in zip(agent.net.theta, theta, strict=True))


def test_rows_of_an_epoch_are_all_of_the_rollout_once():
    agent = an_agent()
    rollout = agent.collect()
    step, env = rollout.shuffled(np.random.default_rng(0)).values()
    assert sorted(step) == list(range(32))
    assert set(env) == {0}
    assert list(step) != sorted(step)


def test_several_choices_per_action_are_refused():
    gymnasium.register("trpo/Choices-v0", lambda: _Choices(), max_episode_steps=5)
    try:
        with pytest.raises(TypeError, match="takes one choice per action, saw MultiDiscrete"):
            side(Call("trpo", "trpo/Choices-v0", 0, 16, 1, SMALL))
    finally:
        del gymnasium.registry["trpo/Choices-v0"]


class _Choices(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.MultiDiscrete([2, 3])
