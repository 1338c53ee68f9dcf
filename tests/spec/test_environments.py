import importlib.util

import gymnasium
import pytest

from harness.errors import MissingExtra, UnknownName, UsageError
from harness.spec.cards import card
from harness.spec.environments import check, expand, spaces_of

DQN = card("dqn")


class _Strange(gymnasium.Env):
    """Spaces that no card takes."""

    observation_space = gymnasium.spaces.Dict({"x": gymnasium.spaces.Discrete(2)})
    action_space = gymnasium.spaces.Discrete(2)


def _broken():
    text = "no display\nmore lines"
    raise RuntimeError(text)


@pytest.fixture(scope="module", autouse=True)
def _registered():
    gymnasium.register("TestsStrange-v0", entry_point=_Strange, disable_env_checker=True)
    gymnasium.register("TestsBroken-v0", entry_point=_broken, disable_env_checker=True)
    yield
    for env_id in ("TestsStrange-v0", "TestsBroken-v0"):
        del gymnasium.registry[env_id]


def test_expand_mixes_tiers_and_ids_without_repeats_from_easy_to_hard():
    words = ["MountainCar-v0", "medium", "CartPole-v1", "easy"]
    expected = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3", "MountainCar-v0")
    assert expand(DQN, words) == expected


def test_expand_of_nothing_lists_the_tiers():
    with pytest.raises(UsageError, match=r"names no environment\nGive tiers .probe, easy"):
        expand(DQN, [])


def test_check_suitable_environment_passes():
    check(DQN, "CartPole-v1")
    assert spaces_of("CartPole-v1").action_type == "discrete"


def test_check_continuous_environment_names_suitable_ones():
    with pytest.raises(UsageError, match=r"needs discrete actions.*\nSuitable: CartPole-v1"):
        check(DQN, "Pendulum-v1")


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("LunarLander-v2", "'LunarLander-v3'"),
        ("CartPole", "'CartPole-v1'"),
        ("Acrobot-v7", "'Acrobot-v1'"),
    ],
)
def test_check_other_version_names_the_installed_one(env_id, words):
    with pytest.raises(UsageError) as caught:
        check(DQN, env_id)
    assert words in str(caught.value)
    assert gymnasium.__version__ in str(caught.value)


def test_check_unknown_id_names_the_nearest():
    with pytest.raises(UnknownName, match=r"'Cartpol-v1' in --envs; did you mean 'CartPole-v1'"):
        check(DQN, "Cartpol-v1")


@pytest.mark.parametrize(
    ("env_id", "module", "pip"),
    [
        ("ALE/Pong-v5", "ale_py", "pip install 'ale-py>=0.10'"),
        ("HalfCheetah-v5", "mujoco", "pip install 'mujoco>=3.1'"),
    ],
)
def test_check_missing_extra_holds_the_pip_line(env_id, module, pip, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == module else find_spec(name, *a),
    )
    with pytest.raises(MissingExtra) as caught:
        check(DQN, env_id)
    assert pip in str(caught.value)


def test_check_observations_that_the_algorithm_cannot_take_are_named():
    with pytest.raises(UsageError, match=r"observations of type Box or Discrete.*Dict"):
        check(DQN, "TestsStrange-v0")


def test_check_environment_that_cannot_be_made_shows_the_first_line_of_the_cause():
    with pytest.raises(UsageError) as caught:
        check(DQN, "TestsBroken-v0")
    assert "RuntimeError: no display" in str(caught.value)
    assert "more lines" not in str(caught.value)


def test_check_module_of_an_id_that_cannot_be_imported_says_so():
    with pytest.raises(UsageError, match=r"module 'no_such_envs' cannot be imported"):
        check(DQN, "no_such_envs:Thing-v0")


def test_check_environment_that_prints_leaves_stdout_alone(capsys, tmp_path, monkeypatch):
    (tmp_path / "chatty_envs.py").write_text(
        "import gymnasium\nprint('hello')\n"
        "gymnasium.register('TestsChatty-v0', "
        "entry_point='gymnasium.envs.classic_control:CartPoleEnv')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    check(DQN, "chatty_envs:TestsChatty-v0")
    assert capsys.readouterr().out == ""
    del gymnasium.registry["TestsChatty-v0"]
