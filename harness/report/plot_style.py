"""How every picture looks, and how it becomes bytes: fixed colours, no global state, no dates."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from harness.records import Role
from harness.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

# Okabe & Ito 2008, Color Universal Design: told apart with every kind of colour vision.
COLOURS: Mapping[Role, str] = {"mine": "#D55E00", "reference": "#0072B2"}
# The two sides also differ in line style, for prints without colour.
LINES: Mapping[Role, Any] = {"mine": "-", "reference": (0, (5, 1.5))}
MARGIN_COLOUR = "#009E73"
SIGNIFICANT_COLOUR = "#F0E442"
ONSET_COLOUR = "#333333"
LIMIT_COLOUR = "#333333"
# For lines that stand for environments, never for a side; the rest of the Okabe-Ito palette.
OTHER_COLOURS = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
OTHER_MARKERS = ("o", "s", "^", "D", "v")

DPI = 110  # pixels per inch of PNG files
PNG_COLOURS = 128  # palette size; line art loses nothing visible and shrinks to a third
LARGEST = 1e100  # values beyond +-LARGEST cannot be drawn and are marked like infinities

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.dpi": DPI,
    "svg.hashsalt": "rl-parity",
    "text.parse_math": False,
    "text.usetex": False,
    "path.simplify": True,
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the look of all pictures inside the block; the caller's settings come back after it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: dict[Any, Any] = {**sns.axes_style("whitegrid"), **_RC}
        mpl.rcParams.update(settings)
        yield


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure of that size in inches with a title at the left."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    figure.text(0.008, 1 - 0.09 / height, title, weight="bold", size=11, va="top")
    return figure


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG with a palette; no date, no version."""
    canvas: Any = FigureCanvasAgg(figure)  # its methods carry no annotations
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    palette = image.quantize(
        PNG_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    out = io.BytesIO()
    palette.save(out, format="png", optimize=True)
    return out.getvalue()


def to_svg(figure: Figure) -> bytes:
    """Return the figure as an SVG; no date, no version, fixed ids."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def drawable(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values with everything that cannot be drawn as NaN, which leaves a gap."""
    shown: NDArray[np.float64] = np.where(np.abs(values) <= LARGEST, values, np.nan)
    return shown


def tidy(axes: Axes, *, n_x: int = 5, n_y: int = 5) -> None:
    """Give both axes few round ticks, written without math or offset."""
    _ticks(axes.xaxis, n_x)
    _ticks(axes.yaxis, n_y)


def _ticks(axis: Axis, count: int) -> None:
    """Set round ticks with plain labels."""
    axis.set_major_locator(MaxNLocator(count))
    axis.set_major_formatter(FuncFormatter(_short))


def _short(value: float, _position: int | None = None) -> str:
    """Return a tick label: 12000 as 12k, 3000000 as 3M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e9 and (abs(value) >= 1e4 or value % 1000 == 0):
            return f"{number(value / size)}{letter}"
    return number(value)


def pad_limits(axes: Axes) -> None:
    """Widen a y range that is empty or next to empty, so that noise of rounding looks flat."""
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    least = 1e-6 * max(abs(middle), 1e-12)
    if high - low < least:
        axes.set_ylim(middle - least, middle + least)
