import gymnasium
import pytest
import torch

from harness.side import Call, UnsupportedHyperparameter
from my_impls.qrdqn import (
    QRDQN,
    Hyperparameters,
    Quantiles,
    hyperparameters_of,
    of_actions,
    quantile_huber_loss,
)


def test_quantile_huber_loss_by_hand():
    # Two estimates at tau_hat 1/4 and 3/4, two targets; u = [[1, 3], [-2, 0]].
    theta, targets = torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0, 3.0]])
    # Estimate 0: 1/4 * (1/2, 5/2); estimate 1: |3/4 - 1| * 3/2 and 3/4 * 0.
    by_hand = (0.25 * 0.5 + 0.25 * 2.5) / 2 + (0.25 * 1.5 + 0.0) / 2
    assert quantile_huber_loss(theta, targets).item() == pytest.approx(by_hand)


def test_minimum_of_the_loss_is_at_the_quantiles_of_the_targets():
    # Targets far apart, so that Huber's bend matters little: the quantiles at 1/6, 1/2 and 5/6.
    targets = torch.arange(0.0, 300.0, 1.0)[None]
    theta = torch.tensor([[0.0, 0.0, 0.0]], requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=1.0)
    for _ in range(1500):
        optimiser.zero_grad()
        quantile_huber_loss(theta, targets).backward()
        optimiser.step()
    assert theta[0].tolist() == pytest.approx([50, 150, 250], abs=2)


def test_quantiles_of_an_action_are_those_of_its_column():
    h = Hyperparameters(n_quantiles=3, net_arch=())
    network = Quantiles(2, h, 4)
    outputs = network.layers(torch.ones(1, 2))
    assert torch.equal(of_actions(network(torch.ones(1, 2)), torch.tensor([2])), outputs[:, 2::4])


def test_target_starts_as_a_copy_that_shares_no_memory():
    env = gymnasium.make("CartPole-v1")
    agent = QRDQN(env, Hyperparameters(net_arch=(4,)), Call("qrdqn", "CartPole-v1", 0, 1, 1, {}))
    pairs = zip(agent.theta.parameters(), agent.theta_target.parameters(), strict=True)
    for parameter, target in pairs:
        assert torch.equal(parameter, target)
        assert parameter.data_ptr() != target.data_ptr()


def test_observations_of_a_discrete_space_are_one_hot():
    env = gymnasium.make("FrozenLake-v1")
    agent = QRDQN(env, Hyperparameters(net_arch=(4,)), Call("qrdqn", "FrozenLake-v1", 0, 1, 1, {}))
    assert agent.phi(torch.tensor([3])).tolist() == [[0.0] * 3 + [1.0] + [0.0] * 12]


@pytest.mark.parametrize(
    ("changes", "n_envs", "message"),
    [
        ({"train_freq": [1, "episode"]}, 1, "counts env steps only"),
        ({}, 2, "steps one environment"),
    ],
)
def test_what_this_file_cannot_express_is_refused(changes, n_envs, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(Call("qrdqn", "CartPole-v1", 0, 1, n_envs, changes))


def test_continuous_actions_are_refused():
    env = gymnasium.make("Pendulum-v1")
    with pytest.raises(TypeError, match="QR-DQN needs a Discrete action space, saw Box"):
        QRDQN(env, Hyperparameters(), Call("qrdqn", "Pendulum-v1", 0, 1, 1, {}))
