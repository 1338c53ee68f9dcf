"""REINFORCE against SB3's A2C configured to be it, and against the project's own A2C and PPO."""

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
from my_impls import a2c
from my_impls.vpg import Batch, Hyperparameters, hyperparameters_of, returns, side
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_vpg import EXPOSING, SIDE, TAPS, a_call, sb3_with_taps
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.run.observing import MemoryWriter, a_run

FILE = Path(__file__).parents[2] / "my_impls/vpg.py"
MINE = SideSpec("my_impls/vpg.py:side", str(FILE), None, "side", None, "")
# What may differ between two right implementations with different random streams. Gradients are
# clipped to an infinite norm on one side, and not at all on the other.
FREE_FACTS = {
    "episodes", "final_weights_sha256", "grad_clip", "reward_abs_max", "sites",
    "unclipped_norm_max", "unfinished_episodes",
}  # fmt: skip
# As A2C equals PPO (test_a2c_is_ppo.py): the same up to the rounding of sums in another order.
TOLERANCE = 2e-6

register()


@pytest.mark.parametrize(
    ("env_id", "n_envs", "hyperparameters"),
    [
        ("probes/Exposing-v0", 4, {"normalize_advantage": False}),
        ("probes/ExposingBox-v0", 3, {}),
        ("probes/ExposingShaped-v0", 1, {"net_arch": [16, 16]}),
        ("FrozenLake-v1", 2, {"ortho_init": False}),
    ],
)
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


def equal_a2c(normalize):
    """Return the hyperparameters of A2C that make it REINFORCE."""
    return {
        **{name: value for name, value in EXPOSING.items() if name != "normalize_advantage"},
        "gae_lambda": 1.0, "ent_coef": 0.0, "vf_coef": 0.5, "use_rms_prop": False,
        "max_grad_norm": 1e9, "normalize_advantage": normalize,
    }  # fmt: skip


def weights(tape):
    return [p.detach() for p in tape.modules[0].parameters()]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("env_id", "n_envs"), [("probes/Exposing-v0", 3), ("CartPole-v1", 1)])
def test_a2c_with_lambda_one_adam_and_no_clip_ends_in_the_weights_of_reinforce(
    env_id, n_envs, normalize
):
    ours = weights(record(side, a_call(env_id, n_envs, normalize_advantage=normalize)))
    call = Call("a2c", env_id, 3, 240, n_envs, equal_a2c(normalize))
    theirs = weights(record(a2c.side, call))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "change",
    [{"gae_lambda": 0.9}, {"ent_coef": 0.1}, {"use_rms_prop": True}, {"max_grad_norm": 0.1}],
)
def test_any_other_a2c_ends_in_other_weights(change):
    ours = weights(record(side, a_call("probes/Exposing-v0", 3)))
    call = Call("a2c", "probes/Exposing-v0", 3, 240, 3, {**equal_a2c(True), **change})
    theirs = weights(record(a2c.side, call))
    off = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
    assert off > 100 * TOLERANCE


def test_weight_of_the_baselines_loss_does_not_matter_to_adam_but_by_its_eps():
    """One Adam over both networks is one for each: it looks at every number alone."""
    ours = weights(record(side, a_call("probes/Exposing-v0", 3)))
    call = Call("a2c", "probes/Exposing-v0", 3, 240, 3, {**equal_a2c(True), "vf_coef": 5.0})
    theirs = weights(record(a2c.side, call))
    off = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
    assert 0 < off < 0.02


def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal():
    found = []
    for spec in (MINE, SIDE):
        run = replace(a_run(240, env_id="Pendulum-v1", n_envs=2, taps=TAPS), side=spec)
        writer = MemoryWriter()
        with Observation(run, writer) as observation:
            load_side(spec)(a_call("Pendulum-v1", 2))
        assert observation.unobserved_reason() is None
        found.append((observation.facts(), {name for _, v in writer.lines for name in v}))
    (mine, my_metrics), (reference, metrics) = found
    assert {name for name in mine if mine[name] != reference[name]} <= FREE_FACTS
    assert my_metrics == metrics


def test_watched_and_unwatched_training_end_in_the_same_bits():
    with Observation(replace(a_run(240, taps=TAPS), side=MINE), MemoryWriter()) as observation:
        load_side(MINE)(a_call())
    assert observation.facts()["final_weights_sha256"] == final_weights(lambda: side(a_call()))


def test_returns_by_hand():
    """Four steps; the third begins an episode, so the second must not see beyond itself."""
    batch = Batch(4, 1, gymnasium.make("CartPole-v1"))
    batch.rewards[:, 0] = 1, 2, 3, 4
    batch.episode_starts[:, 0] = 1, 0, 1, 0, 0
    found = returns(batch, np.array([10.0], np.float32), gamma=0.5)
    last = 4 + 0.5 * 10
    assert found[:, 0] == pytest.approx([1 + 0.5 * 2, 2, 3 + 0.5 * last, last])


def test_nothing_follows_a_batch_that_ends_with_an_episode():
    batch = Batch(2, 1, gymnasium.make("CartPole-v1"))
    batch.rewards[:, 0] = 1, 2
    batch.episode_starts[:, 0] = 1, 0, 1
    found = returns(batch, np.array([10.0], np.float32), gamma=0.5)
    assert found[:, 0] == pytest.approx([2, 2])


def test_reward_of_a_truncated_step_holds_the_value_of_its_last_observation():
    call = replace(a_call("Pendulum-v1", n_steps=210), total_timesteps=210)  # its limit is 200
    tape = record(side, call)
    bare = gymnasium.make("Pendulum-v1")
    bare.reset(seed=3)
    rewards = [bare.step(action)[1] for action in tape.env_actions[:200]]
    stored = [step["reward"].item() for step in tape.of("transition")]
    (value,) = (value[""].item() for value in tape.of("terminal_value"))
    assert stored[:199] == pytest.approx(rewards[:199], rel=1e-5)
    assert stored[199] == pytest.approx(rewards[199] + 0.93 * value, rel=1e-5)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"gae_lambda": 1.0}, "gae_lambda=1.0 cannot be expressed"),
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"net_arch": {"qf": [1]}}, "expected a list, or lists of pi and vf"),
    ],
)
def test_what_this_file_cannot_express_is_refused(hyperparameters, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(a_call(**hyperparameters))


def test_defaults_are_those_of_the_card():
    defaults = card("vpg").defaults
    assert hyperparameters_of(Call("vpg", "CartPole-v1", 0, 1, 1, defaults)) == replace(
        Hyperparameters(), net_arch=[64, 64]
    )
    assert set(EXPOSING) <= set(defaults)


def test_file_stays_one_readable_file():
    assert 150 <= len(FILE.read_text().splitlines()) <= 300
