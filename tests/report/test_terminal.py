import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.report.terminal import SCREEN, render, render_text
from tests.report import replay_samples, samples

FIVE = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3", "Pendulum-v1", "MountainCar-v0")
NAMED = [name for name in samples.ALL if name != "hostile"]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("width", [100, 120])
def test_render_text_of_five_envs_fits_one_screen(name, width):
    shown = render_text(samples.ALL[name](FIVE), width, folder="results/x")
    assert shown.count("\n") <= SCREEN
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", NAMED)
def test_render_text_says_verdict_meaning_and_where_the_report_lies(name):
    judgement = samples.ALL[name]()
    shown = render_text(judgement, folder="results/x")
    assert judgement.verdict.upper() in shown.splitlines()[0]
    assert "results/x/report.html" in shown
    if judgement.verdict in ("inconclusive", "invalid"):
        assert "This is not a pass." in " ".join(shown.split())


def test_render_text_of_divergence_says_which_line_to_open_and_when_it_begins():
    shown = render_text(samples.diverged_by_trace())
    assert "my_impls/dqn.py:143" in shown
    assert "stable_baselines3/dqn/dqn.py:211" in shown
    assert "begins between env steps 15,500 and 18,000" in shown
    assert shown.index("1. td_target.mean") < shown.index("2. td_target.max")


def test_render_text_of_parity_gives_interval_seeds_p_and_margin():
    row = next(line for line in render_text(samples.parity()).splitlines() if "CartPole" in line)
    cells = [
        "5 + 5",
        "477 [465, 489]",
        "480 [470, 490]",
        "−3 [−18, 12]",
        "no, p 0.2",
        "±35",
        "yes, p 0.004",
    ]
    assert all(cell in row for cell in cells)


def test_render_text_of_inconclusive_says_what_it_would_cost():
    shown = " ".join(render_text(samples.inconclusive()).split())
    assert "about 12 seeds per side would show the same within ±35 reward (now 3 + 3)" in shown
    assert "a true gap of 41.5 reward 4 times in 5" in shown


def test_render_text_of_crash_shows_the_last_stderr_line():
    shown = " ".join(render_text(samples.invalid()).split())
    assert "seed 0, 1, 2: crashed with an exception" in shown
    assert "last line: ValueError: expected 4 observations, got 2" in shown


@pytest.mark.parametrize("made", [samples.hostile, replay_samples.hostile])
def test_render_of_hostile_names_shows_them_literally_without_control_characters(made):
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    console.print(render(made()))
    shown = out.getvalue()
    assert "[/red]" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_render_text_of_same_judgement_is_the_same_text():
    assert render_text(samples.hostile()) == render_text(samples.hostile())


@pytest.mark.parametrize("name", ["replay diverged", "replay parity", "replay numerical"])
@pytest.mark.parametrize("width", [100, 120])
def test_render_text_of_what_was_tested_without_training_fits_one_screen(name, width):
    shown = render_text(replay_samples.ALL[name](), width, folder="results/x")
    assert shown.count("\n") <= SCREEN
    assert max(map(len, shown.splitlines())) <= width


def test_render_text_of_failing_stretch_shows_its_lines_below_the_headline():
    shown = render_text(replay_samples.diverged())
    lines = shown.splitlines()
    first = lines.index("td_target, mine: my_impls/dqn.py:154-157")
    assert lines[first + 1] == "  154  with torch.no_grad():"
    assert lines[first + 5] == "beside the reference: stable_baselines3/dqn/dqn.py:203-211"
    assert first < lines.index("Where it goes wrong, most suspicious first")


def test_render_text_of_very_long_source_shows_at_most_twelve_lines_of_it():
    many = tuple(f"{k:>4}  x = {k}" for k in range(100, 130))
    row = replace(replay_samples.FAILED, mine_source=many, reference_source=("   7  y" * 90,))
    shown = render_text(replace(samples.parity(), envs=(), segments=(row,)), 100)
    assert "  129  x = 129" in shown
    assert "  118  x = 118" in shown
    assert "117  x" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_render_text_of_waivers_says_what_was_waived():
    shown = render_text(replay_samples.diverged())
    assert "waivers: 2 declared, 1 applied (loss); 1 FAIL: tau (expired)" in shown


def test_render_text_of_numerical_parity_claims_nothing_that_the_curves_do_not_show():
    shown = " ".join(render_text(replay_samples.numerical()).split())
    assert "Both calculate the same" in shown
    assert "are shown to lie inside the margin" not in shown
    assert "Shown different is out of reach with so few seeds, where p" in shown
    assert "What the curves alone would need" in shown
