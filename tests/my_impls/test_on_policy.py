"""What holds for both on-policy implementations of the project alike."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from my_impls import a2c, ppo
from tests.baselines import test_sb3_a2c, test_sb3_ppo
from tests.my_impls.handing_on import record

CALLS = {a2c: test_sb3_a2c.a_call, ppo: test_sb3_ppo.a_call}
BOTH = pytest.mark.parametrize("algorithm", CALLS, ids=lambda module: module.__name__)


@BOTH
def test_environment_gets_the_clipped_action_and_the_rollout_the_sampled_one(algorithm):
    tape = record(algorithm.side, CALLS[algorithm]("probes/ExposingBox-v0"))
    sampled = np.concatenate(tape.of_field("transition", "action"))
    space = gymnasium.make("probes/ExposingBox-v0").action_space
    assert not all(space.contains(action) for action in sampled)
    assert np.array_equal(tape.env_actions, np.clip(sampled, space.low, space.high))


@BOTH
def test_initial_weights_are_orthogonal_with_their_gains(algorithm):
    theta = algorithm.ActorCritic(gymnasium.make("Pendulum-v1"), algorithm.Hyperparameters())
    gains = [2**0.5, 2**0.5, 0.01, 2**0.5, 2**0.5, 1]
    layers = [m for m in theta.modules() if isinstance(m, torch.nn.Linear)]
    for layer, gain in zip(layers, gains, strict=True):
        assert torch.linalg.svdvals(layer.weight).tolist() == pytest.approx(
            [gain] * min(layer.weight.shape), rel=1e-4
        )
        assert not layer.bias.any()
    assert theta.log_std.tolist() == [0]


@BOTH
def test_schedules_by_hand(algorithm):
    assert algorithm.scheduled("lin_4", progress=0.25) == 3.0
    assert algorithm.scheduled("lin_4", progress=1.5) == -2.0
    assert algorithm.scheduled(0.2, progress=0.9) == 0.2


@BOTH
def test_file_stays_one_readable_file(algorithm):
    # 300 is the aim; running normalisation took both over it.
    assert 150 <= len(Path(algorithm.__file__).read_text().splitlines()) <= 370
