from harness.spec.cards import card
from harness.spec.cards.names import is_hooked, other_algos, unknown_tap_sentence


def test_unknown_tap_is_answered_with_the_nearest():
    sentence = unknown_tap_sentence("td_targt", card("dqn"))
    assert sentence == "'td_targt' is no tap of dqn; did you mean 'td_target' or 'target_net'?"


def test_unknown_tap_near_nothing_is_answered_with_all():
    sentence = unknown_tap_sentence("zzzz", card("dqn"))
    assert sentence.startswith("'zzzz' is no tap of dqn; valid: q_net, target_net")


def test_tap_of_another_algorithm_is_known_as_such():
    assert "ppo" in other_algos("advantages", card("dqn"))
    assert other_algos("zzzz", card("dqn")) == ()


def test_rows_that_optimisers_show_need_no_tap():
    assert is_hooked("target_params")
    assert not is_hooked("loss")
