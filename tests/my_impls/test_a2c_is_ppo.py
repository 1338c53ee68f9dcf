"""A2C is the case of PPO with one epoch of one minibatch (Huang et al. 2022, arXiv 2205.09123).

Then pi_theta is pi_theta_old when the gradient is taken: r = 1 and its gradient is that of
log pi, so the clipped surrogate has A2C's gradient whatever the clip range. Equal are all draws
and, up to the rounding of sums in another order, the weights after training.
"""

import numpy as np
import pytest
import torch

from harness.probes.registry import register
from harness.side import Call
from my_impls import a2c, ppo
from tests.my_impls.handing_on import record

register()

# What both have; the optimiser is Adam with eps 1e-5.
SHARED = {
    "learning_rate": "lin_0.004",
    "n_steps": 8,
    "gamma": 0.93,
    "gae_lambda": 0.8,
    "ent_coef": 0.017,
    "vf_coef": 0.37,
    "max_grad_norm": 0.41,
    "normalize_advantage": False,
    "net_arch": {"pi": [24, 16], "vf": [20]},
}
ENVS = [("probes/Exposing-v0", 3), ("probes/ExposingBox-v0", 2), ("CartPole-v1", 1)]
TOTAL = 240  # env steps, 10 to 30 updates
# Measured after 10 to 30 updates: weights are at most 1.2e-7 apart, of size 1; any other case of
# PPO is 1e-2 away. Adam may turn the rounding of a small gradient into more, hence the distance.
TOLERANCE = 2e-6


def trained(side, algo, env_id, n_envs, **hyperparameters):
    call = Call(algo, env_id, 5, TOTAL, n_envs, {**SHARED, **hyperparameters})
    tape = record(side, call)
    return tape, [p.detach() for p in tape.modules[0].parameters()]


def as_a2c(env_id, n_envs, **changes):
    special = {"n_epochs": 1, "batch_size": SHARED["n_steps"] * n_envs, "clip_range": 0.13}
    return trained(ppo.side, "ppo", env_id, n_envs, **{**special, **changes})


@pytest.mark.parametrize(("env_id", "n_envs"), ENVS)
def test_ppo_with_one_epoch_of_one_minibatch_ends_in_the_weights_of_a2c(env_id, n_envs):
    known, theirs = as_a2c(env_id, n_envs)
    tape, ours = trained(a2c.side, "a2c", env_id, n_envs, use_rms_prop=False)
    assert np.allclose(tape.env_actions, known.env_actions, atol=1e-4)
    assert len(tape.of("loss")) == len(known.of("loss")) == TOTAL // (8 * n_envs)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=TOLERANCE)


def test_clip_range_changes_no_bit_of_the_special_case():
    _, narrow = as_a2c("probes/Exposing-v0", 3, clip_range=0.01)
    _, wide = as_a2c("probes/Exposing-v0", 3, clip_range=0.9)
    assert all(torch.equal(a, b) for a, b in zip(narrow, wide, strict=True))


@pytest.mark.parametrize("change", [{"n_epochs": 2}, {"batch_size": 12}, {"gae_lambda": 0.9}])
def test_any_other_case_ends_in_other_weights(change):
    _, ours = trained(a2c.side, "a2c", "probes/Exposing-v0", 3, use_rms_prop=False)
    _, theirs = as_a2c("probes/Exposing-v0", 3, **change)
    off = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
    assert off > 1000 * TOLERANCE
