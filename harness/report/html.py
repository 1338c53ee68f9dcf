"""report.html: one file that opens offline, on a phone, in the dark, and executes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from harness.judgement import Judgement
from harness.report import replay, replay_tables, summary, tables, words
from harness.report.plots import LOOKS_PICTURE, Picture, pictures, twin_picture
from harness.report.text import plain

_TEMPLATES = Path(__file__).with_name("templates")
MAX_TEXT = 1_000  # characters of one foreign sentence


def to_html(judgement: Judgement, plots: Mapping[str, bytes]) -> str:
    """Return the whole report as one HTML document.

    Args:
        judgement: what to show. plots: file name -> bytes as `plots.draw` returns them; only the
            PNG files are used, as data URIs. Pictures that are missing are left out.
    """
    return _template().render(
        j=judgement,
        words=words,
        summary=summary,
        tables=tables,
        replay=replay,
        replay_tables=replay_tables,
        title=f"{judgement.verdict.upper()}: {judgement.mine} compared with {judgement.reference}",
        pictures=lambda env: _shown(pictures(env), plots),
        twin_pictures=lambda twin: _shown((twin_picture(twin),), plots),
        looks_picture=_shown((LOOKS_PICTURE,), plots),
        anchors={env.env_id: f"env-{index}" for index, env in enumerate(judgement.envs, start=1)},
        tails=[run for run in judgement.runs if run.stderr_tail],
    )


def _shown(wanted: tuple[Picture, ...], plots: Mapping[str, bytes]) -> list[dict[str, str]]:
    """Return the pictures that exist, each with its data URI."""
    return [
        {"caption": picture.caption, "kind": picture.kind, "uri": _data_uri(plots[name])}
        for picture in wanted
        if (name := f"{picture.stem}.png") in plots
    ]


def _data_uri(png: bytes) -> str:
    """Return a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@lru_cache(maxsize=1)
def _template() -> Template:
    """Return the compiled template: autoescape on, control characters stripped from every text."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _finalize(value: Any) -> Any:  # noqa: ANN401 - jinja2 hands over whatever an expression gives
    """Strip what cannot be seen from text; leave escaped markup and data URIs as they are."""
    if type(value) is str and not value.startswith("data:image/png;base64,"):
        return plain(value, MAX_TEXT)
    return value
