"""Write a whole report into a folder: the one effect of this stage beside the progress display."""

from __future__ import annotations

from pathlib import Path

from harness.files import make_folder, write_atomic
from harness.judgement import Evidence, Judgement
from harness.report.document import to_json
from harness.report.html import to_html
from harness.report.markdown import to_markdown
from harness.report.plots import draw


def write_report(judgement: Judgement, evidence: Evidence, folder: Path) -> tuple[Path, ...]:
    """Write report.json, report.md, report.html and plots/ into `folder`; return the paths.

    Each file is replaced as a whole; pictures of an earlier report that this one does not have
    are removed. The same inputs give byte-identical files.

    Raises:
        StoreError: the disk refuses; names the file or folder.
    """
    make_folder(folder / "plots")
    plots = draw(judgement, evidence)
    pages = {
        "report.json": to_json(judgement),
        "report.md": to_markdown(judgement, plots),
        "report.html": to_html(judgement, plots),
    }
    files = {f"plots/{name}": content for name, content in plots.items()}
    files |= {name: text.encode("utf-8") for name, text in pages.items()}
    written = tuple(write_atomic(folder / name, content) for name, content in files.items())
    for stale in (folder / "plots").glob("*.*"):
        if stale not in written and stale.suffix in (".png", ".svg"):
            stale.unlink()
    return written
