import tomllib
from pathlib import Path

import gymnasium
import pytest

from harness.probes.listed import PROBES
from harness.spec.cards import algos, card
from harness.spec.hyperparameters import check_settings
from harness.spec.tables import read_table
from harness.spec.tiers import (
    BUDGETS,
    budget_row,
    budget_rows,
    extra_of,
    extras,
    known_ids,
    looks_of,
    tier_ids,
    tier_of,
)


def test_tier_ids_of_dqn_are_discrete():
    assert tier_ids("dqn", "easy") == ("CartPole-v1",)
    assert tier_ids("dqn", "medium") == ("Acrobot-v1", "LunarLander-v3")


def test_tiers_of_continuous_actions_are_listed():
    continuous = read_table("tiers.toml")["tiers"]["continuous"]
    assert continuous["easy"] == ["Pendulum-v1"]
    assert continuous["medium"] == ["LunarLanderContinuous-v3"]


def test_tier_of_an_id_outside_the_tiers_is_empty():
    assert (tier_of("CartPole-v1"), tier_of("MountainCar-v0")) == ("easy", "")


def test_known_ids_of_native_environments_are_registered_in_gymnasium():
    ids = [env_id for env_id in known_ids() if "/" not in env_id]
    assert [env_id for env_id in ids if env_id not in gymnasium.registry] == []


def test_extra_of_mujoco_and_atari_and_box2d():
    found = [extra_of(e) for e in ("Ant-v5", "ALE/Pong-v5", "LunarLander-v3", "CartPole-v1")]
    assert [extra.name if extra else None for extra in found] == ["mujoco", "atari", "box2d", None]


def test_extras_pip_lines_agree_with_the_project_extras():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    offered = project["optional-dependencies"]
    for extra in extras():
        if extra.name in offered:
            assert [extra.pip.split("'")[1]] == offered[extra.name]


@pytest.mark.parametrize("algo", algos())
def test_budget_rows_hold_growing_budgets_and_valid_hyperparameters(algo):
    for env_id in budget_rows(algo):
        row = budget_row(algo, env_id)
        steps = [row.total_timesteps[budget] for budget in BUDGETS]
        assert steps == sorted(set(steps))
        assert check_settings(card(algo), row.hyperparameters) == dict(row.hyperparameters)
        assert row.source


@pytest.mark.parametrize("algo", algos())
def test_budget_rows_cover_every_tier_but_hard(algo):
    for tier in ("probe", "easy", "medium"):
        assert all(budget_row(algo, env_id).is_listed for env_id in tier_ids(algo, tier))


def test_rows_like_those_of_another_leave_out_what_the_card_has_not_and_say_whose_they_are():
    row, other = budget_row("crossq", "Pendulum-v1"), budget_row("sac", "Pendulum-v1")
    assert row.total_timesteps == other.total_timesteps
    lacking = {*other.hyperparameters} - {*row.hyperparameters}
    assert lacking == {*other.hyperparameters} - {*card("crossq").hyperparameters}
    assert row.source.startswith("as for sac, not run with crossq yet (rl-baselines3-zoo")


def test_budget_row_outside_the_table_has_sb3_defaults():
    row = budget_row("dqn", "Elsewhere-v0")
    assert (row.is_listed, row.hyperparameters, row.source) == (False, {}, "SB3 default")


def test_looks_of_every_budget():
    assert looks_of("quick") == (3, 5)
    assert looks_of("standard") == (3, 5, 8)
    assert looks_of("thorough") == (3, 5, 8, 12, 20)


def test_probe_tiers_hold_the_registered_probes_of_their_action_type():
    by_type = read_table("tiers.toml")["tiers"]
    for action_type in ("discrete", "continuous"):
        registered = [p.env_id for p in PROBES if p.action_type == action_type and p.is_in_tier]
        assert by_type[action_type]["probe"] == registered
