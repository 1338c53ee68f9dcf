"""The pictures of docs/calibration.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.plot_style import (
    LIMIT_COLOUR,
    OTHER_COLOURS,
    OTHER_MARKERS,
    new_figure,
    style,
    to_png,
)

Found = Mapping[str, Any]
TARGET = 0.8  # the power that plans usually ask for


def figures_of(found: Mapping[str, Found]) -> dict[str, bytes]:
    """Return file name -> PNG of every picture whose part was measured."""
    figures = {}
    with style():
        if found["power"]:
            figures["calibration-power.png"] = _power(found["power"])
    return figures


def _power(power: Found) -> bytes:
    """Return power against seeds: a panel per cell, a line per effect size."""
    cells: dict[str, list[Found]] = {}
    for one in power["curves"].values():
        cells.setdefault(one["cell"], []).append(one)
    figure = new_figure(11, 3.4, "How many seeds show a difference in the returns, by its size")
    panels = figure.subplots(1, len(cells), squeeze=False, sharey=True)[0]
    figure.subplots_adjust(left=0.055, right=0.992, top=0.80, bottom=0.28, wspace=0.08)
    for panel, (name, curves) in zip(panels, cells.items(), strict=True):
        for index, one in enumerate(curves):
            seeds = [int(look) for look in one["found"]]
            share = [count / one["trials"] for count in one["found"].values()]
            colour, marker = OTHER_COLOURS[index % 5], OTHER_MARKERS[index % 5]
            words = f"{one['effect']:g} standard deviations"
            panel.plot(seeds, share, color=colour, marker=marker, ms=4.5, label=words)
        panel.axhline(TARGET, color=LIMIT_COLOUR, ls=":", lw=1.2)
        panel.set_title(f"{name}\n(n = {curves[0]['trials']})")
        panel.set_xlabel("seeds per side")
        panel.set_xticks([int(look) for look in curves[0]["found"]])
        panel.set_ylim(-0.03, 1.03)
    panels[0].set_ylabel("share of DIVERGED")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5)
    return to_png(figure)
