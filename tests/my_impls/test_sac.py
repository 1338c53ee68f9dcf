from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from harness.records import SideSpec
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from my_impls.sac import (
    SAC,
    Hyperparameters,
    ReplayMemory,
    hyperparameters_of,
    learning_rate,
    log_density,
    n_dimensions,
    side,
    squash,
)
from tests.baselines.test_sb3_dqn import final_weights
from tests.baselines.test_sb3_sac import ENV_ID, EXPOSING, SIDE, TAPS, a_call
from tests.my_impls.handing_on import differences, load_by_shape, record, replay
from tests.run.observing import MemoryWriter, a_run

FILE = Path(__file__).parents[2] / "my_impls/sac.py"
MINE = SideSpec("my_impls/sac.py:side", str(FILE), None, "side", None, "")
# What may differ between two right implementations with different random streams.
FREE_FACTS = {
    "episodes",
    "final_weights_sha256",
    "reward_abs_max",
    "sites",
    "unclipped_norm_max",
    "unfinished_episodes",
}
DRAWS = tuple(row.name for row in card("sac").taps if row.draws)

# Environment, parallel environments, hyperparameters.
RUNS = [
    (ENV_ID, 1, {}),
    (ENV_ID, 3, {"gradient_steps": -1, "ent_coef": "auto", "n_steps": 4}),
    (ENV_ID, 1, {"ent_coef": 0.2, "target_update_interval": 1, "learning_rate": 0.002}),
    ("Pendulum-v1", 2, {"net_arch": [16, 16], "target_entropy": "auto"}),
]


def under_the_draws_of_sb3(mine, call):
    """Return the tapes of both sides, mine under the reference's draws, without these."""
    reference = record(load_side(SIDE), call)
    tape = replay(mine, call, reference=reference, load=load_by_shape, only=DRAWS)
    return tuple(
        replace(one, events={key: v for key, v in one.events.items() if key[0] not in DRAWS})
        for one in (tape, reference)
    )


@pytest.mark.parametrize(("env_id", "n_envs", "hyperparameters"), RUNS)
def test_with_only_the_draws_handed_on_the_whole_run_stays_sb3s(env_id, n_envs, hyperparameters):
    mine, reference = under_the_draws_of_sb3(side, a_call(env_id, n_envs, **hyperparameters))
    assert differences(mine, reference, rtol=1e-4, atol=1e-5) == []
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions, atol=1e-6)


def observed(spec, call):
    writer = MemoryWriter()
    run = replace(a_run(200, n_envs=call.n_envs, taps=TAPS, env_id=call.env_id), side=spec)
    with Observation(run, writer) as observation:
        load_side(spec)(call)
    assert observation.unobserved_reason() is None
    return observation.facts(), writer


@pytest.mark.parametrize(
    "call", [a_call(), a_call(n_envs=3, gradient_steps=-1), a_call(ent_coef=0.1, train_freq=7)]
)
def test_facts_of_mine_and_sb3_under_the_same_hyperparameters_are_equal(call):
    mine, my_writer = observed(MINE, call)
    reference, writer = observed(SIDE, call)
    different = {name for name in mine.keys() | reference if mine[name] != reference[name]}
    assert different <= FREE_FACTS
    for name in ("learning_rate", "updates_per_env_step"):
        ours, theirs = my_writer.series(name), writer.series(name)
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [v for _, v in ours] == pytest.approx([v for _, v in theirs], rel=1e-12)
    assert {n for _, v in my_writer.lines for n in v} == {n for _, v in writer.lines for n in v}


def test_same_seed_twice_watched_or_not_ends_in_the_same_bits():
    facts, _ = observed(MINE, a_call())
    assert facts["final_weights_sha256"] == final_weights(lambda: side(a_call()))


def test_log_density_is_that_of_a_gaussian_through_tanh():
    rng = torch.Generator().manual_seed(0)
    mu, log_sigma, noise = (torch.randn(50, 3, generator=rng).double() for _ in range(3))
    log_sigma = log_sigma / 4 - 1
    action = squash(mu, log_sigma, noise)
    # Where the correction's 1e-6 is small against 1 - a^2; elsewhere it is meant to depart.
    near = (action.abs() < 0.99).all(dim=1)
    gaussian = Independent(Normal(mu, log_sigma.exp()), 1)
    oracle = TransformedDistribution(gaussian, TanhTransform()).log_prob(action)
    assert near.sum() > 20
    assert torch.allclose(log_density(action, log_sigma, noise)[near], oracle[near], atol=3e-4)


def test_log_density_of_a_saturated_action_is_finite_and_has_a_gradient():
    mu = torch.tensor([[40.0]], requires_grad=True)
    log_sigma, noise = torch.zeros(1, 1), torch.zeros(1, 1)
    density = log_density(squash(mu, log_sigma, noise), log_sigma, noise)
    density.sum().backward()
    assert density.item() == pytest.approx(-0.918939 + 13.815511, rel=1e-5)
    assert torch.isfinite(mu.grad).all()


def an_agent(env_id="Pendulum-v1", **changes):
    env = gymnasium.make(env_id)
    return SAC([env], Hyperparameters(net_arch=(4,), **changes), a_call(env_id))


def test_targets_start_as_copies_that_share_no_memory():
    agent = an_agent()
    for theta, theta_hat in zip(agent.Q.parameters(), agent.Q_hat.parameters(), strict=True):
        assert torch.equal(theta, theta_hat)
        assert theta.data_ptr() != theta_hat.data_ptr()


def test_log_sigma_is_cut_to_its_bounds():
    agent = an_agent()
    with torch.no_grad():
        agent.pi.log_sigma.bias.copy_(torch.tensor([99.0]))
        assert agent.pi(torch.zeros(1, 3))[1].tolist() == [[2.0]]
        agent.pi.log_sigma.bias.copy_(torch.tensor([-99.0]))
        assert agent.pi(torch.zeros(1, 3))[1].tolist() == [[-20.0]]


@pytest.mark.parametrize(("ent_coef", "alpha"), [("auto", 1.0), ("auto_0.3", 0.3), (0.2, 0.2)])
def test_temperature_starts_where_its_hyperparameter_says(ent_coef, alpha):
    agent = an_agent(ent_coef=ent_coef)
    is_learnt = isinstance(ent_coef, str)
    assert ("alpha" in agent.optimisers) == is_learnt
    first = agent.log_alpha.exp() if is_learnt else agent.alpha
    assert first.item() == pytest.approx(alpha)


def test_discrete_observations_are_one_hot():
    env = gymnasium.make("Pendulum-v1")
    env.observation_space = gymnasium.spaces.Discrete(5, start=2)
    agent = SAC([env], Hyperparameters(net_arch=(4,)), a_call())
    assert agent.pi.hidden[0].in_features == 5
    assert agent.features(torch.tensor([3])).tolist() == [[0.0, 1.0, 0.0, 0.0, 0.0]]


def test_replay_memory_when_full_overwrites_the_oldest():
    envs = [gymnasium.make("Pendulum-v1") for _ in range(2)]
    memory = ReplayMemory(Hyperparameters(buffer_size=4), envs)
    for k in range(0, 6, 2):
        two = np.array([k, k + 1])
        memory.store(
            {"obs": np.tile(two[:, None], 3), "action": two[:, None], "reward": two,
             "next_obs": np.tile(two[:, None] + 1, 3), "terminated": two == 5},
            two == 5,
        )  # fmt: skip
    assert memory.columns["rewards"].tolist() == [4, 5, 2, 3]
    batch = memory.sample(100, rng=np.random.default_rng(0), device="cpu")
    assert set(batch["rewards"].tolist()) == {2, 3, 4, 5}
    assert torch.equal(batch["next_obs"], batch["obs"] + 1)
    assert torch.equal(batch["terminated"], (batch["rewards"] == 5).float())


def test_learning_rate_by_hand():
    assert learning_rate(Hyperparameters(learning_rate="lin_4"), progress=0.25) == 3.0
    assert learning_rate(Hyperparameters(learning_rate=4), progress=0.25) == 4.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_freq": [1, "episode"]}, "counts env steps only"),
        ({"learning_rate": "cos_1"}, "expected a number or 'lin_X'"),
        ({"ent_coef": "0.1"}, "expected a number, 'auto' or 'auto_X'"),
        ({"use_sde": True}, "use_sde=True cannot be expressed"),
    ],
)
def test_what_this_file_cannot_express_is_refused(changes, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        hyperparameters_of(a_call(**changes))


def test_hyperparameters_of_the_card_are_taken_with_its_defaults():
    defaults = card("sac").defaults
    defaults["net_arch"] = tuple(defaults["net_arch"])
    assert vars(Hyperparameters()) == defaults
    assert hyperparameters_of(replace(a_call(), hyperparameters=EXPOSING)).train_freq == 3


@pytest.mark.parametrize("env_id", ["CartPole-v1", "unbounded"])
def test_actions_outside_a_bounded_box_are_refused(env_id):
    env = gymnasium.make("Pendulum-v1" if env_id == "unbounded" else env_id)
    if env_id == "unbounded":
        env.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    with pytest.raises(TypeError, match="needs a Box action space with finite bounds, saw"):
        n_dimensions(env)


def test_file_stays_one_readable_file():
    assert 150 <= len(FILE.read_text().splitlines()) <= 360
