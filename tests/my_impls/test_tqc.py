import gymnasium
import numpy as np
import pytest
import torch

from harness.side import Call, UnsupportedHyperparameter
from my_impls.qrdqn import quantile_huber_loss as loss_of_qrdqn
from my_impls.tqc import TQC, Hyperparameters, hyperparameters_of, quantile_huber_loss


def an_agent(env_id="Pendulum-v1", **changes):
    h = Hyperparameters(net_arch=(4,), **changes)
    return TQC([gymnasium.make(env_id)], h, Call("tqc", env_id, 0, 1, 1, {}))


def test_loss_is_qrdqns_of_every_critic_but_for_its_mean_over_atoms():
    rng = torch.Generator().manual_seed(0)
    theta, y = torch.randn(6, 3, 5, generator=rng), 2 * torch.randn(6, 8, generator=rng)
    each = [loss_of_qrdqn(theta[:, n], y).item() / 5 for n in range(3)]
    assert quantile_huber_loss(theta, y).item() == pytest.approx(np.mean(each))


def test_critics_share_no_weights_and_targets_start_as_copies_without_shared_memory():
    agent = an_agent(n_critics=3)
    first = [network[0].weight for network in agent.psi.Z]
    assert not torch.equal(first[0], first[1])
    assert agent.psi(torch.zeros(2, 3), torch.zeros(2, 1)).shape == (2, 3, 25)
    for theta, theta_hat in zip(agent.psi.parameters(), agent.psi_hat.parameters(), strict=True):
        assert torch.equal(theta, theta_hat)
        assert theta.data_ptr() != theta_hat.data_ptr()


@pytest.mark.parametrize(("ent_coef", "alpha"), [("auto", 1.0), ("auto_0.3", 0.3), (0.2, 0.2)])
def test_temperature_starts_where_its_hyperparameter_says(ent_coef, alpha):
    agent = an_agent(ent_coef=ent_coef)
    is_learnt = isinstance(ent_coef, str)
    assert ("alpha" in agent.optimisers) == is_learnt
    first = agent.log_alpha.exp() if is_learnt else agent.alpha
    assert first.item() == pytest.approx(alpha)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_freq": [1, "episode"]}, "counts env steps only"),
        ({"ent_coef": "0.1"}, "expected a number, 'auto' or 'auto_X'"),
    ],
)
def test_what_this_file_cannot_express_is_refused(changes, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(Call("tqc", "Pendulum-v1", 0, 1, 1, changes))


def test_actions_outside_a_bounded_box_are_refused():
    with pytest.raises(
        TypeError, match="needs a Box action space with finite bounds, saw Discrete"
    ):
        an_agent("CartPole-v1")
