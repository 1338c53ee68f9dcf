from dataclasses import replace

from harness.judgement import SegmentsResult
from harness.report.segments import MAX_SOURCE, render_segments
from tests.report import replay_samples as rows
from tests.report import samples


def test_render_segments_without_rows_says_why_and_shows_notes():
    shown = render_segments(SegmentsResult(reason="mine raised: x", notes=("left out",)))
    assert shown == "nothing was compared: mine raised: x\nnote: left out"


def test_render_segments_has_one_line_per_stretch_with_its_mark():
    lines = render_segments(rows.result()).splitlines()
    assert "     ok  rows            my_impls/dqn.py:100" in lines
    assert any(line.startswith("   FAIL  td_target") for line in lines)
    assert any(line.startswith(" waived  loss") for line in lines)
    assert "differs  value_loss      my_impls/dqn.py:154-157  (loss)" in lines
    assert " no tap  entropy         (optional)" in lines
    assert "not run  terminal_value" in lines


def test_render_segments_of_failing_stretch_says_size_hint_places_and_lines():
    shown = render_segments(rows.result())
    assert "331 of 464 values differ, the largest by 9,238,824 noise floors" in shown
    assert "hint: only rows with terminated = 1 are off" in shown
    assert "waived: squared error on purpose" in shown
    assert (
        "open first: my_impls/dqn.py:154-157 beside stable_baselines3/dqn/dqn.py:203-211 "
        "(bootstrapping-termination)"
    ) in shown
    assert "    157  y = tap(" in shown
    assert "    203  with th.no_grad():" in shown
    assert "  mine, also ran: my_impls/dqn.py:122-125" in shown


def test_render_segments_says_what_was_drawn_exercised_and_not_tested():
    shown = render_segments(rows.result())
    assert "    frequency of action 1: mine 0.21, reference 0.36" in shown
    assert (
        "exercised: 680 env steps, 464 updates; not exercised: truncations\nnote: a note" in shown
    )
    assert "1 stretch not tested for want of a tap:\n  q_values: would test" in shown


def test_render_segments_ends_with_how_everything_came_out():
    last = render_segments(rows.result()).splitlines()[-1]
    assert last == (
        "23 stretches of code: 2 FAILED, 1 waived, 1 convention, 2 unobserved, 1 not exercised, "
        "16 passed; draws: 2 sources, 1 DIFFER: action"
    )


def test_render_segments_of_rejected_draws_alone_says_where_they_are_drawn():
    shown = render_segments(SegmentsResult(rows.PASSED, rows.EVENTS, draws=rows.DRAWS))
    assert (
        "open first: my_impls/dqn.py:94 beside stable_baselines3/common/buffers.py:114 "
        "(exploration)"
    ) in shown


def test_render_segments_of_long_source_shows_twelve_lines():
    many = tuple(f"{k:>4}  x = {k}" for k in range(100, 130))
    row = replace(rows.FAILED, mine_source=many, reference_source=())
    shown = render_segments(SegmentsResult((row,)))
    assert sum(line.startswith("    1") for line in shown.splitlines()) == MAX_SOURCE


def test_render_segments_of_hostile_text_is_printable():
    judgement = rows.hostile()
    found = SegmentsResult(
        judgement.segments, judgement.segment_events, draws=judgement.draws, notes=samples.HOSTILE
    )
    assert all(line.isprintable() for line in render_segments(found).split("\n"))
