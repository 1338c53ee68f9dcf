"""TD3 and DDPG from scratch; they share their structure, and these tests."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from my_impls import ddpg, sac, td3
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_td3 import ALGOS, ENV_ID, EXPOSING, SIDE, TAPS, a_call
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.my_impls.test_dqn import Drawing
from tests.my_impls.test_sac import FREE_FACTS
from tests.run.observing import MemoryWriter, a_run

MODULES = {"td3": td3, "ddpg": ddpg}
MEMORIES = (td3, ddpg, sac)  # of several environments, in one form
FILES = {algo: Path(module.__file__) for algo, module in MODULES.items()}
MINE = {
    algo: SideSpec(f"my_impls/{algo}.py:side", str(FILES[algo]), None, "side", None, "")
    for algo in ALGOS
}
DRAWS = {algo: tuple(row.name for row in card(algo).taps if row.draws) for algo in ALGOS}

# Environment, parallel environments, hyperparameters.
RUNS = [
    (ENV_ID, 1, {}),
    (ENV_ID, 3, {"gradient_steps": -1, "action_noise": "ou_0.5", "n_steps": 4}),
    ("Pendulum-v1", 2, {"net_arch": [16, 16], "action_noise": None, "n_steps": 1}),
]


def under_the_draws_of_sb3(algo, call):
    """Return the tapes of both sides, mine under the reference's draws, without these."""
    reference = record(load_side(SIDE[algo]), call)
    draws = DRAWS[algo]
    only = tuple(name for name in draws if name != "action")
    tape = replay(MODULES[algo].side, call, reference=reference, load=load_by_shape, only=only)
    return tuple(
        replace(one, events={key: v for key, v in one.events.items() if key[0] not in only})
        for one in (tape, reference)
    )


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize(("env_id", "n_envs", "hyperparameters"), RUNS)
def test_with_only_the_draws_handed_on_the_whole_run_stays_sb3s(
    algo, env_id, n_envs, hyperparameters
):
    call = a_call(algo, env_id, n_envs, **hyperparameters)
    mine, reference = under_the_draws_of_sb3(algo, call)
    assert differences(mine, reference, rtol=1e-4, atol=1e-5) == []
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions, atol=1e-5)


def observed(spec, call):
    writer = MemoryWriter()
    run = a_run(200, n_envs=call.n_envs, taps=TAPS[call.algo], env_id=call.env_id)
    with Observation(replace(run, side=spec), writer) as observation:
        load_side(spec)(call)
    assert observation.unobserved_reason() is None
    return observation.facts(), writer


@pytest.mark.parametrize(
    "call", [a_call(), a_call(n_envs=3, gradient_steps=-1), a_call("ddpg", train_freq=7)]
)
def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal(call):
    mine, my_writer = observed(MINE[call.algo], call)
    reference, writer = observed(SIDE[call.algo], call)
    different = {name for name in mine.keys() | reference if mine[name] != reference[name]}
    assert different <= FREE_FACTS
    for name in ("learning_rate", "updates_per_env_step"):
        ours, theirs = my_writer.series(name), writer.series(name)
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [v for _, v in ours] == pytest.approx([v for _, v in theirs], rel=1e-12)
    assert {n for _, v in my_writer.lines for n in v} == {n for _, v in writer.lines for n in v}


@pytest.mark.parametrize("algo", ALGOS)
def test_same_seed_twice_watched_or_not_ends_in_the_same_bits(algo):
    facts, _ = observed(MINE[algo], a_call(algo))
    again = final_weights(lambda: MODULES[algo].side(a_call(algo)))
    assert facts["final_weights_sha256"] == again


def a_noise(form, module=td3, n_actions=2):
    return module.Noise(form, n_actions, np.random.default_rng(0))


@pytest.mark.parametrize("module", MODULES.values())
def test_gaussian_noise_has_its_deviation_and_no_memory(module):
    noise = a_noise("normal_0.3", module)
    drawn = np.array([noise() for _ in range(20_000)])
    limit = 4 / np.sqrt(len(drawn))  # four standard errors
    assert np.abs(drawn.mean(axis=0)).max() < 0.3 * limit
    assert np.abs(drawn.std(axis=0) / 0.3 - 1).max() < limit
    assert abs(np.corrcoef(drawn.T)[0, 1]) < limit
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < limit


@pytest.mark.parametrize("module", MODULES.values())
def test_ornstein_uhlenbeck_noise_grows_from_zero_remembers_and_forgets(module):
    noise = a_noise("ou_0.3", module, n_actions=4_000)
    path = np.array([noise() for _ in range(200)])
    # x[k] = a x[k-1] + b draw, from 0: the variance is b^2 (1 - a^(2k)) / (1 - a^2).
    a, b = 1 - 0.15 * 0.01, 0.3 * 0.1
    for k in (1, 10, 200):
        expected = b * np.sqrt((1 - a ** (2 * k)) / (1 - a**2))
        assert path[k - 1].std() / expected == pytest.approx(1, abs=4 / np.sqrt(2 * 4_000))
    slope = (path[100:] * path[99:-1]).sum() / (path[99:-1] ** 2).sum()
    assert slope == pytest.approx(a, abs=4 * b / np.sqrt((path[99:-1] ** 2).sum()))
    noise.reset()
    assert (noise.x == 0).all()


def an_agent(algo="td3", env_id="Pendulum-v1", **changes):
    module = MODULES[algo]
    h = module.Hyperparameters(**{"net_arch": (4,), **changes})
    return getattr(module, algo.upper())([gymnasium.make(env_id)], h, a_call(algo, env_id))


def test_targets_start_as_copies_that_share_no_memory():
    agent = an_agent()
    for net, target in ((agent.pi, agent.pi_hat), (agent.Q, agent.Q_hat)):
        for theta, theta_hat in zip(net.parameters(), target.parameters(), strict=True):
            assert torch.equal(theta, theta_hat)
            assert theta.data_ptr() != theta_hat.data_ptr()


def test_discrete_observations_are_one_hot():
    env = gymnasium.make("Pendulum-v1")
    env.observation_space = gymnasium.spaces.Discrete(5, start=2)
    agent = td3.TD3([env], td3.Hyperparameters(net_arch=(4,)), a_call())
    assert agent.pi[0].in_features == 5
    assert agent.features(torch.tensor([3])).tolist() == [[0.0, 1.0, 0.0, 0.0, 0.0]]


def a_memory(module, n_steps, capacity, n_envs=1, gamma=0.5):
    h = module.Hyperparameters(buffer_size=capacity, n_steps=n_steps, gamma=gamma)
    return module.ReplayMemory(h, [gymnasium.make("Pendulum-v1") for _ in range(n_envs)])


def store(memory, numbers, is_over=False, terminated=False):
    numbers = np.atleast_1d(numbers)
    memory.store(
        {"obs": np.tile(numbers[:, None], 3), "action": numbers[:, None], "reward": numbers,
         "next_obs": np.tile(numbers[:, None] + 1, 3), "terminated": terminated},
        np.broadcast_to(is_over, numbers.shape),
    )  # fmt: skip


@pytest.mark.parametrize("module", MODULES.values())
def test_replay_memory_when_full_overwrites_the_oldest(module):
    memory = a_memory(module, n_steps=1, capacity=4, n_envs=2)
    for k in range(0, 6, 2):
        store(memory, [k, k + 1])
    assert memory.columns["rewards"].tolist() == [4, 5, 2, 3]
    batch = memory.sample(100, rng=np.random.default_rng(0), device="cpu")
    assert set(batch["rewards"].tolist()) == {2, 3, 4, 5}
    assert torch.equal(batch["next_obs"], batch["obs"] + 1)
    assert (batch["discounts"] == 0.5).all()


# Rewards 1 .. 7 in a ring of 6 whose oldest row is reward 2; the third one ended an episode.
@pytest.mark.parametrize("module", MEMORIES)
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (0, (2 + 3 / 2, 4, 1, 0.25)),  # the episode ends after two steps
        (1, (3, 4, 1, 0.5)),
        (2, (4 + 5 / 2 + 6 / 4, 7, 0, 0.125)),
        (4, (6 + 7 / 2, 8, 0, 0.25)),  # the newest row ends every window, wherever the ring does
        (5, (7, 8, 0, 0.5)),
    ],
)
def test_returns_over_several_steps_by_hand(module, row, expected):
    memory = a_memory(module, n_steps=3, capacity=6)
    for k in range(1, 8):
        store(memory, k, is_over=k == 3, terminated=k == 3)
    found = memory.sample(1, rng=Drawing([row]), device="cpu")
    assert found["obs"].tolist() == [[row + 2] * 3]
    assert (found["rewards"], found["next_obs"][0, 0], found["terminated"]) == expected[:3]
    assert found["discounts"] == expected[3]


@pytest.mark.parametrize("module", MEMORIES)
def test_returns_over_several_steps_stay_in_their_environment_and_stop_at_time_limits(module):
    memory = a_memory(module, n_steps=2, capacity=20, n_envs=2)
    for k in range(1, 4):
        store(memory, [k, 10 * k], is_over=[k == 2, False])
    found = memory.sample(4, rng=Drawing(range(4)), device="cpu")
    assert found["rewards"].tolist() == [1 + 2 / 2, 10 + 20 / 2, 2, 20 + 30 / 2]
    assert found["discounts"].tolist() == [0.25, 0.25, 0.5, 0.25]
    assert found["terminated"].tolist() == [0, 0, 0, 0]


def test_policy_and_targets_wait_for_every_third_update_over_rounds():
    agent = an_agent(policy_delay=3, batch_size=4, net_arch=(32,))
    obs = agent.envs[0].reset(seed=0)[0][None]
    moves = []
    for _ in range(7):
        obs = agent.step(obs, is_warmup=True)
        before = [p.clone() for net in (agent.pi, agent.pi_hat) for p in net.parameters()]
        agent.update()
        after = [p for net in (agent.pi, agent.pi_hat) for p in net.parameters()]
        moves.append(not all(map(torch.equal, before, after)))
    assert moves == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("module", MODULES.values())
def test_learning_rate_by_hand(module):
    made = module.Hyperparameters
    assert module.learning_rate(made(learning_rate="lin_4"), progress=0.25) == 3.0
    assert module.learning_rate(made(learning_rate=4), progress=0.25) == 4.0


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_freq": [1, "episode"]}, "counts env steps only"),
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"action_noise": "uniform_1"}, "expected none, 'normal_X' or 'ou_X'"),
        ({"use_sde": True}, "use_sde=True cannot be expressed"),
    ],
)
def test_what_this_file_cannot_express_is_refused(algo, changes, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        MODULES[algo].hyperparameters_of(a_call(algo, **changes))


@pytest.mark.parametrize("algo", ALGOS)
def test_hyperparameters_of_the_card_are_taken_with_its_defaults(algo):
    defaults = card(algo).defaults
    defaults["net_arch"] = tuple(defaults["net_arch"])
    assert vars(MODULES[algo].Hyperparameters()) == defaults
    call = replace(a_call(algo), hyperparameters=EXPOSING[algo])
    assert MODULES[algo].hyperparameters_of(call).train_freq == 3


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "unbounded"])
def test_actions_outside_a_bounded_box_are_refused(algo, env_id):
    env = gymnasium.make("Pendulum-v1" if env_id == "unbounded" else env_id)
    if env_id == "unbounded":
        env.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    with pytest.raises(TypeError, match="needs a Box action space with finite bounds, saw"):
        MODULES[algo].n_dimensions(env)


@pytest.mark.parametrize("file", FILES.values())
def test_file_stays_one_readable_file(file):
    assert 150 <= len(file.read_text().splitlines()) <= 345
