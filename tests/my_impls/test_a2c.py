from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.sb2_compat import rmsprop_tf_like

from harness.probes.registry import register
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from my_impls.a2c import (
    Hyperparameters,
    RMSpropTFLike,
    Rollout,
    advantages,
    hyperparameters_of,
    side,
)
from tests.baselines.test_sb3_a2c import (
    EXPOSING,
    OPTIMISERS,
    SIDE,
    TAPS,
    a_call,
    sb3_with_taps,
)
from tests.baselines.test_sb3_dqn import final_weights
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.run.observing import MemoryWriter, a_run

FILE = Path(__file__).parents[2] / "my_impls/a2c.py"
MINE = SideSpec("my_impls/a2c.py:side", str(FILE), None, "side", None, "")
# What may differ between two right implementations with different random streams.
FREE_FACTS = {"episodes", "final_weights_sha256", "reward_abs_max", "sites", "unfinished_episodes"}

register()

# Environment, parallel environments, hyperparameters.
RUNS = [
    ("probes/Exposing-v0", 1, {}),
    ("probes/Exposing-v0", 4, {"ent_coef": 0.01, "gamma": 0.95, **OPTIMISERS["Adam"]}),
    ("probes/ExposingBox-v0", 3, {"normalize_advantage": False, **OPTIMISERS["RMSpropTFLike"]}),
    ("probes/ExposingShaped-v0", 2, {"gae_lambda": 1.0, "normalize_advantage": False}),
    ("Pendulum-v1", 3, {"net_arch": [16, 16], "learning_rate": 0.003}),
    ("FrozenLake-v1", 2, {"ortho_init": False}),
    ("probes/ExposingBox-v0", 3, {"norm_obs": True, "norm_reward": True, "clip_obs": 1.3}),
    ("probes/Exposing-v0", 2, {"norm_reward": True, "clip_reward": 0.4, "norm_epsilon": 0.1}),
    ("probes/Exposing-v0", 1, {"norm_obs": True}),
    ("probes/ExposingMultiDiscrete-v0", 3, {}),
    ("probes/ExposingMultiBinary-v0", 2, OPTIMISERS["RMSpropTFLike"]),
]


@pytest.mark.parametrize(("env_id", "n_envs", "hyperparameters"), RUNS)
def test_under_the_draws_of_sb3_every_tapped_value_is_sb3s(env_id, n_envs, hyperparameters):
    call = a_call(env_id, n_envs, **hyperparameters)
    reference = record(sb3_with_taps(), call)
    mine = replay(side, call, reference=reference, load=load_by_shape)
    assert differences(mine, reference) == []
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_with_only_the_draws_handed_on_the_whole_run_stays_sb3s(optimiser):
    call = a_call("probes/ExposingBox-v0", 3, **OPTIMISERS[optimiser])
    reference = record(sb3_with_taps(), call)
    draws = ("policy", "action", "rows")
    mine = replay(side, call, reference=reference, load=load_by_shape, only=draws)
    assert differences(mine, reference, rtol=1e-3, atol=1e-4) == []
    for ours, theirs in zip(
        sorted(mine.modules[0].parameters(), key=lambda p: (p.shape, p.sum().item())),
        sorted(reference.modules[0].parameters(), key=lambda p: (p.shape, p.sum().item())),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("env_id", "optimiser"), [("CartPole-v1", "RMSpropTFLike"), ("Pendulum-v1", "RMSprop")]
)
def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal(env_id, optimiser):
    found = []
    for spec in (MINE, SIDE):
        run = replace(a_run(240, env_id=env_id, n_envs=2, taps=TAPS), side=spec)
        writer = MemoryWriter()
        with Observation(run, writer) as observation:
            load_side(spec)(a_call(env_id, 2, **OPTIMISERS[optimiser]))
        assert observation.unobserved_reason() is None
        found.append((observation.facts(), {name for _, v in writer.lines for name in v}))
    (mine, my_metrics), (reference, metrics) = found
    free = FREE_FACTS | ({"optimiser_constants"} if optimiser == "RMSpropTFLike" else set())
    assert {name for name in mine if mine[name] != reference[name]} <= free
    assert my_metrics == metrics


def test_watched_and_unwatched_training_end_in_the_same_bits():
    with Observation(replace(a_run(240, taps=TAPS), side=MINE), MemoryWriter()) as observation:
        load_side(MINE)(a_call())
    assert observation.facts()["final_weights_sha256"] == final_weights(lambda: side(a_call()))


def test_rmsprop_of_tensorflow_by_hand_and_as_in_sb3():
    theta = torch.nn.Parameter(torch.tensor([1.0]))
    rule = RMSpropTFLike([theta], eps=0.5)
    for group in rule.param_groups:
        group["lr"] = 0.1
    theta.grad = torch.tensor([2.0])
    rule.step()
    g = 0.99 * 1 + 0.01 * 4
    assert theta.item() == pytest.approx(1 - 0.1 * 2 / (g + 0.5) ** 0.5)
    theirs = torch.nn.Parameter(torch.tensor([1.0]))
    other = rmsprop_tf_like.RMSpropTFLike([theirs], lr=0.1, alpha=0.99, eps=0.5)
    theirs.grad = theta.grad
    other.step()
    for _ in range(3):
        rule.step()
        other.step()
    assert torch.equal(theta, theirs)


def test_advantages_by_hand():
    """Three steps; the second begins an episode, so the first must not see beyond itself."""
    rollout = Rollout(3, 1, gymnasium.make("CartPole-v1"))
    rollout.rewards[:, 0] = 1, 2, 3
    rollout.values[:, 0] = 0.5, 1, 1.5, 2
    rollout.episode_starts[:, 0] = 1, 1, 0, 0
    found = advantages(rollout, gamma=0.5, gae_lambda=0.8)
    last = 3 + 0.5 * 2 - 1.5
    second = 2 + 0.5 * 1.5 - 1 + 0.5 * 0.8 * last
    assert found[:, 0] == pytest.approx([1 - 0.5, second, last])


def test_with_lambda_one_returns_are_the_papers_sums_of_rewards():
    rollout = Rollout(3, 1, gymnasium.make("CartPole-v1"))
    rollout.rewards[:, 0] = 1, 2, 3
    rollout.values[:, 0] = 0.5, -1, 1.5, 2
    found = advantages(rollout, gamma=0.5, gae_lambda=1.0) + rollout.values[:-1]
    R = [1 + 0.5 * (2 + 0.5 * (3 + 0.5 * 2)), 2 + 0.5 * (3 + 0.5 * 2), 3 + 0.5 * 2]
    assert found[:, 0] == pytest.approx(R)


def test_reward_of_a_truncated_step_holds_the_value_of_its_last_observation():
    hyperparameters = a_call("Pendulum-v1", n_steps=210).hyperparameters  # its time limit is 200
    tape = record(side, Call("a2c", "Pendulum-v1", 0, 210, 1, hyperparameters))
    bare = gymnasium.make("Pendulum-v1")
    bare.reset(seed=0)
    rewards = [bare.step(action)[1] for action in tape.env_actions[:200]]
    stored = [step["reward"].item() for step in tape.of("transition")]
    (value,) = (value[""].item() for value in tape.of("terminal_value"))
    assert stored[:199] == pytest.approx(rewards[:199], rel=1e-5)
    assert stored[199] == pytest.approx(rewards[199] + 0.93 * value, rel=1e-5)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"tau": 1}, "tau=1 cannot be expressed"),
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"optimizer_class": "SGD"}, "expected RMSpropTFLike"),
        ({"net_arch": {"qf": [1]}}, "expected a list, or lists of pi and vf"),
    ],
)
def test_what_this_file_cannot_express_is_refused(hyperparameters, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(a_call(**hyperparameters))


def test_defaults_are_those_of_the_card():
    defaults = card("a2c").defaults
    assert hyperparameters_of(Call("a2c", "CartPole-v1", 0, 1, 1, defaults)) == replace(
        Hyperparameters(), net_arch=[64, 64]
    )
    assert set(EXPOSING) <= set(defaults)


@pytest.mark.parametrize(
    ("name", "words"),
    [("entropy", 'tap("entropy"'), ("backward", "loss.backward()"), ("step", "optimiser.step()")],
)
def test_sites_name_the_line_on_which_a_quantity_is_born(name, words):
    with Observation(replace(a_run(240, taps=TAPS), side=MINE), MemoryWriter()) as observation:
        load_side(MINE)(a_call())
    file, _, line = observation.facts()["sites"][name].partition(":")
    assert file == "./a2c.py"
    assert words in FILE.read_text().splitlines()[int(line) - 1]
