import re

import pytest
from markdown_it import MarkdownIt

from harness.report.markdown import to_markdown
from harness.report.plots import stem
from tests.report import samples

PARSER = MarkdownIt("gfm-like", {"linkify": False})


@pytest.mark.parametrize("name", samples.ALL)
def test_to_markdown_begins_with_the_verdict_and_keeps_every_table_rectangular(name):
    judgement = samples.ALL[name]()
    text = to_markdown(judgement)
    assert judgement.verdict.upper() in text.splitlines()[0]
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1


def test_to_markdown_of_hostile_names_has_no_foreign_html_link_or_mention():
    text = to_markdown(samples.hostile(), {})
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
