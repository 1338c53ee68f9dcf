"""Facts decide only while the reference's own seeds agree on them."""

from harness.localise import compare_facts


def rows(mine, reference):
    sides = [dict(enumerate(side)) for side in (mine, reference)]
    return {row.name: row for row in compare_facts(*sides, env_id="Toy-v0")}


def test_equal_facts_are_listed_as_equal():
    row = rows([{"n_updates": [10]}] * 2, [{"n_updates": [10]}] * 2)["n_updates"]
    assert row.is_equal
    assert row.decides
    assert row.hint == ""


def test_differing_count_decides_and_gives_its_size():
    row = rows([{"n_updates": [20]}] * 2, [{"n_updates": [10]}] * 2)["n_updates"]
    assert not row.is_equal
    assert row.decides
    assert row.component == "update-schedule"
    assert (row.mine, row.reference) == ("[20]", "[10]")
    assert row.hint == "difference +10, factor 2"


def test_fact_that_varies_between_reference_seeds_does_not_decide():
    row = rows([{"n_updates": [7]}] * 2, [{"n_updates": [10]}, {"n_updates": [11]}])["n_updates"]
    assert not row.decides
    assert "judged by the statistical tests" in row.hint


def test_single_reference_seed_cannot_show_constancy():
    row = rows([{"n_updates": [7]}], [{"n_updates": [10]}])["n_updates"]
    assert not row.is_equal
    assert not row.decides


def test_one_odd_seed_of_mine_is_a_difference_and_is_the_value_shown():
    mine = [{"n_updates": [10]}, {"n_updates": [9]}]
    row = rows(mine, [{"n_updates": [10]}] * 2)["n_updates"]
    assert not row.is_equal
    assert row.decides
    assert row.mine == "[9] (varies: 2 values over 2 seeds)"
    assert row.hint == "difference -1, factor 0.9"


def test_optimiser_speed_options_are_no_difference():
    mine = [{"optimiser_constants": [{"eps": 1e-8, "lr": 1e-3, "fused": True}]}] * 2
    reference = [{"optimiser_constants": [{"eps": 1e-8, "lr": 1e-3, "foreach": None}]}] * 2
    assert rows(mine, reference)["optimiser_constants"].is_equal


def test_differing_optimiser_constant_is_named():
    mine = [{"optimiser_constants": [{"eps": 1e-5, "betas": [0.9, 0.999]}]}] * 2
    reference = [{"optimiser_constants": [{"eps": 1e-8, "betas": [0.9, 0.999]}]}] * 2
    row = rows(mine, reference)["optimiser_constants"]
    assert row.decides
    assert row.hint == "eps: 1e-05 for 1e-08"


def test_fact_observed_on_one_side_only_does_not_decide():
    row = rows([{}] * 2, [{"grad_clip": [10.0]}] * 2)["grad_clip"]
    assert not row.is_equal
    assert not row.decides
    assert row.mine == "not observed"


def test_fact_that_may_not_decide_is_a_note():
    mine = [{"wrapper_stack": ["A"]}] * 2
    assert not rows(mine, [{"wrapper_stack": ["B"]}] * 2)["wrapper_stack"].decides


def test_no_runs_on_a_side_gives_no_rows():
    assert compare_facts({}, {0: {"n_updates": [1]}}, env_id="Toy-v0") == ()


def test_fact_that_follows_the_seed_is_compared_seed_by_seed():
    mine = [{"reset_seeds": [0]}, {"reset_seeds": [1]}]
    assert rows(mine, mine[:1])["reset_seeds"].is_equal
    assert not rows(mine, [{"reset_seeds": [7]}])["reset_seeds"].is_equal


def test_gradient_clip_that_was_never_called_is_unobserved_not_different():
    row = rows([{"grad_clip": [None]}] * 2, [{"grad_clip": [10.0]}] * 2)["grad_clip"]
    assert (row.mine, row.decides) == ("not observed", False)


def test_env_steps_of_the_last_round_do_not_decide():
    assert not rows([{"env_steps": 100}] * 2, [{"env_steps": 112}] * 2)["env_steps"].decides


def test_way_of_weight_decay_matters_only_where_weights_decay():
    def constants(decay, is_decoupled):
        one = {"weight_decay": decay, "decoupled_weight_decay": is_decoupled}
        return [{"optimiser_constants": [one]}] * 2

    assert rows(constants(0, True), constants(0.0, False))["optimiser_constants"].is_equal
    assert not rows(constants(0.1, True), constants(0.1, False))["optimiser_constants"].is_equal


def test_transition_that_is_not_stored_as_returned_decides():
    row = rows(
        [{"stored_next_obs": "not as returned"}] * 2, [{"stored_next_obs": "as returned"}] * 2
    )["stored_next_obs"]
    assert (row.decides, row.is_equal, row.component) == (True, False, "replay-buffer")
