"""What waivers hide and what they do not; what becomes of each."""

from datetime import date

import pytest

from harness.waiver import (
    Applied,
    Checked,
    Waiver,
    apply_waivers,
    failures,
    is_expired,
    matches,
    reason_of,
)

TODAY = date(2026, 7, 1)
ENV = "CartPole-v1"


def waiver(what="td_target", **rest):
    return Waiver(what, rest.pop("reason", "on purpose"), rest.pop("expires", "2027-01-01"), **rest)


def segment(quantity, state, *fields, env_id=ENV):
    return Checked("segment", quantity, env_id, state, fields)


def applied(checked, *waivers, algo="dqn", today=TODAY):
    return apply_waivers(checked, waivers, algo=algo, today=today)


def statuses(checked, *waivers, **rest):
    return [row.status for row in applied(checked, *waivers, **rest).rows]


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 12, 31), False),
        (date(2027, 1, 1), False),
        (date(2027, 1, 2), True),
    ],
)
def test_last_day_is_still_a_day(today, expected):
    assert is_expired(waiver(), today) is expected


@pytest.mark.parametrize(
    ("what", "quantity", "expected"),
    [
        ("td_target", "td_target", True),
        ("td_target", "td_target.std", True),
        ("transition", "transition.reward.mean", True),
        ("transition.reward", "transition.reward.mean", True),
        ("transition.reward", "transition.obs.mean", False),
        ("transition.reward", "transition", False),
        ("td_target", "td_target_grad", False),
        ("loss", "loss.1", False),
        ("loss", "loss.1.mean", False),
        ("q", "q_values", False),
    ],
)
def test_quantity_when_named_covers_its_parts_and_nothing_else(what, quantity, expected):
    scope = {"level": "trace", "algo": "dqn", "env_id": ENV}
    assert matches(waiver(what), quantity=quantity, **scope) is expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, True),
        ({"level": "segment"}, True),
        ({"level": "trace"}, False),
        ({"algo": "dqn"}, True),
        ({"algo": "sac"}, False),
        ({"env": ENV}, True),
        ({"env": "Acrobot-v1"}, False),
    ],
)
def test_scope_when_stated_must_hold(scope, expected):
    given = {"level": "segment", "quantity": "td_target", "algo": "dqn", "env_id": ENV}
    assert matches(waiver(**scope), **given) is expected


def test_waived_difference_carries_its_reason_and_shows_as_applied():
    one = segment("td_target", "differs")
    found = applied([one], waiver())
    assert reason_of(found, one) == "on purpose"
    assert [row.status for row in found.rows] == ["applied"]
    assert failures(found.rows) == ()


def test_second_difference_in_the_same_component_stays():
    target, other = segment("td_target", "differs"), segment("next_q", "differs")
    found = applied([target, other], waiver())
    assert reason_of(found, target)
    assert reason_of(found, other) == ""


def test_difference_that_is_gone_fails_the_waiver():
    found = applied([segment("td_target", "agrees")], waiver())
    assert [row.status for row in found.rows] == ["no longer differs"]
    assert failures(found.rows) == (
        "waiver of 'td_target': td_target no longer differs; remove the waiver",
    )


@pytest.mark.parametrize(
    ("state", "detail"),
    [
        ("differs", "expired after 2026-06-30 and it differs; extend it with a reason, or remove"),
        ("agrees", "expired after 2026-06-30; extend it with a reason, or remove it"),
    ],
)
def test_expired_waiver_hides_nothing_and_fails(state, detail):
    one = segment("td_target", state)
    found = applied([one], waiver(expires="2026-06-30"))
    assert reason_of(found, one) == ""
    assert [row.status for row in found.rows] == ["expired"]
    assert detail in failures(found.rows)[0]


def test_waiver_outside_its_scope_is_neutral_and_says_why():
    checked = [segment("td_target", "differs")]
    away = [
        waiver(algo="sac"),
        waiver(env="Acrobot-v1"),
        waiver("td_targt"),
        waiver(level="draw"),
    ]
    found = applied(checked, *away)
    assert {row.status for row in found.rows} == {"out of scope"}
    assert [row.detail for row in found.rows] == [
        "declared for sac, this is dqn",
        "Acrobot-v1 is not compared here",
        "nothing of this name was checked here; did you mean 'td_target'?",
        "nothing of this name was checked here at the level draw",
    ]
    assert reason_of(found, *checked) == ""
    assert failures(found.rows) == ()


def test_expired_waiver_of_another_algorithm_does_not_fail_this_comparison():
    checked = [segment("td_target", "agrees")]
    old = waiver(algo="sac", expires="2020-01-01")
    assert statuses(checked, old) == ["out of scope"]


def test_test_that_does_not_reject_is_no_agreement():
    checked = [Checked("trace", "td_target.mean", ENV, "undecided")]
    assert statuses(checked, waiver()) == ["undecided"]


def test_level_left_out_is_judged_over_all_levels():
    agrees, undecided = (
        segment("td_target", "agrees"),
        Checked("trace", "td_target.mean", ENV, "undecided"),
    )
    differs = Checked("twin", "td_target", ENV, "differs")
    assert statuses([agrees, undecided], waiver()) == ["no longer differs"]
    assert statuses([agrees, undecided, differs], waiver()) == ["applied"]
    assert statuses([agrees, undecided, differs], waiver(level="segment")) == ["no longer differs"]


def test_row_of_two_environments_is_waived_only_when_both_are():
    both = [segment("td_target", "differs", env_id=env) for env in (ENV, "Acrobot-v1")]
    assert reason_of(applied(both, waiver(env=ENV)), *both) == ""
    assert reason_of(applied(both, waiver()), *both) == "on purpose"
    two = (waiver(env=ENV, reason="a"), waiver(env="Acrobot-v1", reason="b"))
    assert reason_of(applied(both, *two), *both) == "a; b"


def test_field_when_named_hides_that_field_alone():
    reward = waiver("transition.reward", reason="scaled")
    alone = segment("transition", "differs", "reward")
    with_obs = segment("transition", "differs", "reward", "obs")
    assert reason_of(applied([alone], reward), alone) == "scaled"
    assert reason_of(applied([with_obs], reward), with_obs) == ""
    both = (reward, waiver("transition.obs", reason="flat"))
    assert reason_of(applied([with_obs], *both), with_obs) == "scaled; flat"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (segment("transition", "differs", "reward"), "applied"),
        (segment("transition", "differs", "obs"), "no longer differs"),
        (segment("transition", "agrees"), "no longer differs"),
        (segment("transition", "differs"), "undecided"),
    ],
)
def test_field_when_named_is_followed_through_its_tap(one, expected):
    assert statuses([one], waiver("transition.reward")) == [expected]


def test_nothing_differs_then_nothing_is_waived():
    one = segment("td_target", "agrees")
    assert reason_of(Applied({}, ()), one) == ""
    assert reason_of(Applied({}, ())) == ""
