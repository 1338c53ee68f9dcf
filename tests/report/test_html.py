import re
from html.parser import HTMLParser

import pytest

from harness.report.html import to_html
from harness.report.plots import draw
from tests.report import replay_samples, samples
from tests.report.replay_samples import EVERY

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


@pytest.fixture(scope="module", params=["trained", "untrained"])
def hostile_page(request):
    if request.param == "untrained":
        return to_html(replay_samples.hostile(), {"x-d6b96a--twin-run-0.png": b"x"})
    return to_html(samples.hostile(), samples.hostile_plots())


@pytest.mark.parametrize("name", EVERY)
def test_to_html_of_every_verdict_is_well_formed_and_says_it_in_words(name):
    judgement = EVERY[name]()
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
    ours |= {"segments", "draws", "twins", "waivers"}
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


def test_to_html_of_failing_stretch_shows_both_sources_side_by_side_once():
    page = to_html(replay_samples.diverged(), {})
    first = page[page.index('id="findings"') : page.index('id="facts"')]
    mine, reference = first.index("my_impls/dqn.py:154-157"), first.index("dqn/dqn.py:203-211")
    assert mine < first.index("<span>154  with torch.no_grad():</span>") < reference
    assert "<span>157  y = tap(&#34;td_target&#34;, y)</span>" in first
    assert reference < first.index("<span>203  with th.no_grad():</span>")
    assert "Also ran: my_impls/dqn.py:122-125" in first
    assert first.count("with torch.no_grad") == 1


def test_to_html_of_passed_stretches_folds_them():
    page = to_html(replay_samples.parity(), {})
    folds = re.findall(r"<details><summary>(.*?)</summary>", page)
    assert "16 stretches passed" in folds
    assert page.index("16 stretches passed") < page.index("stretch_13")


def test_to_html_of_waived_rows_says_so_and_why_and_marks_them_no_longer_bad():
    page = to_html(replay_samples.diverged(), {})
    row = next(line for line in page.splitlines() if line.startswith("<tr") and ">waived<" in line)
    assert "bad" not in row
    text = "".join(parsed(page).text)
    for expected in ("loss, waived: squared error on purpose", "a larger net on purpose"):
        assert expected in text


def test_to_html_of_twin_run_shows_its_picture_and_the_stretch_round_the_departure():
    page = to_html(replay_samples.diverged(), {"Acrobot-v1--twin-run-0.png": b"png"})
    twins = page[page.index('id="twins"') : page.index('id="waivers"')]
    assert twins.count("<img") == 1
    assert "Acrobot-v1, around the departure: td_target" in twins
    assert "Pendulum-v1, seed 0: not run: mine has no tap for its draws" in twins


def test_to_html_of_events_marks_what_was_not_exercised():
    page = to_html(replay_samples.diverged(), {})
    assert '<tr class="bad"><td>truncations</td><td>not exercised</td></tr>' in page
    assert "<details open><summary>What the scenarios exercised (1 not exercised)" in page


def test_to_html_of_a_comparison_that_stopped_before_training_says_so_and_not_invalid():
    text = "".join(parsed(to_html(replay_samples.diverged(), {})).text)
    assert "NOT TRAINED" in text
    assert "INVALID" not in text
    assert "Nothing was trained." in text
    assert "How the evidence grew" not in text


def test_to_html_of_numerical_parity_claims_nothing_that_the_curves_do_not_show():
    text = to_html(replay_samples.numerical(), {})
    assert "Both calculate the same" in text
    assert "are shown to lie inside the margin" not in text
    assert "INCONCLUSIVE FROM CURVES ALONE" in text
    assert "What is missing for PARITY" not in text
    assert "Showing a difference is out of reach with so few seeds" in text
