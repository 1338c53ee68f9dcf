"""Final performance of every seed with the margin, and how the evidence grew with the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from harness.judgement import EnvJudgement, Interval, LookRow
from harness.records import ROLES, Role
from harness.report.plot_style import (
    COLOURS,
    LIMIT_COLOUR,
    MARGIN_COLOUR,
    OTHER_COLOURS,
    OTHER_MARKERS,
    drawable,
    new_figure,
    tidy,
)
from harness.report.summary import endpoint
from harness.report.text import label
from harness.report.words import number, p_value, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SMALLEST_P = 1e-5  # below this a p-value is drawn at this height, with "≤"
_ROWS: Mapping[Role, float] = {"mine": 1.0, "reference": 0.0}
_N_ENVS = len(OTHER_COLOURS)  # environments with a line of their own; further ones repeat styles


def final_performance(env: EnvJudgement, finals: tuple[Sequence[float], Sequence[float]]) -> Figure:
    """Return one dot per seed and side, means with intervals, and the margin round the reference.

    Args:
        finals: (mine, reference) final performance per seed, reward.
    """
    figure = new_figure(11, 2.5, f"{label(env.env_id)}: final performance of every seed")
    panel = figure.subplots()
    figure.subplots_adjust(left=0.115, right=0.992, top=0.82, bottom=0.37)
    test = endpoint(env, "final")
    handles: list[Any] = []
    if test is not None and np.isfinite(test.reference.estimate) and np.isfinite(test.margin):
        centre, margin = test.reference.estimate, test.margin
        panel.axvspan(centre - margin, centre + margin, color=MARGIN_COLOUR, alpha=0.16, lw=0)
        text = f"reference mean ± margin ({number(margin, 3)})"
        handles.append(Patch(color=MARGIN_COLOUR, alpha=0.25, label=text))
    intervals = (test.mine, test.reference) if test else (None, None)
    for role, values, found in zip(ROLES, finals, intervals, strict=True):
        _dots(panel, values, role)
        _interval(panel, found, role)
    panel.set_ylim(-0.55, 1.55)
    tidy(panel, n_x=9)
    rows = zip(ROLES, finals, strict=True)
    panel.set_yticks([_ROWS[role] for role in ROLES], [_row_name(*row) for row in rows])
    panel.grid(visible=False, axis="y")
    panel.set_xlabel("mean return at the end of training (reward)")
    figure.legend(
        handles=[*_dot_handles(test is not None and test.mine.level), *handles],
        loc="lower center",
        ncols=4,
    )
    return figure


def _dots(panel: Axes, values: Sequence[float], role: Role) -> None:
    """Draw one dot per seed, spread evenly in height so that equal values stay visible."""
    x = drawable(np.asarray(values, dtype=np.float64))
    spread = np.linspace(-0.22, 0.22, len(x)) if len(x) > 1 else np.zeros(len(x))
    style: dict[str, Any] = {"color": COLOURS[role], "alpha": 0.75, "s": 30, "lw": 0}
    panel.scatter(x, _ROWS[role] + spread, **style)


def _interval(panel: Axes, found: Interval | None, role: Role) -> None:
    """Draw the mean and its interval below the dots."""
    if found is None or not np.isfinite(found.estimate):
        return
    height = _ROWS[role] - 0.36
    if np.isfinite(found.low) and np.isfinite(found.high):
        panel.plot([found.low, found.high], [height] * 2, color=COLOURS[role], lw=2.2)
    panel.plot([found.estimate], [height], color=COLOURS[role], marker="D", ms=6)


def _row_name(role: Role, values: Sequence[float]) -> str:
    """Return the name of a row with its n, and how many dots cannot be drawn."""
    lost = int(np.isnan(drawable(np.asarray(values, dtype=np.float64))).sum())
    return f"{role} (n = {len(values)})" + (f"\n{lost} not finite" if lost else "")


def _dot_handles(level: float | bool) -> list[Any]:
    """Return the legend entries of dots and intervals."""
    grey = "#777777"
    handles: list[Any] = [Line2D([], [], color=grey, marker="o", ls="", label="one seed")]
    if level:
        text = f"mean with {percent(level)} interval"
        handles.append(Line2D([], [], color=grey, marker="D", lw=2.2, label=text))
    return handles


def seeds_to_verdict(looks: Sequence[LookRow]) -> Figure:
    """Return the p values of both questions against the levels they must reach, per look."""
    figure = new_figure(11, 3.5, "How the evidence grew with the seeds")
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.065, right=0.992, top=0.80, bottom=0.27, wspace=0.16)
    env_ids = tuple(dict.fromkeys(name for look in looks for name in look.smallest_p))
    env_ids = tuple(dict.fromkeys([*env_ids, *(n for look in looks for n in look.equivalence_p)]))
    x = np.asarray([look.n_mine for look in looks], dtype=np.float64)
    for index, env_id in enumerate(env_ids):
        p = [look.smallest_p.get(env_id, np.nan) for look in looks]
        same = [look.equivalence_p.get(env_id, np.nan) for look in looks]
        _line(left, x, np.maximum(p, SMALLEST_P), index)
        _line(right, x, np.maximum(same, SMALLEST_P), index)
    for panel, levels in (
        (left, [look.alpha_spent for look in looks]),
        (right, [look.equivalence_spent for look in looks]),
    ):
        # A look that may spend nothing cannot decide: no limit is drawn there.
        limit = np.where(np.asarray(levels) > 0, levels, np.nan)
        panel.plot(x, limit, color=LIMIT_COLOUR, ls=":", lw=1.6, marker="_", ms=12)
    _looks_axes(left, right, looks)
    figure.legend(handles=_look_handles(env_ids), loc="lower center", ncols=6)
    return figure


def _line(panel: Axes, x: NDArray[np.float64], y: NDArray[np.float64], index: int) -> None:
    """Draw the line of one environment."""
    colour, marker = OTHER_COLOURS[index % _N_ENVS], OTHER_MARKERS[index % _N_ENVS]
    panel.plot(x, drawable(y), color=colour, marker=marker, ms=5)


def _looks_axes(left: Axes, right: Axes, looks: Sequence[LookRow]) -> None:
    """Set titles, ticks and labels of both panels."""
    for panel in (left, right):
        tidy(panel)
        names = [f"{look.n_mine} + {look.n_reference}" for look in looks]
        panel.set_xticks([look.n_mine for look in looks], names)
        panel.set_xlabel("seeds (mine + reference)")
        panel.margins(x=0.08)
        _p_axis(panel)
    left.set_ylabel("smallest adjusted p")
    left.set_title("a difference needs p below the dotted line")
    right.set_ylabel("p of equivalence")
    right.set_title("sameness is shown below the dotted line")


def _p_axis(panel: Axes) -> None:
    """Give a panel of p values a logarithmic axis from at most 0.01 to 1."""
    drawn = [np.asarray(line.get_ydata(), dtype=np.float64) for line in panel.get_lines()]
    low = min([1e-2, *(0.7 * float(y[y > 0].min()) for y in drawn if (y > 0).any())])
    panel.set_yscale("log")
    panel.set_ylim(low, 1.3)
    decades = [10.0**k for k in range(int(np.floor(np.log10(low))), 1)]
    panel.yaxis.set_major_locator(FixedLocator(decades))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: p_value(value * (1 + 1e-9))))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _look_handles(env_ids: Sequence[str]) -> list[Any]:
    """Return one entry per environment and one for the limits."""
    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=OTHER_COLOURS[i % _N_ENVS],
            marker=OTHER_MARKERS[i % _N_ENVS],
            label=label(env_id, 26),
        )
        for i, env_id in enumerate(env_ids[:11])
    ]
    limit = "level to reach at this look"
    return [*handles, Line2D([], [], color=LIMIT_COLOUR, ls=":", lw=1.6, label=limit)]
