import math
from dataclasses import replace

import pytest

from harness.report import replay
from tests.report import replay_samples as rows
from tests.report import samples


def test_outcome_of_a_waived_failure_is_waived_and_not_bad():
    assert replay.outcome(rows.WAIVED) == "waived"
    assert not replay.is_bad(rows.WAIVED)
    assert replay.is_bad(rows.FAILED)


def test_shown_outcome_of_an_optional_tap_says_so():
    assert replay.shown_outcome(rows.OPTIONAL) == "unobserved (optional)"
    assert replay.shown_outcome(rows.FAILED) == "FAILED"


def test_in_question_puts_failures_first_and_leaves_out_what_passed():
    order = [row.tap for row in replay.in_question(tuple(reversed(rows.ROWS)))]
    assert order == [
        "q_net_updates",
        "td_target",
        "loss",
        "value_loss",
        "entropy",
        "q_values",
        "terminal_value",
    ]


def test_first_failed_leaves_out_waived_rows():
    assert replay.first_failed((rows.WAIVED, rows.FAILED)) is rows.FAILED
    assert replay.first_failed((rows.WAIVED,)) is None


def test_measured_says_size_share_time_and_scenario():
    assert replay.measured(rows.FAILED) == (
        "331 of 464 values differ, the largest by 9,238,824 noise floors; 12.5 % of the elements "
        "where it begins; first after 0 updates, 63 env steps of scenario 'base'"
    )


def test_measured_of_missing_and_extra_events_says_whose_they_are():
    assert replay.measured(rows.MISSING) == (
        "2 missing, 1 extra (events that only the reference, or only mine, has); first after 0 "
        "updates, 63 env steps of scenario 'base'"
    )


def test_measured_of_an_exact_difference_has_no_noise_floors():
    said = replay.measured(replace(rows.FAILED, size=math.inf, fields=("reward", "")))
    assert said.startswith("331 of 464 values differ in the fields reward; 12.5 %")


def test_measured_of_parameters_calls_them_so():
    assert "differ in the parameters 0, 3," in replay.measured(
        replace(rows.FAILED, fields=("0", "3"))
    )


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ((), ()),
        (("   9      x", "  10          y"), (" 9  x", "10      y")),
        (("   9      x", "  10  ", "  11      y"), (" 9  x", "10", "11  y")),
        (("   9  \tx", "  10  \t\ty"), (" 9  x", "10      y")),
        (("no number",), ("  no number",)),
        (("   1  \x1b[31mx\x1b[0m\u202e",), ("1  x",)),
    ],
)
def test_excerpt_takes_away_the_common_indent_and_nothing_else(lines, shown):
    assert replay.excerpt(lines) == shown


def test_excerpt_of_many_lines_keeps_the_last():
    lines = tuple(f"{k:>4}  x" for k in range(30))
    assert replay.excerpt(lines, 2) == ("28  x", "29  x")


@pytest.mark.parametrize("name", samples.HOSTILE)
def test_excerpt_of_hostile_source_is_printable(name):
    assert all(line.isprintable() for line in replay.excerpt((f"   1  {name}", name)))


def test_row_of_finding_is_the_failing_stretch_only_for_segments():
    judgement = rows.diverged()
    assert replay.row_of(judgement, judgement.findings[0]) == rows.FAILED
    assert replay.row_of(judgement, judgement.findings[1]) is None


def test_missing_taps_names_what_each_would_buy_and_no_optional_ones():
    assert replay.missing_taps(rows.ROWS) == (
        "q_values: would test network-architecture alone and name its lines, beside "
        "stable_baselines3/dqn/dqn.py:217",
    )


def test_missing_taps_repeats_why_nothing_could_be_tested():
    row = replace(rows.UNOBSERVED, hints=("needs the tap rows",))
    assert replay.missing_taps((row,))[0].startswith("q_values (needs the tap rows): would")


def test_events_sentence_names_what_was_never_exercised():
    said = replay.events_sentence(rows.EVENTS)
    assert said == "exercised: 680 env steps, 464 updates; not exercised: truncations"


def test_draw_group_when_all_is_well_is_one_sentence_with_its_power():
    (group,) = replay.draw_groups((rows.DRAWN, rows.BLIND))
    assert group.rejected == ()
    assert group.said == (
        "rows: 2 features looked at, none differs; smallest detectable: 0.0421 in mean row drawn, "
        "as a share of what is stored (reference 0.5); 1 feature with too few differing draws to "
        "tell"
    )


def test_draw_group_counts_waived_ones_apart():
    waived = replace(rows.REJECTED, waived="on purpose")
    (group,) = replay.draw_groups((rows.REJECTED, waived))
    assert "2 features looked at, 1 DIFFER, 1 waived" in group.said


def test_draw_group_of_draws_that_all_agree_says_that_none_differs_at_all():
    same = replace(rows.BLIND, n=0)
    assert replay.draw_groups((same,))[0].said.endswith("none differs; no draw differs at all")


def test_drawn_says_both_estimates_p_and_n_or_the_reason():
    assert replay.drawn(rows.REJECTED) == (
        "frequency of action 1: mine 0.21, reference 0.36 (adjusted p = < 0.00001, n = 239)"
    )
    known = replace(rows.REJECTED, reason="a row twice", waived="on purpose")
    assert replay.drawn(known) == "frequency of action 1: a row twice; waived: on purpose"


def test_twin_sentence_of_every_status():
    assert replay.twin_sentence(rows.INSIDE) == (
        "CartPole-v1, seed 0: inside: over 12,000 updates, 50,000 env steps, all 9 quantities "
        "stay in the band of nudged reference runs (at most 3.2e-07 of the scale away)"
    )
    assert replay.twin_sentence(rows.DEPARTED) == (
        "Acrobot-v1, seed 0: DEPARTED after 812 updates, 21,624 env steps: q_net_step "
        "(gradient-optimiser) is 0.0021 of its scale away, nudged reference runs 0.000011 at "
        "most; compared: 12,000 updates, 50,000 env steps"
    )
    assert replay.twin_sentence(rows.NOT_RUN) == (
        "Pendulum-v1, seed 0: not run: mine has no tap for its draws"
    )
    assert replay.twin_outcome(replace(rows.DEPARTED, waived="x")) == "waived"


def test_draw_group_in_which_no_test_could_reject_does_not_say_that_none_differs():
    (group,) = replay.draw_groups((rows.BLIND,))
    assert group.is_blind
    assert group.said == (
        "rows: 1 feature looked at, nothing could be shown; smallest detectable: unknown, these "
        "are few draws; 1 feature with too few differing draws to tell"
    )


def test_twin_sentence_of_an_equal_run_says_so_and_from_when_on_the_band_says_little():
    twin = replace(rows.INSIDE, course=((100, 0.0, 1e-6), (1200, 0.0, 0.02), (1300, 0.0, 3.0)))
    assert replay.twin_sentence(twin).endswith(
        "(exactly equal; the band is wider than 1 % of the scale from env step 1,200 on)"
    )
