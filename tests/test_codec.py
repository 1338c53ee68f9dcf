import math

import numpy as np
import pytest

from harness.codec import floats_back, from_json, from_plain, to_json, to_plain
from harness.errors import CorruptResult
from harness.judgement import Interval, LookRow
from harness.records import ComparisonSpec, EnvPlan, Margin, RunSpec, SideSpec
from tests.store.store_toys import make_run


def test_run_spec_when_written_and_read_is_equal():
    run = make_run()
    assert from_json(RunSpec, to_json(run)) == run


def test_text_of_equal_records_when_fields_come_in_another_order_is_equal():
    first = make_run(hyperparameters={"gamma": 0.9, "tau": 1.0})
    second = make_run(hyperparameters={"tau": 1.0, "gamma": 0.9})
    assert to_json(first) == to_json(second)


def test_comparison_spec_when_written_and_read_is_equal():
    side = SideSpec("NaN", None, "baselines.sb3", "side", None, "d" * 64, {"sb3": "2"})
    plan = EnvPlan("NaN", "easy", 10, 1, {"max_grad_norm": math.inf}, {"gamma": "rl-zoo"})
    spec = ComparisonSpec(
        "dqn", (plan,), side, side, (3, 5), (0, 1, 2, 3, 4), 0.05, Margin(1.0), "quick"
    )
    assert from_json(ComparisonSpec, to_json(spec)) == spec


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.0, -0.0, 1e-300, 0.1])
def test_float_when_written_and_read_is_the_same(value):
    interval = Interval(value, -math.inf, math.inf, 0.95)
    assert from_json(Interval, to_json(interval)) == interval


def test_nan_when_written_and_read_is_nan():
    assert math.isnan(from_json(Interval, to_json(Interval(math.nan, 0, 1, 0.9))).estimate)


def test_non_finite_in_a_typed_mapping_when_read_is_a_float():
    row = LookRow(3, 3, 10, 0.01, 0.0, {"e": math.inf}, {"e": -math.inf}, "parity")
    assert from_json(LookRow, to_json(row)) == row


def test_nested_json_values_when_read_become_floats_again():
    run = make_run(hyperparameters={"a": [{"b": -math.inf}], "c": None, "d": True})
    assert from_json(RunSpec, to_json(run)) == run
    assert floats_back(to_plain({"x": (1, math.inf)})) == {"x": [1, math.inf]}


def test_numpy_scalars_when_written_are_plain_numbers():
    assert to_json({"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)}) == (
        '{"a":0.5,"b":3,"c":true}'
    )


def test_object_that_json_cannot_hold_when_written_is_named():
    with pytest.raises(TypeError, match=r"expected a value that JSON can hold, saw object"):
        to_json({"a": object()})


@pytest.mark.parametrize("text", ["", "{", "[1", "[" * 100_000, "nul"])
def test_unreadable_text_when_read_is_a_corrupt_result(text):
    with pytest.raises(CorruptResult, match="expected the JSON text of a RunSpec"):
        from_json(RunSpec, text)


def test_missing_field_when_read_is_named():
    plain = to_plain(make_run())
    del plain["seed"]
    with pytest.raises(CorruptResult, match=r"expected a RunSpec, saw 1 misfits.*at seed"):
        from_plain(RunSpec, plain)
