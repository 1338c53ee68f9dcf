"""Tap maps against every supported release of their library (`make check-versions`).

Fetches the sources of each release (no dependencies; nothing is imported, nothing stays installed)
and looks up every tap in them. A tap whose statement reads differently from the installed release
is printed: its place is right, whether its meaning is must be read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.modules import locate_module
from harness.run.tapplaces import Locate, TapLine, map_lines
from harness.spec.references import Reference, is_supported, references

# Final releases on the package index in the supported range, oldest first.
RELEASES = {
    "sb3": ("2.7.0", "2.7.1", "2.8.0", "2.9.0", "2.9.2"),
    "sb3-contrib": ("2.7.0", "2.7.1", "2.8.0", "2.9.0", "2.9.2"),
    "sbx": ("0.28.0",),
}
FETCH_LIMIT_S = 300


def fetch(distribution: str, version: str, folder: Path) -> None:
    """Unpack one release without its dependencies into `folder`."""
    wanted = f"{distribution}=={version}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--target", str(folder), wanted], check=True, timeout=FETCH_LIMIT_S)


def locate_in(folder: Path) -> Locate:
    """Return a function that finds modules below `folder` alone."""

    def locate(module: str) -> Path | None:
        path = folder.joinpath(*module.split("."))
        candidates = (path.with_suffix(".py"), path / "__init__.py")
        return next((file for file in candidates if file.is_file()), None)

    return locate


def locate_first_in(folder: Path) -> Locate:
    """Return a function that finds what `folder` has there, and other packages as installed."""
    fetched = locate_in(folder)

    def locate(module: str) -> Path | None:
        is_fetched = folder.joinpath(module.partition(".")[0]).exists()
        return fetched(module) if is_fetched else locate_module(module)

    return locate


def maps_of(reference: Reference) -> Iterator[tuple[str, Path]]:
    """Yield algorithm and tap map of every algorithm that has one."""
    for algo, row in reference.algos.items():
        if "tap_map" in row:
            yield algo, reference.folder / row["tap_map"]


def changed(lines: tuple[TapLine, ...], installed: tuple[TapLine, ...]) -> list[str]:
    """Return taps whose statement reads differently from the installed release."""
    pairs = zip(lines, installed, strict=True)
    return [f"{here.name}: {here.text}" for here, there in pairs if here.text != there.text]


def check_release(reference: Reference, version: str) -> int:
    """Print one line per map; return how many do not fit this release."""
    n_wrong = 0
    with tempfile.TemporaryDirectory() as name:
        fetch(reference.distribution, version, Path(name))
        for algo, path in maps_of(reference):
            try:
                lines = map_lines(path, locate_first_in(Path(name)))
            except UsageError as error:
                n_wrong += 1
                print(f"{version:<8}{algo:<6}does not fit: {error}")
                continue
            others = changed(lines, map_lines(path, locate_module))
            print(f"{version:<8}{algo:<6}{len(lines)} taps placed, {len(others)} read differently")
            print("".join(f"{'':<14}{text}\n" for text in others), end="")
    return n_wrong


def main() -> int:
    """Check all releases, print, and return 1 when a map does not fit one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", default="sb3")
    parser.add_argument("--versions", nargs="*", help="Default: every supported release.")
    options = parser.parse_args()
    reference = references()[options.reference]
    versions = options.versions or RELEASES[reference.name]
    unsupported = [v for v in versions if not is_supported(v, reference.supported)]
    if unsupported:
        print(f"note: outside the stated range {reference.supported}: {', '.join(unsupported)}")
    return int(sum(check_release(reference, version) for version in versions) > 0)


if __name__ == "__main__":
    sys.exit(main())
