"""Optimisers are compared like with like, whatever their order and number."""

from harness.localise import compare_facts
from harness.localise.optimisers import paired_optimisers

ACTOR, CRITIC, ALPHA = 10, 30, 1
NAMES = {"trained_parameter_count", "trained_parameter_shapes", "eps", "grad_clip"}


def facts(*counts, **lists):
    return {"trained_parameter_count": [*counts], **lists}


def test_order_of_the_optimisers_is_the_references():
    mine = {0: facts(CRITIC, ACTOR, ALPHA, eps=["c", "a", "t"])}
    reference = {0: facts(ALPHA, CRITIC, ACTOR, eps=["t", "c", "a"])}
    assert paired_optimisers(mine, reference, NAMES) == (reference, reference)


def test_optimisers_of_one_size_keep_their_order():
    mine = {0: facts(10, 10, 1, eps=["a", "b", "t"])}
    reference = {0: facts(1, 10, 10, eps=["t", "a", "b"])}
    assert paired_optimisers(mine, reference, NAMES)[0] == reference


def test_optimisers_of_other_sizes_stay_in_their_places():
    mine, reference = {0: facts(31, 10, eps=["c", "a"])}, {0: facts(10, 30, eps=["a", "c"])}
    assert paired_optimisers(mine, reference, NAMES) == (mine, reference)


def test_other_number_of_optimisers_gives_distinct_values_and_the_sum():
    mine = {0: facts(15, 15, eps=[1, 1], trained_parameter_shapes=[[[3]], [[2]]], other=[1, 2])}
    reference = {0: facts(30, eps=[1], trained_parameter_shapes=[[[2], [3]]], other=[1, 2])}
    joined = facts(30, eps=[1], trained_parameter_shapes=[[[2], [3]]], other=[1, 2])
    assert paired_optimisers(mine, reference, NAMES) == ({0: joined}, {0: joined})


def test_fact_without_one_entry_per_optimiser_is_left_as_it_is():
    mine = {0: facts(2, 1, eps=["one for all"], other=7)}
    reference = {0: facts(1, 2, eps=["one for all"], other=7)}
    assert paired_optimisers(mine, reference, NAMES)[0] == reference


def test_sides_without_optimisers_are_left_as_they_are():
    assert paired_optimisers({0: {"eps": [1]}}, {0: {}}, NAMES) == ({0: {"eps": [1]}}, {0: {}})


def rows(mine, reference):
    found = compare_facts({0: mine}, {0: reference, 1: reference}, env_id="Toy-v0")
    return {row.name: row for row in found}


def test_constant_of_one_of_two_optimisers_is_a_difference_beside_a_joint_one():
    right, wrong = {"eps": 1e-8, "foreach": True}, {"eps": 1e-5}
    reference = facts(30, optimiser_constants=[{"eps": 1e-8}])
    assert rows(facts(15, 15, optimiser_constants=[right, right]), reference)[
        "optimiser_constants"
    ].is_equal
    row = rows(facts(15, 15, optimiser_constants=[right, wrong]), reference)["optimiser_constants"]
    assert row.decides
    assert not row.is_equal


def test_schedule_computed_in_another_order_is_equal():
    row = rows({"learning_rate_first": [0.1 + 0.2]}, {"learning_rate_first": [0.3]})
    assert row["learning_rate_first"].is_equal


def test_named_values_are_compared_where_every_run_has_them():
    mine = {"tapped_numbers": {"epsilon": 0.5, "own": 1.0}}
    reference = {"tapped_numbers": {"epsilon": 0.4, "clip_range": 0.2}}
    row = rows(mine, reference)["tapped_numbers"]
    assert (row.mine, row.reference) == ('{"epsilon": 0.5}', '{"epsilon": 0.4}')
    assert row.hint == "epsilon: 0.5 for 0.4"
    assert not row.decides


def test_named_values_without_a_common_name_are_no_row():
    found = rows({"tapped_numbers": {"own": 1.0}}, {"tapped_numbers": {"epsilon": 0.4}})
    assert "tapped_numbers" not in found
