from dataclasses import replace

from harness.report import stages
from tests.report import replay_samples as rows
from tests.report import samples


def test_facts_line_of_agreement_and_of_differences():
    equal = tuple(fact for fact in samples.facts() if fact.is_equal)
    assert stages.facts_line(equal) == "facts: 3 compared, all agree"
    assert stages.facts_line(rows.diverged().facts) == (
        "facts: 6 compared, 1 DIFFER: optimiser_constants, 1 waived: net_arch, 1 differ and "
        "decide nothing"
    )


def test_segments_line_counts_what_passed_and_names_the_rest():
    assert stages.segments_line(rows.PASSED) == "segments: 16 of 16 passed"
    assert stages.segments_line(rows.ROWS) == (
        "segments: 16 of 23 passed; 2 FAILED: td_target, q_net_updates; 1 waived: loss; 1 "
        "convention: value_loss; 2 unobserved: q_values, entropy; 1 not exercised: terminal_value"
    )
    assert stages.segments_line((), "mine raised") == (
        "segments: nothing was compared: mine raised"
    )


def test_segments_line_of_many_names_shows_six_and_counts_the_others():
    many = tuple(replace(rows.FAILED, tap=f"t{k}") for k in range(9))
    assert stages.segments_line(many).endswith("9 FAILED: t0, t1, t2, t3, t4, t5 and 3 more")


def test_draws_line_of_every_outcome():
    waived = replace(rows.REJECTED, waived="x")
    assert stages.draws_line(()) == "draws: none were tested"
    assert stages.draws_line((rows.DRAWN,)) == "draws: 1 source, none differs"
    assert stages.draws_line(rows.DRAWS) == "draws: 2 sources, 1 DIFFER: action"
    assert stages.draws_line((rows.BLIND,)) == (
        "draws: 1 source, none differs, 1 drawn too seldom to tell: rows"
    )
    assert stages.draws_line((rows.DRAWN, waived)) == "draws: 2 sources, 1 waived: action"


def test_twins_line_groups_by_outcome():
    assert stages.twins_line(rows.TWINS) == (
        "twin runs: inside: CartPole-v1; DEPARTED: Acrobot-v1 after 812 updates, 21,624 env steps "
        "(q_net_step, gradient-optimiser); not run: Pendulum-v1"
    )
    assert stages.twin_line(rows.NOT_RUN) == (
        "twin: Pendulum-v1, seed 0: not run: mine has no tap for its draws"
    )


def test_waivers_line_names_failing_ones():
    assert stages.waivers_line(rows.WAIVERS) == (
        "waivers: 2 declared, 1 applied (loss); 1 FAIL: tau (expired)"
    )
