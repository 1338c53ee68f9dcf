from html.parser import HTMLParser

import pytest

from harness.report.html import to_html
from harness.report.plots import draw
from tests.report import samples

VOID = {"meta", "br", "img"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    tags = Tags()
    tags.feed(page)
    tags.close()
    return tags


@pytest.fixture(scope="module")
def hostile_page():
    return to_html(samples.hostile(), samples.hostile_plots())


@pytest.mark.parametrize("name", samples.ALL)
def test_to_html_of_every_verdict_is_well_formed_and_says_it_in_words(name):
    judgement = samples.ALL[name]()
    tags = parsed(to_html(judgement, {}))
    assert tags.open == []
    assert judgement.verdict.upper() in "".join(tags.text)


def test_to_html_of_hostile_names_holds_no_script_handler_or_foreign_address(hostile_page):
    tags = parsed(hostile_page)
    assert not {"script", "iframe", "object", "link", "base", "form"} & set(tags.tags)
    assert not [item for item in tags.attributes if item[1].startswith("on")]
    targets = [value for _, name, value in tags.attributes if name in ("src", "href")]
    assert targets
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in targets)
    ours = {"findings", "facts", "sanity", "looks", "runs", "provenance", "missing"}
    ids = [value for _, name, value in tags.attributes if name == "id"]
    assert all(value in ours or value.startswith("env-") for value in ids)
    assert len(ids) == len(set(ids))


def test_to_html_of_hostile_names_holds_no_control_or_bidi_characters(hostile_page):
    assert not [c for c in hostile_page if c not in "\n\xa0" and not c.isprintable()]


def test_to_html_has_policy_viewport_and_both_colour_schemes(hostile_page):
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    attributes = parsed(hostile_page).attributes
    assert ("meta", "content", policy) in attributes
    assert ("meta", "name", "viewport") in attributes
    assert "prefers-color-scheme: dark" in hostile_page


def test_to_html_of_five_envs_and_twenty_metrics_is_at_most_two_megabytes():
    ids = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3", "Pendulum-v1", "MountainCar-v0")
    judgement = samples.diverged_by_trace(ids)
    plots = draw(judgement, samples.evidence(ids, n_mine=20, n_reference=20, shift=0.1))
    assert len(to_html(judgement, plots).encode()) <= 2_000_000


def test_to_html_shows_findings_side_by_side_runs_command_and_folded_equal_facts():
    page = to_html(samples.diverged_by_trace(), {})
    text = "".join(parsed(page).text)
    for expected in (
        "my_impls/dqn.py:143",
        "stable_baselines3/dqn/dqn.py:211",
        "compare --algo dqn --envs easy",
        "Facts that agree (3)",
        "rl-zoo3 dqn.yml",
        "begins between env steps 15,500 and 18,000",
    ):
        assert expected in text


def test_to_html_of_crash_shows_the_stderr_tail():
    assert "ValueError: expected 4 observations, got 2" in to_html(samples.invalid(), {})
