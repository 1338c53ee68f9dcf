"""Make foreign text (names, messages, paths) harmless in each place where it is shown.

Names of sides, environments, metrics and seeds come from outside. Each output has its own dangers:
terminals obey escape codes, Markdown has links and mentions, HTML has scripts, matplotlib parses
`$...$` and hides labels with a leading underscore, spreadsheets execute cells that begin with `=`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

MAX_NAME = 160  # characters of one foreign text in running text; the JSON keeps all of it
MAX_LABEL = 48  # characters of one foreign text inside a picture
MAX_CODE = 240  # characters of one line of source
MAX_SLUG = 60  # characters of a file name made from a foreign name
_ZERO_WIDTH = "\u200b"

# ECMA-48 control sequences: CSI ... final byte, OSC/DCS/PM/APC/SOS ... ST or BEL, two-byte escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]"
)
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")
_MARKDOWN_LEADING = re.compile(r"^(\s*)(?:([+\-=])|(\d+)([.)]))")
_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}


def plain(text: str, limit: int = MAX_NAME) -> str:
    r"""Return one line without control, escape, bidirectional or invisible characters.

    Args:
        text: anything. limit: longest result, characters; a longer text ends in an ellipsis.

    >>> plain("a\x1b[31mb\x07\u202ec\nd")
    'abc d'
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_visible(character) for character in _ESCAPES.sub("", text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(character: str) -> str:
    """Return the character, a space for white space, or nothing for what cannot be seen."""
    if character in "\t\n\v\f\r\x85\u2028\u2029":
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character


# Control, format (bidi marks, zero width, soft hyphen, tags), surrogate, private use.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})


def terminal(text: str, limit: int = MAX_NAME) -> str:
    r"""Return `text` safe for a terminal; square brackets stay, since markup is never interpreted.

    >>> terminal("[/red]\x1b]0;title\x07")
    '[/red]'
    """
    return plain(text, limit)


def markdown(text: str, limit: int = MAX_NAME) -> str:
    r"""Return `text` that Markdown shows as it is: no markup, HTML, math, link or mention.

    A zero-width space behind `@` and `#`, and inside `://`, stops mentions and automatic links,
    which GitHub makes from the rendered text, where a backslash no longer helps.

    >>> markdown("a|b *c* <script>")
    'a\\|b \\*c\\* &lt;script&gt;'
    """
    text = plain(text, limit)
    text = "".join(_MARKDOWN_ENTITIES.get(character, character) for character in text)
    text = _escape_outside_entities(text)
    text = text.replace("@", "@" + _ZERO_WIDTH).replace("://", ":" + _ZERO_WIDTH + "//")
    text = re.sub(r"(?<!&)#(?=\d)", "#" + _ZERO_WIDTH, text)
    text = re.sub(r"(?i)\bwww\.", lambda found: found.group(0)[:-1] + _ZERO_WIDTH + ".", text)
    return _MARKDOWN_LEADING.sub(_escape_leading, text)


def _escape_outside_entities(text: str) -> str:
    """Put a backslash before each special character that is not part of our own entities."""
    parts = re.split(r"(&(?:amp|lt|gt|#36);)", text)
    return "".join(
        part if index % 2 else _MARKDOWN_SPECIAL.sub(r"\\\1", part)
        for index, part in enumerate(parts)
    )


def _escape_leading(found: re.Match[str]) -> str:
    """Escape a list marker or a heading underline at the beginning."""
    space, sign, digits, dot = found.groups()
    return f"{space}\\{sign}" if sign else f"{space}{digits}\\{dot}"


def markdown_code(text: str, limit: int = MAX_NAME) -> str:
    """Return `text` as a code span that also survives in a table cell.

    A pipe would end the cell even inside a span, and its escape shows outside tables, so it
    becomes the look-alike U+2223; the exact text is in report.json.

    >>> markdown_code("a`b")
    '`` a`b ``'
    """
    text = plain(text, limit).replace("|", "∣")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or not text.strip() else ""
    return f"{fence}{pad}{text or ' '}{pad}{fence}"


def markdown_fence(lines: Sequence[str], language: str = "") -> str:
    r"""Return lines of source as one fenced block that no line of it can close.

    >>> markdown_fence(["```", "x"]).splitlines()
    ['````', '```', 'x', '````']
    """
    kept = [plain(line, MAX_CODE) for line in lines]
    longest = max((len(run) for line in kept for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}{language}", *kept, fence))


def label(text: str, limit: int = MAX_LABEL) -> str:
    """Return `text` for a picture: glyphs of the shipped font only, shown by every legend.

    matplotlib hides labels with a leading underscore, so these get a space in front. Math is
    turned off by `plot_style.style`, not here.

    >>> label("_loss")
    ' _loss'
    """
    text = plain(text, limit)
    known = _glyphs()
    text = "".join(character if ord(character) in known else "?" for character in text)
    return f" {text}" if text.startswith("_") else text


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """Return the code points that the font of the plots can draw."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def csv(text: str) -> str:
    """Return `text` that a spreadsheet does not execute: a quote before = + - @.

    Source: OWASP, "CSV Injection".

    >>> csv("=cmd()")
    "'=cmd()"
    """
    text = plain(text, limit=10_000)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def slug(text: str) -> str:
    """Return a file name part made from `text`; a name that had to change gets a short hash.

    >>> slug("CartPole-v1")
    'CartPole-v1'
    >>> slug("../x")
    'x-d6b96a'
    """
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", plain(text)).strip("-.")[:MAX_SLUG]
    if kept and kept == text:
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{kept or 'env'}-{digest}"
