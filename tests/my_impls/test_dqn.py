from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.torch_layers import NatureCNN

from harness import tap
from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call, UnsupportedHyperparameter
from my_impls.dqn import (
    DQN,
    Hyperparameters,
    ReplayMemory,
    convolutions,
    exploration,
    hyperparameters_of,
    learning_rate,
    side,
)
from tests.baselines.test_sb3_dqn import SIDE, SMALL, TAPS, a_call, final_weights
from tests.my_impls.handing_on import load_by_shape
from tests.run.observing import MemoryWriter, a_run

FILE = Path(__file__).parents[2] / "my_impls/dqn.py"
MINE = SideSpec("my_impls/dqn.py:side", str(FILE), None, "side", None, "")

# What may differ between two right implementations with different random streams.
FREE_FACTS = {"episodes", "final_weights_sha256", "sites"}

SETTINGS = [
    SMALL,
    {**SMALL, "gradient_steps": -1, "tau": 0.3, "learning_rate": 0.001},
    {**SMALL, "train_freq": [7, "step"], "target_update_interval": 5, "max_grad_norm": 0.01},
    {**SMALL, "exploration_fraction": 0.5, "exploration_final_eps": 0.2, "learning_starts": 100},
]


def observed(spec, hyperparameters, total_timesteps=400):
    writer = MemoryWriter()
    run = replace(a_run(total_timesteps, taps=TAPS), side=spec)
    with Observation(run, writer) as observation:
        load_side(spec)(a_call(total_timesteps, hyperparameters))
    assert observation.unobserved_reason() is None
    return observation.facts(), writer


@pytest.mark.parametrize("hyperparameters", SETTINGS)
def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal(hyperparameters):
    mine, my_writer = observed(MINE, hyperparameters)
    reference, writer = observed(SIDE, hyperparameters)
    different = {name for name in mine.keys() | reference if mine[name] != reference[name]}
    assert different <= FREE_FACTS
    for name in ("epsilon.mean", "learning_rate", "updates_per_env_step"):
        ours, theirs = my_writer.series(name), writer.series(name)
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [v for _, v in ours] == pytest.approx([v for _, v in theirs], rel=1e-12)
    assert {n for _, v in my_writer.lines for n in v} == {n for _, v in writer.lines for n in v}


def test_watched_and_unwatched_training_end_in_the_same_bits():
    facts, _ = observed(MINE, SMALL)
    assert facts["final_weights_sha256"] == final_weights(lambda: side(a_call()))


def test_same_seed_twice_ends_in_the_same_bits():
    assert final_weights(lambda: side(a_call())) == final_weights(lambda: side(a_call()))


def test_truncated_step_is_stored_as_not_terminated_with_its_real_last_observation():
    stored = []
    tap.set_handler(lambda name, value: (name == "transition" and stored.append(value), value)[1])
    small = {"learning_starts": 500, "train_freq": 1, "net_arch": [4]}
    try:
        side(Call("dqn", "MountainCar-v0", 0, 201, 1, small))  # its time limit is 200
    finally:
        tap.set_handler(None)
    last, first_of_next = stored[199], stored[200]
    assert last["terminated"] is False
    assert not np.array_equal(last["next_obs"], first_of_next["obs"])
    assert np.array_equal(stored[198]["next_obs"], last["obs"])


def test_discrete_observations_are_one_hot():
    env = gymnasium.make("FrozenLake-v1")
    agent = DQN(env, Hyperparameters(net_arch=(4,)), a_call())
    assert agent.Q[0].in_features == 16
    assert agent.phi(torch.tensor([3])).tolist() == [[0.0] * 3 + [1.0] + [0.0] * 12]


def test_replay_memory_when_full_overwrites_the_oldest():
    h = Hyperparameters(buffer_size=3)
    memory = ReplayMemory(h, gymnasium.spaces.Box(0, 9, (1,), np.float32))
    for k in range(5):
        memory.store(
            {"obs": [k], "action": k, "reward": k, "next_obs": [k + 1], "terminated": k == 4},
            is_over=k == 4,
        )
    assert memory.actions.tolist() == [3, 4, 2]
    batch = memory.sample(100, rng=np.random.default_rng(0), device="cpu")
    assert set(batch["actions"].tolist()) == {2, 3, 4}
    assert torch.equal(batch["next_obs"], batch["obs"] + 1)
    assert torch.equal(batch["terminated"], (batch["actions"] == 4).float())


# Rewards 1 .. 7 in a ring of 6 whose oldest row is reward 2; the third one ended an episode.
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (0, (2 + 3 / 2, 4, 1, 0.25)),  # the episode ends after two steps
        (2, (4 + 5 / 2 + 6 / 4, 7, 0, 0.125)),
        (5, (7, 8, 0, 0.5)),  # the newest row ends every window, wherever the ring does
    ],
)
def test_returns_over_several_steps_by_hand(row, expected):
    h = Hyperparameters(buffer_size=6, n_steps=3, gamma=0.5)
    memory = ReplayMemory(h, gymnasium.spaces.Box(0, 9, (1,), np.float32))
    for k in range(1, 8):
        memory.store(
            {"obs": [k], "action": 0, "reward": k, "next_obs": [k + 1], "terminated": k == 3},
            is_over=k == 3,
        )
    found = memory.sample(1, rng=Drawing([row]), device="cpu")
    assert (found["rewards"], found["next_obs"][0, 0], found["terminated"]) == expected[:3]
    assert found["discounts"] == expected[3]
    assert found["obs"].tolist() == [[row + 2]]


class Drawing:
    """A generator that draws given rows."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def integers(self, high, size):
        assert size == len(self.rows) <= high
        return self.rows


def test_schedules_by_hand():
    h = Hyperparameters(exploration_fraction=0.5, exploration_final_eps=0.2, learning_rate="lin_4")
    values = [exploration(h, progress=p) for p in (0, 0.25, 0.5, 0.75)]
    assert values == pytest.approx([1, 0.6, 0.2, 0.2])
    assert learning_rate(h, progress=0.25) == 3.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (a_call(n_envs=2), "n_envs=2 cannot be expressed"),
        (a_call(hyperparameters={"train_freq": [1, "episode"]}), "counts env steps only"),
        (a_call(hyperparameters={"learning_rate": "cos_1"}), "expected a number or 'lin_X'"),
        (a_call(hyperparameters={"use_sde": True}), "use_sde=True cannot be expressed"),
    ],
)
def test_what_this_file_cannot_express_is_refused(call, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(call)


def test_file_stays_one_readable_file():
    assert 150 <= len(FILE.read_text().splitlines()) <= 300


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("td_target", 'tap("td_target"'),
        ("backward", "loss.backward()"),
        ("step", "optimiser.step()"),
    ],
)
def test_sites_name_the_line_on_which_a_quantity_is_born(name, words):
    facts, _ = observed(MINE, SMALL)
    file, _, line = facts["sites"][name].partition(":")
    assert file == "./dqn.py"
    assert words in FILE.read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ("space", "is_whole"),
    [
        (gymnasium.spaces.Box(0, 255, (3, 40, 52), np.uint8), True),
        (gymnasium.spaces.Box(0, 255, (1, 10, 10), np.uint8), False),
        (gymnasium.spaces.Box(0, 255, (40, 40, 3), np.uint8), False),
        (gymnasium.spaces.Box(0, 1, (4,), np.float32), False),
    ],
)
def test_convolutions_are_sb3s_or_refused(space, is_whole):
    if not is_whole:
        with pytest.raises(UnsupportedHyperparameter, match="policy='CnnPolicy'"):
            convolutions(space)
        return
    ours, theirs = torch.nn.Sequential(*convolutions(space)), NatureCNN(space)
    shapes = [[tuple(p.shape) for p in net.parameters()] for net in (ours, theirs)]
    assert shapes[0] == shapes[1]
    load_by_shape(ours, [p.detach().numpy() for p in theirs.parameters()])
    image = torch.rand(2, *space.shape)
    assert torch.allclose(ours(image.flatten(1)), theirs(image), atol=1e-6)
