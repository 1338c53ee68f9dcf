import dataclasses
import math
from collections import namedtuple

import numpy as np
import pytest
import torch

from harness.run.observe.reduce import scalars
from harness.tap import tap
from tests.run.observing import a_model, cartpole, drive, fit, watch


@dataclasses.dataclass
class Batch:
    obs: np.ndarray
    terminated: torch.Tensor


def test_array_is_reduced_to_six_scalars_on_every_path():
    values = np.linspace(-1, 2, 40)
    for array in (values, torch.tensor(values), values.reshape(8, 5), values[:10]):
        flat = np.asarray(array).ravel()
        expected = {
            "x.mean": flat.mean(),
            "x.std": flat.std(),
            "x.min": flat.min(),
            "x.max": flat.max(),
            "x.norm": np.linalg.norm(flat),
            "x.nonfinite": 0.0,
        }
        assert scalars("x", array) == pytest.approx(expected)


@pytest.mark.parametrize(
    "one", [0.5, np.float32(0.5), np.array([[0.5]]), torch.tensor(0.5), torch.tensor([0.5])]
)
def test_one_element_yields_mean_and_nonfinite_alone(one):
    assert scalars("x", one) == {"x.mean": 0.5, "x.nonfinite": 0.0}


@pytest.mark.parametrize("n", [4, 100])
def test_non_finite_share_is_measured_and_nan_stays_nan(n):
    array = np.zeros(n)
    array[0], array[1] = math.nan, math.inf
    reduced = scalars("x", array)
    assert reduced["x.nonfinite"] == pytest.approx(2 / n)
    assert math.isnan(reduced["x.mean"])


def test_mappings_named_tuples_and_dataclasses_give_one_set_per_field():
    made = namedtuple("Batch", "obs terminated")(np.zeros(2), torch.ones(1))
    for value in (dict(made._asdict()), made, Batch(made.obs, made.terminated)):
        reduced = scalars("batch", value)
        assert reduced["batch.terminated.mean"] == 1.0
        assert {name.split(".")[1] for name in reduced} == {"obs", "terminated"}


def test_tensors_that_numpy_cannot_share_are_reduced_too():
    assert scalars("x", torch.ones(2, dtype=torch.bfloat16))["x.mean"] == 1.0
    assert scalars("x", torch.ones(2, requires_grad=True))["x.mean"] == 1.0


def test_modules_absent_fields_and_empty_arrays_give_nothing():
    assert scalars("x", {"net": a_model(), "none": None, "empty": np.zeros(0)}) == {}


def test_tap_on_the_env_clock_is_measured_every_twentieth_step_before_or_after_the_step():
    for is_before in (True, False):

        def work(before=is_before):
            env = cartpole()
            env.reset(seed=0)
            for step in range(1, 201):
                if before:
                    tap("epsilon", float(step))
                if env.step(0)[2]:
                    env.reset()
                if not before:
                    tap("epsilon", float(step + 1))

        _, writer = watch(work, total_timesteps=200)
        # Values of the actions 21, 41 ... 81, then 101 ... 181, averaged.
        assert writer.series("epsilon.mean") == [(81, 51.0), (181, 141.0)]


def test_tap_on_the_update_clock_is_written_with_its_update():
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

    def work():
        drive(cartpole(), 100)
        for update in range(1, 42):
            tap("q_values", torch.full((4,), float(update)))
            fit(model, optimiser, 1)

    _, writer = watch(work)
    assert writer.series("q_values.mean") == [(100, 1.0), (100, 21.0), (100, 41.0)]
    (last,) = [values for _, values in writer.lines if values.get("q_values.mean") == 41.0]
    assert "loss" in last
    assert "q_values.std" in last


def test_tap_returns_the_very_value_and_keeps_its_graph():
    kept = {}

    def work():
        drive(cartpole(), 100)
        value = torch.ones(3, requires_grad=True) * 2
        kept["same"] = tap("q_values", value) is value

    watch(work)
    assert kept["same"]


def test_unknown_tap_is_a_named_problem_with_the_nearest_name():
    def work():
        drive(cartpole(), 100)
        tap("td_targets", 1.0)
        tap("rows", 1.0)

    observation, writer = watch(work)
    facts = observation.facts()
    assert facts["unknown_taps"] == {"td_targets": ["td_target"]}
    assert facts["unseen_taps"] == ["epsilon", "q_values", "td_target"]
    assert not writer.series("rows.mean")


def test_tap_of_a_value_that_cannot_be_reduced_never_raises_and_is_the_reason():
    def work():
        drive(cartpole(), 100)
        assert tap("q_values", "text") == "text"

    reason = watch(work)[0].unobserved_reason()
    assert "tap 'q_values'" in reason
    assert "saw str" in reason
    assert "expected a number, array, tensor" in reason
    assert "mine.py:side" in reason
    assert "seed 3" in reason


def test_tap_outside_the_context_is_off_again():
    watch(lambda: drive(cartpole(), 100))
    assert tap("nonsense", 3) == 3
