from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from harness.probes.registry import register
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from harness.spec.cards import card
from my_impls.ppo import (
    Hyperparameters,
    Rollout,
    advantages,
    hyperparameters_of,
    side,
)
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_ppo import EXPOSING, SIDE, TAPS, a_call, sb3_with_taps
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.run.observing import MemoryWriter, a_run

FILE = Path(__file__).parents[2] / "my_impls/ppo.py"
MINE = SideSpec("my_impls/ppo.py:side", str(FILE), None, "side", None, "")
# What may differ between two right implementations with different random streams.
FREE_FACTS = {"episodes", "final_weights_sha256", "reward_abs_max", "sites", "unfinished_episodes"}

register()

# Environment, parallel environments, hyperparameters.
RUNS = [
    ("probes/Exposing-v0", 1, {}),
    ("probes/Exposing-v0", 3, {"target_kl": 0.002, "clip_range_vf": 0.2}),
    ("probes/ExposingBox-v0", 3, {"clip_range_vf": "lin_0.3", "normalize_advantage": False}),
    ("probes/ExposingShaped-v0", 2, {"batch_size": 39}),  # the last minibatch holds one step
    ("Pendulum-v1", 3, {"net_arch": [16, 16], "target_kl": 0.01}),
    ("FrozenLake-v1", 2, {"ortho_init": False}),
    ("probes/ExposingBox-v0", 3, {"norm_obs": True, "norm_reward": True, "clip_obs": 1.3}),
    ("probes/Exposing-v0", 2, {"norm_reward": True, "clip_reward": 0.4, "norm_epsilon": 0.1}),
    ("probes/Exposing-v0", 1, {"norm_obs": True}),
    ("probes/ExposingMultiDiscrete-v0", 3, {}),
    ("probes/ExposingMultiBinary-v0", 2, {"target_kl": 0.01}),
]


@pytest.mark.parametrize(("env_id", "n_envs", "hyperparameters"), RUNS)
def test_under_the_draws_of_sb3_every_tapped_value_is_sb3s(env_id, n_envs, hyperparameters):
    call = a_call(env_id, n_envs, **hyperparameters)
    reference = record(sb3_with_taps(), call)
    mine = replay(side, call, reference=reference, load=load_by_shape)
    assert differences(mine, reference) == []
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions)


def test_with_only_the_draws_handed_on_the_whole_run_stays_sb3s():
    call = a_call("probes/ExposingBox-v0", 3)
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


def test_target_kl_ends_rounds_early_on_both_sides_alike():
    call = a_call("probes/Exposing-v0", 3, target_kl=0.002)
    reference = record(sb3_with_taps(), call)
    mine = replay(side, call, reference=reference, load=load_by_shape)
    assert len(mine.of("approx_kl")) == len(reference.of("approx_kl")) < 4 * 3 * 4


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal(env_id):
    found = []
    for spec in (MINE, SIDE):
        run = replace(a_run(240, env_id=env_id, n_envs=2, taps=TAPS), side=spec)
        writer = MemoryWriter()
        with Observation(run, writer) as observation:
            load_side(spec)(a_call(env_id, 2))
        assert observation.unobserved_reason() is None
        found.append((observation.facts(), {name for _, v in writer.lines for name in v}))
    (mine, my_metrics), (reference, metrics) = found
    assert {name for name in mine if mine[name] != reference[name]} <= FREE_FACTS
    assert my_metrics == metrics


def test_watched_and_unwatched_training_end_in_the_same_bits():
    with Observation(replace(a_run(240, taps=TAPS), side=MINE), MemoryWriter()) as observation:
        load_side(MINE)(a_call())
    assert observation.facts()["final_weights_sha256"] == final_weights(lambda: side(a_call()))


def test_advantages_by_hand():
    """Three steps; the second begins an episode, so the first must not see beyond itself."""
    rollout = Rollout(3, 1, gymnasium.make("CartPole-v1"))
    rollout.rewards[:, 0] = 1, 2, 3
    rollout.old_values[:, 0] = 0.5, 1, 1.5, 2
    rollout.episode_starts[:, 0] = 1, 1, 0, 0
    found = advantages(rollout, gamma=0.5, gae_lambda=0.8)
    last = 3 + 0.5 * 2 - 1.5
    second = 2 + 0.5 * 1.5 - 1 + 0.5 * 0.8 * last
    assert found[:, 0] == pytest.approx([1 - 0.5, second, last])


def test_advantages_where_the_last_step_ends_an_episode_do_not_bootstrap():
    rollout = Rollout(1, 2, gymnasium.make("CartPole-v1"))
    rollout.rewards[:] = 1
    rollout.old_values[:] = [[0, 0], [10, 10]]
    rollout.episode_starts[1] = 0, 1
    assert advantages(rollout, gamma=0.9, gae_lambda=1).tolist() == [[10, 1]]


def test_reward_of_a_truncated_step_holds_the_value_of_its_last_observation():
    call = a_call("Pendulum-v1", n_steps=210)  # its time limit is 200
    tape = record(side, Call("ppo", "Pendulum-v1", 0, 210, 1, call.hyperparameters))
    bare = gymnasium.make("Pendulum-v1")
    bare.reset(seed=0)
    rewards = [bare.step(action)[1] for action in tape.env_actions[:200]]
    stored = [step["reward"].item() for step in tape.of("transition")]
    (value,) = (value[""].item() for value in tape.of("terminal_value"))
    assert stored[:199] == pytest.approx(rewards[:199], rel=1e-5)
    assert stored[199] == pytest.approx(rewards[199] + 0.93 * value, rel=1e-5)
    assert [bool(step["episode_start"][0]) for step in tape.of("transition")].count(True) == 2


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"tau": 1}, "tau=1 cannot be expressed"),
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"clip_range_vf": "none"}, "clip_range_vf='none' cannot be expressed"),
        ({"net_arch": {"qf": [1]}}, "expected a list, or lists of pi and vf"),
    ],
)
def test_what_this_file_cannot_express_is_refused(hyperparameters, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(a_call(**hyperparameters))


def test_defaults_are_those_of_the_card():
    defaults = card("ppo").defaults
    assert hyperparameters_of(Call("ppo", "CartPole-v1", 0, 1, 1, defaults)) == replace(
        Hyperparameters(), net_arch=[64, 64]
    )
    assert set(EXPOSING) <= set(defaults)


@pytest.mark.parametrize(
    ("name", "words"),
    [("ratio", 'tap("ratio"'), ("backward", "loss.backward()"), ("step", "optimiser.step()")],
)
def test_sites_name_the_line_on_which_a_quantity_is_born(name, words):
    with Observation(replace(a_run(240, taps=TAPS), side=MINE), MemoryWriter()) as observation:
        load_side(MINE)(a_call())
    file, _, line = observation.facts()["sites"][name].partition(":")
    assert file == "./ppo.py"
    assert words in FILE.read_text().splitlines()[int(line) - 1]
