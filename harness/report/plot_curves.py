"""Learning curves side by side, and the metric traces in order of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.judgement import EnvJudgement, MetricTest, Onset
from harness.records import ROLES, Curves, Role
from harness.report.bands import BAND_SEED, Band, band
from harness.report.plot_style import (
    COLOURS,
    LINES,
    ONSET_COLOUR,
    SIGNIFICANT_COLOUR,
    drawable,
    new_figure,
    pad_limits,
    tidy,
)
from harness.report.summary import by_evidence
from harness.report.text import label
from harness.report.words import p_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

N_TRACES = 8  # panels of the trace figure: what fits a page without scrolling
_COLUMNS = 4
Pair = tuple[Curves, Curves]


@dataclass(frozen=True)
class _Look:
    """Line widths and opacities of one kind of panel."""

    thin: float
    thick: float
    faint: float


_LARGE = _Look(thin=0.8, thick=2.0, faint=0.45)
_SMALL = _Look(thin=0.5, thick=1.5, faint=0.25)


def learning_curves(env: EnvJudgement, pair: Pair, names: tuple[str, str]) -> Figure:
    """Return mine | reference | both, on shared axes.

    Args:
        env: its test of the metric gives the shaded stretch and the onset interval.
        pair: (mine, reference) curves of one metric. names: of the two sides.
    """
    test = next((one for one in env.metrics if one.metric == pair[0].metric), None)
    figure = new_figure(11, 3.7, f"{label(env.env_id)}: {_metric_words(pair[0].metric)}")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.065, right=0.992, top=0.83, bottom=0.23, wspace=0.06)
    bands = _bands(pair)
    for index, role in enumerate(ROLES):
        _side(panels[index], pair[index], bands[index], role=role, look=_LARGE)
        _side(panels[2], pair[index], bands[index], role=role, look=_SMALL)
        n_seeds = f"n = {len(pair[index].seeds)}"
        panels[index].set_title(f"{role}: {label(names[index], 34)}  ({n_seeds})")
        panels[index].title.set_color(COLOURS[role])
    panels[2].set_title(_overlay_title(test))
    _mark(panels[2], pair[0].checkpoints, test)
    for panel in panels:
        tidy(panel)
        panel.set_xlabel("env steps")
    panels[0].set_ylabel(_y_label(pair[0].metric, test))
    pad_limits(panels[0])
    figure.legend(handles=_handles(pair, test), loc="lower center", ncols=7, handlelength=2.4)
    return figure


def traces(env: EnvJudgement, curves: Mapping[str, Pair]) -> Figure | None:
    """Return up to `N_TRACES` panels, strongest evidence first; None when there is no trace."""
    tests = [t for t in by_evidence(env.metrics) if t.metric in curves and t.family == "trace"]
    if not tests:
        return None
    shown = tests[:N_TRACES]
    rows = -(-len(shown) // _COLUMNS)
    height = 0.95 + 2.25 * rows
    title = (
        f"{label(env.env_id)}: measured inside training, strongest evidence of a difference first"
    )
    figure = new_figure(11, height, f"{title} ({len(shown)} of {len(tests)})")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    figure.subplots_adjust(
        left=0.06, right=0.99, top=1 - 0.62 / height, bottom=0.78 / height, wspace=0.34, hspace=0.62
    )
    for panel, test in zip(panels, shown, strict=False):
        _trace(panel, curves[test.metric], test)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    pairs = [curves[test.metric] for test in shown]
    figure.legend(handles=_handles_of(pairs, shown), loc="lower center", ncols=7, handlelength=2.4)
    return figure


def _trace(panel: Axes, pair: Pair, test: MetricTest) -> None:
    """Draw one small panel with both sides."""
    for role, one, its_band in zip(ROLES, pair, _bands(pair), strict=True):
        _side(panel, one, its_band, role=role, look=_SMALL)
    _mark(panel, pair[0].checkpoints, test)
    verdict = "different" if test.is_significant else "not shown different"
    n_seeds = f"n = {len(pair[0].seeds)} + {len(pair[1].seeds)}"
    panel.set_title(label(test.metric, 30), pad=14)
    subtitle = f"{verdict}, p {p_value(test.p_adjusted)}, {n_seeds}"
    panel.text(0, 1.03, subtitle, transform=panel.transAxes, size=7.5, color="#444444")
    tidy(panel, n_x=4, n_y=4)
    panel.set_xlabel("env steps", labelpad=1)
    panel.set_ylabel(label(test.unit, 22), labelpad=1)
    pad_limits(panel)


def _bands(pair: Pair) -> tuple[Band, Band]:
    """Return the band of each side, always from the same random numbers."""
    mine, reference = (band(drawable(one.values), np.random.default_rng(BAND_SEED)) for one in pair)
    return mine, reference


def _side(panel: Axes, curves: Curves, its_band: Band, *, role: Role, look: _Look) -> None:
    """Draw every seed thin, the mean thick, its band, and a cross where a seed is not finite."""
    x, colour = curves.checkpoints, COLOURS[role]
    shown = drawable(curves.values)
    if shown.size:
        panel.plot(x, shown.T, color=colour, lw=look.thin, alpha=look.faint)
    panel.plot(x, its_band.centre, color=colour, lw=look.thick, ls=LINES[role])
    for row in (*shown, its_band.centre):
        lonely = _alone(row)
        if np.isfinite(lonely).any():
            panel.plot(x, lonely, color=colour, ls="", marker=".")
    if np.isfinite(its_band.low).any():
        low, high = its_band.low, its_band.high
        panel.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    marks = broken(curves)
    if len(marks[0]):
        panel.plot(*marks, ls="", marker="x", ms=6, mew=1.5, color=colour, clip_on=False)


def broken(curves: Curves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (x, y) of every drawable point next to a stretch that cannot be drawn.

    NaN before the first drawable point is absence, not a broken curve. A seed without any
    drawable point is marked at the first checkpoint, height 0, unless it is NaN throughout.
    """
    x, y = [], []
    for row in curves.values:
        good = np.isfinite(drawable(row))
        if not good.any():
            if not np.isnan(row).all():
                x.append(float(curves.checkpoints[0]))
                y.append(0.0)
            continue
        marks = [int(index) for index in np.flatnonzero(good[:-1] & ~good[1:])]
        first = int(np.argmax(good))
        marks += [] if np.isnan(row[:first]).all() else [first]
        x += [float(curves.checkpoints[index]) for index in marks]
        y += [float(row[index]) for index in marks]
    return np.asarray(x), np.asarray(y)


def _alone(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the row with everything as NaN but points without a drawable neighbour."""
    good = np.pad(np.isfinite(row), 1)
    lonely: NDArray[np.float64] = np.where(good[:-2] | good[2:], np.nan, row)
    return lonely


def _mark(panel: Axes, checkpoints: NDArray[np.int64], test: MetricTest | None) -> None:
    """Shade the stretches that stay significant and bracket the onset interval."""
    if test is None:
        return
    edges = np.concatenate([[0], checkpoints])  # bin k reaches from edge k to edge k + 1
    for first, last in test.significant:
        begin, end = edges[[min(first, len(edges) - 1), min(last + 1, len(edges) - 1)]]
        panel.axvspan(
            float(begin), float(end), color=SIGNIFICANT_COLOUR, alpha=0.35, lw=0, zorder=0
        )
    if test.onset is not None:
        _bracket(panel, test.onset)


def _bracket(panel: Axes, onset: Onset) -> None:
    """Draw the onset interval as a bar with caps at the top of the panel."""
    panel.plot(
        [onset.low, onset.high],
        [0.965, 0.965],
        transform=panel.get_xaxis_transform(),
        color=ONSET_COLOUR,
        lw=1.8,
        marker="|",
        ms=9,
        mew=1.8,
    )


def _overlay_title(test: MetricTest | None) -> str:
    """Return the title of the panel with both sides."""
    if test is None:
        return "both"
    verdict = "different where shaded" if test.is_significant else "no difference shown"
    return f"both: {verdict}  (p {p_value(test.p_adjusted)})"


def _handles(pair: Pair, test: MetricTest | None) -> list[Any]:
    """Return the legend entries of the learning curves."""
    return _handles_of([pair], [test] if test else [])


def _handles_of(pairs: Sequence[Pair], tests: Sequence[MetricTest]) -> list[Any]:
    """Return legend entries for exactly what is drawn."""
    handles: list[Any] = [
        Line2D([], [], color=COLOURS[role], ls=LINES[role], lw=2, label=f"{role}: mean")
        for role in ROLES
    ]
    handles.append(Line2D([], [], color="#777777", lw=0.8, label="one seed each"))
    if any(len(one.seeds) > 1 for pair in pairs for one in pair):
        handles.append(Patch(color="#777777", alpha=0.25, label="95 % band of the mean"))
    if any(test.significant for test in tests):
        handles.append(Patch(color=SIGNIFICANT_COLOUR, alpha=0.5, label="different"))
    if any(test.onset for test in tests):
        line: dict[str, Any] = {"color": ONSET_COLOUR, "marker": "|", "ms": 8, "mew": 1.8}
        handles.append(Line2D([], [], **line, label="difference begins here"))
    if any(len(broken(one)[0]) for pair in pairs for one in pair):
        cross: dict[str, Any] = {"color": "#777777", "marker": "x", "ls": ""}
        handles.append(Line2D([], [], **cross, label="NaN, infinite or missing next"))
    return handles


def _metric_words(metric: str) -> str:
    """Return the metric in words for a title."""
    return "mean return per episode" if metric == "episode_return" else label(metric)


def _y_label(metric: str, test: MetricTest | None) -> str:
    """Return the label of the y axis with its unit."""
    unit = label(test.unit, 22) if test and test.unit else "reward"
    return f"{'episode return' if metric == 'episode_return' else label(metric, 30)} ({unit})"
