"""What to look at next is said once, however many findings it is the same for."""

import re

import pytest

from harness.report.html import to_html
from harness.report.markdown import to_markdown
from harness.report.terminal import render_text
from tests.report import samples

REPORTS = {
    "html": lambda judgement: to_html(judgement, {}),
    "markdown": to_markdown,
    "terminal": render_text,
}


@pytest.mark.parametrize("kind", REPORTS)
def test_advice_of_several_findings_stands_with_the_first_of_them(kind):
    judgement = samples.diverged_by_trace()
    assert len({one.look_next for one in judgement.findings}) == 1 < len(judgement.findings)
    text = REPORTS[kind](judgement)
    assert len(re.findall(r"Read how the target is\s+made", text)) == 1
