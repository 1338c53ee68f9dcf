"""A twin run over time: how far mine is from the reference, and how far rounding alone may go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.judgement import TwinRow
from harness.report.plot_style import (
    COLOURS,
    LINES,
    ONSET_COLOUR,
    drawable,
    new_figure,
    tidy,
)
from harness.report.text import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Lower edge when nothing differs at all: below one unit of float64.
SMALLEST = 1e-17
_ROOM = 3.0  # factor between the smallest distance drawn and the lower edge


def twin_run(twin: TwinRow) -> Figure:
    """Return distance and band of a twin run over env steps, on a logarithmic axis.

    Distances of 0 cannot stand on it and are drawn on the lower edge.
    """
    figure = new_figure(11, 3.2, f"{label(twin.env_id)}: {_title(twin)}")
    panel = figure.subplots()
    figure.subplots_adjust(left=0.085, right=0.985, top=0.85, bottom=0.3)
    env_steps = np.asarray([point[0] for point in twin.course], dtype=np.float64)
    distance, band = (
        drawable(np.asarray([point[k] for point in twin.course], dtype=np.float64)) for k in (1, 2)
    )
    edge = lower_edge((distance, band))
    colour = COLOURS["reference"]
    panel.fill_between(env_steps, edge, np.maximum(band, edge), color=colour, alpha=0.16, lw=0)
    panel.plot(env_steps, np.maximum(band, edge), color=colour, ls=LINES["reference"], lw=1.6)
    dots = "." if len(env_steps) < 2 else ""
    line: dict[str, Any] = {"color": COLOURS["mine"], "lw": 1.8, "marker": dots, "clip_on": False}
    panel.plot(env_steps, np.maximum(distance, edge), **line)
    if twin.status == "departed":
        panel.axvline(twin.env_step, color=ONSET_COLOUR, lw=1.4, ls=":")
    _axes(panel, twin, edge)
    figure.legend(handles=_handles(twin), loc="lower center", ncols=4, handlelength=2.4)
    return figure


def lower_edge(rows: Sequence[NDArray[np.float64]]) -> float:
    """Return the lower edge of the axis: below everything above 0 that is drawn.

    >>> lower_edge([np.array([0.0, 3e-7]), np.array([np.nan, 6e-6])])
    1e-07
    """
    above = np.concatenate([row[np.isfinite(row) & (row > 0)] for row in rows])
    return float(above.min()) / _ROOM if above.size else SMALLEST


def _title(twin: TwinRow) -> str:
    said = "leaves the band of the reference" if twin.status == "departed" else "inside the band"
    what = label(twin.quantity) if twin.quantity else "parameters"
    return f"training under the reference's draws: {what} {said} (seed {twin.seed}, n = 1 + 1 runs)"


def _axes(panel: Axes, twin: TwinRow, edge: float) -> None:
    """Set scales, ticks and labels."""
    tidy(panel)
    panel.set_yscale("log")
    top = max([edge * 10, *(v for point in twin.course for v in point[1:] if v < np.inf)])
    panel.set_ylim(edge, min(top, 1e99) * 3)
    panel.yaxis.set_major_locator(LogLocator(10, numticks=6))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("env steps")
    panel.set_ylabel("distance (shares of the scale)")


def _distance_label(twin: TwinRow) -> str:
    """Return what the line of mine is called; one that lies on the edge throughout says so."""
    is_equal = all(point[1] == 0 for point in twin.course)
    return f"mine's distance from the reference{' (0 throughout)' if is_equal else ''}"


def _handles(twin: TwinRow) -> list[Any]:
    """Return legend entries for exactly what is drawn."""
    colour = COLOURS["reference"]
    handles: list[Any] = [
        Line2D([], [], color=COLOURS["mine"], lw=1.8, label=_distance_label(twin)),
        Line2D([], [], color=colour, ls=LINES["reference"], lw=1.6, label="edge of the band"),
        Patch(color=colour, alpha=0.25, label="band of nudged reference runs"),
    ]
    if twin.status == "departed":
        line = Line2D([], [], color=ONSET_COLOUR, lw=1.4, ls=":", label="leaves the band here")
        handles.append(line)
    return handles
