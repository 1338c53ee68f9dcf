"""Headline and advice of each verdict, from made-up evidence."""

from dataclasses import replace

import pytest

from harness.verdict import Decision, words
from tests.report import samples

ENVS = ("CartPole-v1", "Acrobot-v1")


def said(verdict, envs=ENVS, findings=(), reasons=()):
    return words.headline(
        Decision(verdict, "", reasons),
        sides=("mine.py:side", "sb3"),
        envs=[samples.env(env_id) for env_id in envs],
        findings=findings,
    )


def advised(verdict, *, envs=(), findings=(), runs=()):
    decision = Decision(verdict, "", ())
    return words.look_next(decision, envs=envs, findings=findings, runs=runs)


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        ("parity", "learns the same as sb3 on CartPole-v1 and Acrobot-v1: final performance"),
        ("inconclusive", "equivalence was not shown either"),
    ],
)
def test_headline_of_two_envs_names_both_and_claims_no_more_than_was_shown(verdict, shown):
    assert shown in said(verdict)
    assert "every difference" not in said(verdict)


def test_headline_of_inconclusive_with_waivers_speaks_of_what_is_not_declared():
    declared = words.headline(
        Decision("inconclusive", "", ()),
        sides=("mine.py:side", "sb3"),
        envs=[samples.env("CartPole-v1")],
        findings=(),
        is_waived=True,
    )
    assert "mine.py:side and sb3 beyond the declared ones was established" in declared
    assert "declared" not in said("inconclusive")


def test_headline_of_invalid_gives_the_first_reason():
    assert said("invalid", reasons=("it crashed", "x")).endswith(
        "could not be compared: it crashed"
    )


def test_headline_of_divergence_says_which_lines_to_open():
    [finding, *_] = samples.diverged_by_trace().findings
    assert said("diverged", findings=[finding]).endswith(
        "(td_target.mean): open my_impls/dqn.py:143 beside stable_baselines3/dqn/dqn.py:211"
    )
    nowhere = replace(finding, mine_place="", reference_place="")
    assert said("diverged", findings=[nowhere]).endswith("(td_target.mean)")


def test_look_next_of_divergence_gives_each_advice_once_and_at_most_three():
    [finding, *_] = samples.diverged_by_trace().findings
    several = [replace(finding, look_next=f"look {k}.") for k in (1, 1, 2, 3, 4)]
    assert advised("diverged", findings=several) == ("look 1.", "look 2.", "look 3.")


def test_look_next_of_invalid_names_the_first_failed_runs():
    runs = [run for run in samples.invalid().runs if run.message]
    lines = advised("invalid", runs=runs)
    assert 0 < len(lines) <= 3
    assert all(run.message in line for run, line in zip(runs, lines, strict=False))


def test_look_next_of_parity_is_empty():
    assert advised("parity") == ()


def test_look_next_of_inconclusive_counts_missing_seeds_and_env_steps():
    parts = {"endpoints": samples.endpoints(is_equivalent=False, seeds_for_parity=12)}
    env = samples.env("CartPole-v1", outcome="inconclusive", n=5, **parts)
    [line] = advised("inconclusive", envs=[env])
    assert "go on with --seeds 12" in line
    assert f"7 more seeds per side, {2 * 7 * env.total_timesteps:,} env steps" in line


def test_look_next_when_no_difference_could_be_shown_says_which_level_was_missed():
    parts = {"endpoints": samples.endpoints(is_equivalent=False, seeds_for_parity=None)}
    env = samples.env("CartPole-v1", outcome="inconclusive", n=3, **parts)
    env = replace(env, smallest_p=0.1, alpha_per_test=0.025)
    [line] = advised("inconclusive", envs=[env])
    assert "smallest reachable p is 0.1, above the level 0.025" in line


def test_look_next_when_only_a_difference_is_open_asks_for_no_seeds():
    env = replace(samples.env("CartPole-v1", n=5), smallest_p=0.001, alpha_per_test=0.025)
    assert advised("inconclusive", envs=[env]) == ()


def test_headline_of_numerical_parity_says_what_agrees():
    text = words.headline(
        Decision("parity", "numerical", ()),
        sides=("mine.py:side", "sb3"),
        envs=[samples.env("CartPole-v1")],
        findings=(),
    )
    assert text == (
        "mine.py:side is numerically the same as sb3: every stretch of code, every draw, "
        "and whole runs on CartPole-v1 agree"
    )


def test_divergence_by_a_waiver_alone_has_no_place_but_its_reason():
    assert said("diverged", reasons=("waiver of 'x': remove it",)).endswith(
        "do not agree as declared: waiver of 'x': remove it"
    )
    decision = Decision("diverged", "", ("waiver of 'x': remove it",))
    assert words.look_next(decision, envs=(), findings=(), runs=()) == decision.reasons


def test_look_next_of_invalid_without_runs_gives_its_reasons():
    decision = Decision("invalid", "", ("scenario 'base': mine raised", "b", "c", "d"))
    assert words.look_next(decision, envs=(), findings=(), runs=()) == decision.reasons[:3]


def test_look_next_of_inconclusive_begins_with_what_numerical_parity_lacks():
    parts = {"endpoints": samples.endpoints(is_equivalent=False, seeds_for_parity=12)}
    env = samples.env("CartPole-v1", outcome="inconclusive", n=5, **parts)
    decision = Decision("inconclusive", "", ())
    lines = words.look_next(decision, envs=[env], findings=(), runs=(), gaps=("add the tap rows",))
    assert lines[0] == "for numerical parity: add the tap rows"
    assert "go on with --seeds 12" in lines[1]
