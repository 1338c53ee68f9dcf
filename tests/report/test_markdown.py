import re

import pytest
from markdown_it import MarkdownIt

from harness.report.markdown import to_markdown
from harness.report.plots import stem
from tests.report import replay_samples, samples
from tests.report.replay_samples import EVERY

PARSER = MarkdownIt("gfm-like", {"linkify": False})


@pytest.mark.parametrize("name", EVERY)
def test_to_markdown_begins_with_the_verdict_and_keeps_every_table_rectangular(name):
    judgement = EVERY[name]()
    text = to_markdown(judgement)
    assert judgement.verdict.upper() in text.splitlines()[0]
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1


@pytest.mark.parametrize("made", [samples.hostile, replay_samples.hostile])
def test_to_markdown_of_hostile_names_has_no_foreign_html_link_or_mention(made):
    text = to_markdown(made(), {})
    tokens = PARSER.parse(text)
    html = {t.content.strip() for t in tokens if t.type == "html_block"}
    assert all(re.fullmatch(r"<details><summary>[^<]*</summary>|</details>", one) for one in html)
    inline = [child for t in tokens for child in t.children or []]
    assert not [c for c in inline if c.type in ("html_inline", "link_open", "image", "em_open")]
    shown = "".join(c.content for c in inline if c.type in ("text", "text_special"))
    assert "@team" not in shown
    assert "https://" not in shown


def test_to_markdown_links_exactly_the_pictures_that_exist():
    name = f"{stem('CartPole-v1', 'learning-curves')}.png"
    text = to_markdown(samples.parity(), [name])
    assert re.findall(r"\]\((.*?)\)", text) == [f"plots/{name}"]


def test_to_markdown_of_divergence_says_places_and_look_next():
    text = to_markdown(samples.diverged_by_trace())
    assert "| `my_impls/dqn.py:143` | `stable_baselines3/dqn/dqn.py:211` |" in text
    assert "Look next: Read how the target is made" in text


def test_to_markdown_of_failing_stretch_shows_both_sources_as_blocks():
    fences = [t for t in PARSER.parse(to_markdown(replay_samples.diverged())) if t.type == "fence"]
    assert [one.info for one in fences] == ["python"] * 4
    assert fences[0].content.splitlines()[0] == "154  with torch.no_grad():"
    assert fences[1].content.splitlines()[0] == "203  with th.no_grad():"


def test_to_markdown_of_hostile_source_keeps_every_line_inside_its_block():
    tokens = PARSER.parse(to_markdown(replay_samples.hostile()))
    fences = [t.content.splitlines() for t in tokens if t.type == "fence"]
    assert fences
    assert {len(lines) for lines in fences} == {len(samples.HOSTILE), len(samples.HOSTILE) + 1}
    assert all(line.isprintable() for lines in fences for line in lines)


def test_to_markdown_of_passed_stretches_names_them_in_one_line():
    text = to_markdown(replay_samples.parity())
    line = next(line for line in text.splitlines() if line.startswith("Passed: "))
    assert line.startswith("Passed: rows, batch, stretch\\_0")
    assert "stretch\\_13" not in text.replace(line, "")


def test_to_markdown_of_parity_spends_few_lines_on_what_was_tested_without_training():
    n_lines = to_markdown(replay_samples.parity()).count("\n")
    assert n_lines - to_markdown(samples.parity()).count("\n") <= 26


def test_to_markdown_lists_declared_differences_and_links_the_twin_picture():
    text = to_markdown(replay_samples.diverged(), ["Acrobot-v1--twin-run-0.png"])
    assert "| **tau** | expired | paper's value |" in text
    assert "(plots/Acrobot-v1--twin-run-0.png)" in text
    assert "| loss | waived |" in text


def test_to_markdown_of_a_comparison_that_stopped_before_training_says_so_and_not_invalid():
    text = to_markdown(replay_samples.diverged())
    assert "## CartPole-v1: NOT TRAINED" in text
    assert "INVALID" not in text
    assert "Nothing was trained." in text
    assert "How the evidence grew" not in text


def test_to_markdown_of_numerical_parity_claims_nothing_that_the_curves_do_not_show():
    text = to_markdown(replay_samples.numerical())
    assert "Both calculate the same" in text
    assert "are shown to lie inside the margin" not in text
    assert "INCONCLUSIVE FROM CURVES ALONE" in text
    assert "What is missing for PARITY" not in text
    assert "Showing a difference is out of reach with so few seeds" in text
