"""Networks are read off the graph of a loss, whatever they are written with."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.run.observe.graph import read_networks

X = torch.linspace(-1, 1, 15).reshape(5, 3)
FIRST, SECOND, LAST = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
WEIGHTS = [p for layer in (FIRST, SECOND, LAST) for p in layer.parameters()]


def read(value, weights=None):
    return read_networks([value.sum()], WEIGHTS if weights is None else weights)


def mlp(activation):
    return LAST(activation(SECOND(activation(FIRST(X)))))


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.ReLU(), "relu"),
        (nn.ReLU(inplace=True), "relu"),
        (torch.relu, "relu"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: torch.clamp_min(x, 0), "relu"),
        (nn.Tanh(), "tanh"),
        (torch.tanh, "tanh"),
        (F.silu, "silu"),
        (F.gelu, "gelu"),
        (nn.ELU(), "elu"),
        (nn.SELU(), "elu(scale 1.0507)"),
        (nn.LeakyReLU(), "leaky_relu"),
        (nn.LeakyReLU(0.2), "leaky_relu(negative_slope 0.2)"),
        (lambda x: F.relu(F.layer_norm(x, (4,))), "layer_norm+relu"),
        (lambda x: x, ""),
        (lambda x: x.T.clone().T.unsqueeze(0).squeeze(0).relu(), "relu"),
    ],
)
def test_activation_is_named_however_it_is_called(activation, name):
    network = read(mlp(activation))
    assert network.activations == {0: {name}, 1: {name}}
    assert network.rows == {5}
    assert network.is_reached


@pytest.mark.parametrize(
    "activation",
    [
        lambda x: x * torch.sigmoid(x),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: x.clamp(min=0.1),
        lambda x: x.clamp(0, 6),
        lambda x: x + torch.relu(x),
        lambda x: torch.maximum(x, torch.zeros(1)),
    ],
)
def test_activation_written_out_by_hand_is_not_read(activation):
    network = read(mlp(activation))
    assert network.activations is None
    assert network.is_reached


def test_flat_weight_vector_is_read_as_layers():
    theta = torch.zeros(3 * 4 + 4 + 4 * 2 + 2, requires_grad=True)
    w, b, v, c = theta.split([12, 4, 8, 2])
    out = (X @ w.reshape(4, 3).T + b).relu() @ v.reshape(2, 4).T + c
    assert read(out, [theta]).activations == {0: {"relu"}}


def test_two_networks_in_one_einsum_are_read_as_layers():
    w, v = torch.zeros(2, 3, 4, requires_grad=True), torch.zeros(2, 4, 1, requires_grad=True)
    hidden = torch.einsum("bi,nio->nbo", X, w).tanh()
    out = torch.einsum("nbo,nok->nbk", hidden, v)
    assert read(out, [w, v]).activations == {0: {"tanh"}}


def test_rows_looked_up_in_a_weight_are_a_layer():
    w, b = torch.zeros(7, 4, requires_grad=True), torch.zeros(4, requires_grad=True)
    table = nn.Embedding(7, 4)
    state = torch.tensor([1, 5, 2])
    for hidden, weights in ((w[state] + b, [w, b]), (table(state) + b, [table.weight, b])):
        network = read(LAST(hidden.relu()), [*weights, *LAST.parameters()])
        assert network.activations == {0: {"relu"}}


def test_weight_that_is_made_of_others_is_not_read():
    mu, sigma = torch.ones(4, 3, requires_grad=True), torch.ones(4, 3, requires_grad=True)
    out = LAST((X @ (mu + sigma * 0.1).T).relu())
    assert read(out, [mu, sigma, *LAST.parameters()]).activations is None


def test_row_of_numbers_beside_the_layers_is_no_matrix():
    log_std = torch.zeros(1, 2, requires_grad=True)
    out = LAST(FIRST(X).relu()) * log_std.exp()
    assert read(out, [*WEIGHTS, log_std]).activations == {0: {"relu"}}


def test_convolutions_are_layers():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 5))
    assert read(net(torch.ones(2, 1, 5, 5)), [*net.parameters()]).activations == {0: {"relu"}}


def test_two_heads_of_one_layer_stand_at_one_depth():
    hidden = torch.relu(FIRST(X))
    network = read(torch.cat([SECOND(hidden), LAST(hidden)], dim=1))
    assert network.activations == {0: {"relu"}}


def test_layers_of_others_are_the_input():
    other = nn.Linear(3, 3)
    network = read(LAST(torch.relu(SECOND(FIRST(torch.tanh(other(X)))))))
    assert network.activations == {0: {""}, 1: {"relu"}}


def test_what_follows_the_last_layer_is_no_activation():
    assert read(torch.tanh(LAST(torch.relu(FIRST(X))))).activations == {0: {"relu"}}


def test_loss_of_other_weights_is_not_reached():
    network = read(nn.Linear(3, 2)(X))
    assert not network.is_reached
    assert network.activations == {}


def test_graph_without_end_counts_as_not_read():
    value = FIRST(X)
    for _ in range(14):  # every doubling has two paths: 2 ** 14 of them
        value = torch.stack([value, value]).select(0, 0)
    assert read(SECOND(value)).activations is None
