"""Updates of JAX are seen through flax's train states, here with a stand-in for the libraries."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.run.jax_stand_in import install
from tests.run.observing import cartpole, drive, watch

LIBRARIES = ("jax", "flax", "optax", "jaxside")


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Put the stand-in on the path; what is imported of it, or of the real ones, is undone."""
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    for name in [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]:
        del sys.modules[name]


def side():
    return importlib.import_module("jaxside")


def test_clipped_adam_is_described_in_torchs_words(libraries):
    def work():
        jax_side = side()
        optax = sys.modules["optax"]
        clipped = optax.chain(
            optax.clip_by_global_norm(0.5),
            optax.inject_hyperparams(optax.adam)(learning_rate=0.1, eps=1e-5),
        )
        state = jax_side.state(clipped)
        drive(cartpole(), 100)
        for _ in range(3):
            state = jax_side.compiled(state)

    observation, writer = watch(work)
    facts = observation.facts()
    assert observation.unobserved_reason() is None
    assert facts["n_updates"] == [3]
    assert facts["optimiser_class"] == ["Adam"]
    constants = {"betas": [0.9, 0.999], "eps": 1e-5, "nesterov": False}
    assert facts["optimiser_constants"] == [constants]
    assert facts["grad_clip"] == [0.5]
    assert facts["learning_rate_first"] == facts["learning_rate_last"] == [0.1]
    assert facts["first_update_env_step"] == facts["last_update_env_step"] == [100]
    assert facts["trained_parameter_count"] == [6]
    assert facts["trained_parameter_shapes"] == [[[2, 3]]]
    assert facts["dtype"] == "float32"
    assert facts["torch_threads"] == torch.get_num_threads()
    assert observation.updates == 3
    assert writer.steps[-1] == (100, 3)


def test_norms_of_the_first_update_are_those_computed_by_hand(libraries):
    def work():
        jax_side = side()
        state = jax_side.state(sys.modules["optax"].sgd(0.3))
        drive(cartpole(), 10)
        jax_side.compiled(state, by=0.5)

    _, writer = watch(work, total_timesteps=10)
    [(env_step, values)] = [line for line in writer.lines if "param_norm" in line[1]]
    assert env_step == 10
    assert values["update_norm"] == pytest.approx(np.sqrt(6 * 0.5**2))
    assert values["param_norm"] == pytest.approx(np.sqrt(6 * 0.5**2))
    assert values["learning_rate"] == 0.3
    assert values["updates_per_env_step"] == 0.1
    assert "loss" not in values


def test_rounds_of_many_updates_are_counted_and_have_no_norm_of_one_update(libraries):
    def work():
        jax_side = side()
        state = jax_side.state(sys.modules["optax"].adamw(0.3, weight_decay=0.0))
        env = cartpole()
        drive(env, 10)
        state = jax_side.compiled(state, n=128)
        drive(env, 10)
        jax_side.compiled(state, n=128)

    observation, writer = watch(work, total_timesteps=20)
    assert observation.facts()["n_updates"] == [256]
    assert observation.facts()["optimiser_class"] == ["Adam"]  # without decay
    assert not writer.series("update_norm")
    assert [step for step, _ in writer.series("param_norm")] == [10, 20]


def test_updates_beyond_what_was_asked_for_are_no_difference(libraries):
    def work():
        jax_side = side()
        state = jax_side.state(sys.modules["optax"].adam(0.3))
        env = cartpole()
        drive(env, 10)
        state = jax_side.compiled(state)
        drive(env, 10)
        jax_side.compiled(state)

    observation, _ = watch(work, total_timesteps=15)
    assert observation.facts()["n_updates"] == [1]


def test_subclass_and_a_change_beside_the_weights_count_no_update(libraries):
    def work():
        jax_side = side()
        kind = jax_side.WithTarget
        state = jax_side.state(sys.modules["optax"].adam(0.3), kind=kind, target={})
        drive(cartpole(), 10)
        for _ in range(4):
            state = jax_side.compiled(state)
            state = jax_side.dataclasses.replace(state, target=state.params, opt_state=())

    observation, _ = watch(work, total_timesteps=10)
    assert observation.facts()["n_updates"] == [4]


def test_two_optimisers_of_one_transformation_are_told_apart(libraries):
    def work():
        jax_side = side()
        adam = sys.modules["optax"].adam(0.3)
        states = [jax_side.state(adam, opt_state=[k]) for k in range(2)]
        drive(cartpole(), 10)
        for _ in range(3):
            states = [jax_side.compiled(state) for state in states]

    observation, _ = watch(work, total_timesteps=10)
    assert observation.facts()["n_updates"] == [3, 3]


def test_optimiser_that_never_changes_a_weight_is_none(libraries):
    def work():
        jax_side = side()
        optax = sys.modules["optax"]
        idle, trained = jax_side.state(optax.adam(0.1)), jax_side.state(optax.adam(0.3))
        drive(cartpole(), 10)
        jax_side.compiled(idle, by=0.0)
        jax_side.compiled(trained)

    observation, _ = watch(work, total_timesteps=10)
    assert observation.facts()["n_updates"] == [1]
    assert observation.facts()["learning_rate_first"] == [0.3]
    assert observation.updates == 1


def test_optimiser_that_was_not_seen_being_made_is_not_described(libraries):
    def work():
        jax_side = side()
        state = jax_side.state(object())
        drive(cartpole(), 10)
        jax_side.compiled(state)

    facts = watch(work, total_timesteps=10)[0].facts()
    assert facts["n_updates"] == [1]
    assert facts.keys().isdisjoint({"optimiser_class", "grad_clip", "learning_rate_first"})


def test_weights_that_are_no_numbers_are_the_outcome(libraries):
    def work():
        jax_side = side()
        state = jax_side.state(sys.modules["optax"].adam(0.3))
        drive(cartpole(), 10)
        jax_side.compiled(state, by=float("nan"))

    observation, _ = watch(work, total_timesteps=10)
    assert observation.first_non_finite == "param_norm was nan at update 1, env step 10"


def test_class_is_put_back_and_makers_stay_what_libraries_compare_them_with(libraries):
    jax_side, seen = side(), {}
    adam = sys.modules["optax"].adam

    def work():
        seen["init"] = vars(jax_side.TrainState)["__init__"]
        seen["adam"] = sys.modules["optax"].adam

    watch(work)
    assert vars(jax_side.TrainState)["__init__"] is not seen["init"]
    assert "__init_subclass__" not in vars(jax_side.TrainState)
    assert sys.modules["optax"].adam is seen["adam"] is adam
    assert not any(type(finder).__name__ == "Arrivals" for finder in sys.meta_path)


def test_makers_that_were_watched_once_are_known_to_the_next_watch(libraries):
    made = []
    watch(lambda: made.append(side().state(sys.modules["optax"].adam(0.3))))

    def work():
        drive(cartpole(), 10)
        side().compiled(side().dataclasses.replace(made[0]))

    facts = watch(work, total_timesteps=10)[0].facts()
    assert facts["optimiser_class"] == ["Adam"]


def test_module_that_cannot_be_watched_is_named_and_trains_on(libraries, tmp_path):
    (tmp_path / "optax/__init__.py").write_text("class Transformation: pass\n")
    done = []

    def work():
        importlib.import_module("optax")
        done.append(True)

    observation, _ = watch(work)
    assert done
    assert "import of optax: AttributeError" in observation.fault


def test_watching_imports_none_of_them():
    code = (
        "import sys, harness.run.child, harness.run.observe, harness.run.preload as p\n"
        "p.preload(p.MODULES)\n"
        "print([n for n in ('jax', 'flax', 'optax', 'sbx') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
