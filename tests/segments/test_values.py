"""A tapped value as arrays, and the reference's arrays handed on as the caller's own type."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch

from harness.segments.modules import Modules
from harness.segments.tape import fits
from harness.segments.values import arrays_of, hand_on


class Pair(NamedTuple):
    a: float
    b: np.ndarray


@dataclass(frozen=True)
class Box:
    x: torch.Tensor


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        3,
        True,
        np.float32(2.5),
        np.arange(6).reshape(2, 3),
        torch.arange(4.0),
        [1, 2, 3],
        {"a": 1.0, "b": np.zeros(2)},
        Pair(1.0, np.zeros(3)),
        Box(torch.ones(2)),
    ],
)
def test_value_handed_on_keeps_type_and_holds_the_reference(value):
    arrays = {
        path: array + 1 if array.dtype != bool else ~array
        for path, array in arrays_of(value).items()
    }
    result = hand_on(value, arrays)
    assert type(result) is type(value)
    known = arrays_of(result)
    assert known.keys() == arrays.keys()
    assert all(np.array_equal(known[path], arrays[path]) for path in arrays)


def test_tensor_with_a_graph_takes_the_value_and_keeps_the_gradient():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    handed = hand_on(3 * x, {"": np.array([10.0, 20.0])})
    assert handed.tolist() == [10.0, 20.0]
    handed.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_exact_shape_dtype_and_a_fresh_copy():
    own = torch.zeros(3, 1, dtype=torch.float64)
    known = np.arange(3, dtype=np.float32)
    handed = hand_on(own, {"": known})
    assert (handed.shape, handed.dtype) == (own.shape, own.dtype)
    handed += 1
    assert known.tolist() == [0, 1, 2]


def test_other_shape_keeps_the_callers_value():
    own = torch.zeros(3)
    assert hand_on(own, {"": np.ones((3, 3))}) is own


def test_module_is_loaded_in_place_and_its_storage_stays():
    modules = Modules({})
    module = torch.nn.Linear(2, 1)
    modules.register("q", module, None)
    places = [p.data_ptr() for p in module.parameters()]
    wanted = {path: np.full_like(array, 7.0) for path, array in modules.arrays("q").items()}
    modules.load("q", wanted)
    assert all((p == 7).all() for p in module.parameters())
    assert [p.data_ptr() for p in module.parameters()] == places


def test_value_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="saw str"):
        arrays_of("text")


@pytest.mark.parametrize(
    ("mine", "expected"), [((4, 6), True), ((4, 2, 3), True), ((4, 3, 2), False), ((24,), False)]
)
def test_rows_that_are_stored_flat_fit_rows_of_any_shape(mine, expected):
    assert fits(np.zeros(mine), np.zeros((4, 2, 3))) is expected


class Foreign:
    """An array of a library that only offers its numbers."""

    shape, dtype = (2, 1), "float32"

    def __array__(self, dtype=None, copy=None):
        return np.array([[1.0], [2.0]], dtype or np.float32)


def test_array_of_a_library_that_only_offers_its_numbers_goes_on_as_numpy():
    value = Foreign()
    assert arrays_of(value)[""].tolist() == [[1.0], [2.0]]
    handed = hand_on(value, {"": np.array([3.0, 4.0])})
    assert (handed.tolist(), handed.dtype) == ([[3.0], [4.0]], np.float32)
    assert hand_on(value, {"": np.zeros(3)}) is value
