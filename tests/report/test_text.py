import pytest
from markdown_it import MarkdownIt

from harness.report import text
from tests.report.samples import HOSTILE

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def test_plain_of_control_and_bidi_characters_removes_them_and_keeps_the_rest():
    hostile = "a\x00b\x1b[31mc\x9b32md\x1b]8;;http://x\x07e\x1b]0;t\x1b\\f\x7f" + BIDI + "g\ufeff"
    assert text.plain(hostile) == "abcdefg"


def test_plain_of_line_breaks_gives_one_line():
    assert text.plain("a\nb\r\tc\u2028d\x85e") == "a b  c d e"


def test_plain_of_ordinary_text_in_any_script_changes_nothing():
    assert text.plain("Größe 東京 −1 ≤ µ") == "Größe 東京 −1 ≤ µ"


def test_plain_of_long_text_cuts_it_with_an_ellipsis():
    assert text.plain("x" * 200, limit=5) == "xxxx…"


@pytest.mark.parametrize("name", HOSTILE)
def test_terminal_of_hostile_name_holds_only_printable_characters(name):
    assert text.terminal(name).isprintable()


@pytest.mark.parametrize(
    "name", [*HOSTILE, "&lt;b&gt;", "[x](http://y)", "1. x", "- x", "www.x.com"]
)
def test_markdown_of_hostile_name_shows_the_plain_text_and_no_markup(name):
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(f"| {text.markdown(name)} |\n|---|\n")
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == 1
    assert {child.type for child in inline[0].children} == {"text"} or "text_special" in {
        child.type for child in inline[0].children
    }
    shown = "".join(child.content for child in inline[0].children).replace("\u200b", "")
    assert shown == text.plain(name)


@pytest.mark.parametrize("name", [*HOSTILE, "", " ", "``", "`a"])
def test_markdown_code_of_hostile_name_is_one_code_span(name):
    tokens = MarkdownIt().parse(text.markdown_code(name))
    children = [child for token in tokens if token.type == "inline" for child in token.children]
    assert [child.type for child in children] == ["code_inline"]


def test_markdown_of_mention_issue_and_link_breaks_each_of_them():
    shown = text.markdown("@team #12 https://x.y www.x.y")
    assert "@team" not in shown
    assert "#12" not in shown
    assert "://" not in shown
    assert "www." not in shown


def test_label_of_leading_underscore_stays_visible_in_a_legend():
    assert text.label("_loss") == " _loss"


def test_label_of_unknown_glyphs_replaces_them():
    assert text.label("a東한") == "a??"


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", " =x", "\t=x"])
def test_csv_of_formula_gets_a_quote(name):
    assert text.csv(name).startswith("'")


def test_csv_of_ordinary_name_changes_nothing():
    assert text.csv("td_target.mean") == "td_target.mean"


@pytest.mark.parametrize(
    "name", [*HOSTILE, "", ".", "..", "ALE/Pong-v5", "a" * 300, "\ud800", "CON/"]
)
def test_slug_of_hostile_name_is_one_plain_file_name(name):
    made = text.slug(name)
    assert 0 < len(made) <= text.MAX_SLUG + 7
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not made.startswith((".", "-"))


def test_slug_of_different_names_with_equal_safe_characters_differs():
    assert text.slug("a/b") != text.slug("a:b") != text.slug("a-b")
