"""All pictures of a report: which there are, what they are called, what their captions say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.judgement import EnvJudgement, Evidence, Judgement, TwinRow
from harness.report import summary
from harness.report.text import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal[
    "learning-curves", "metric-traces", "final-performance", "twin-run", "seeds-to-verdict"
]
CURVE = "episode_return"
LOOKS_STEM: Kind = "seeds-to-verdict"


@dataclass(frozen=True)
class Picture:
    """One picture: file name without suffix, and a caption that says what is shown, of what n."""

    stem: str
    kind: Kind
    caption: str


def draw(judgement: Judgement, evidence: Evidence) -> Mapping[str, bytes]:
    """Return file name -> bytes of every picture, each as PNG and SVG.

    The same inputs give the same bytes. What has no data is left out.
    """
    from harness.report.plot_style import style, to_png, to_svg

    files: dict[str, bytes] = {}
    with style():
        for stem, figure in _figures(judgement, evidence):
            files[f"{stem}.png"] = to_png(figure)
            files[f"{stem}.svg"] = to_svg(figure)
    return files


def stem(env_id: str, kind: Kind) -> str:
    """Return the file name, without suffix, of one picture of an environment.

    >>> stem("CartPole-v1", "metric-traces")
    'CartPole-v1--metric-traces'
    """
    return f"{slug(env_id)}--{kind}"


def _figures(judgement: Judgement, evidence: Evidence) -> Iterator[tuple[str, Figure]]:
    """Yield (stem, figure) of everything that can be drawn."""
    from harness.report.plot_summary import seeds_to_verdict

    for env in judgement.envs:
        yield from _env_figures(env, judgement, evidence)
    yield from _twin_figures(judgement)
    if summary.looks(judgement):
        yield LOOKS_STEM, seeds_to_verdict(summary.looks(judgement))


def _twin_figures(judgement: Judgement) -> Iterator[tuple[str, Figure]]:
    """Yield one picture per twin run that has a course."""
    from harness.report.plot_twin import twin_run

    for twin in judgement.twins:
        if twin.course:
            yield twin_picture(twin).stem, twin_run(twin)


def _env_figures(
    env: EnvJudgement, judgement: Judgement, evidence: Evidence
) -> Iterator[tuple[str, Figure]]:
    """Yield the pictures of one environment."""
    from harness.report.plot_curves import learning_curves, traces
    from harness.report.plot_summary import final_performance

    curves = evidence.curves.get(env.env_id, {})
    if CURVE in curves:
        names = (judgement.mine, judgement.reference)
        figure = learning_curves(env, curves[CURVE], names)
        yield stem(env.env_id, "learning-curves"), figure
    finals = evidence.finals.get(env.env_id)
    if finals is not None and any(finals):
        yield stem(env.env_id, "final-performance"), final_performance(env, finals)
    inside = traces(env, curves)
    if inside is not None:
        yield stem(env.env_id, "metric-traces"), inside


def pictures(env: EnvJudgement) -> tuple[Picture, ...]:
    """Return the pictures that an environment may have, in reading order."""
    sizes = f"mine n = {env.n_mine}, reference n = {env.n_reference}"
    kinds: tuple[tuple[Kind, str], ...] = (
        (
            "learning-curves",
            f"Learning curves ({sizes}). Thin: one line per seed. Thick: mean over seeds, with a "
            "pointwise 95 % bootstrap band. Yellow: where the two sides are shown to differ. The "
            "bar on top: the interval in which the difference begins. ×: next to it the curve is "
            "NaN, infinite or missing.",
        ),
        (
            "final-performance",
            f"Final performance ({sizes}). One dot per seed; diamond: mean with its interval; "
            ""
            "green: the reference's mean ± the margin.",
        ),
        (
            "metric-traces",
            f"Measured inside training ({sizes}), strongest evidence of a difference first; lines "
            "and colours as in the learning curves.",
        ),
    )
    return tuple(Picture(stem(env.env_id, kind), kind, text) for kind, text in kinds)


def twin_picture(twin: TwinRow) -> Picture:
    """Return the picture that a twin run may have."""
    what = twin.quantity or "the parameters"
    return Picture(
        f"{stem(twin.env_id, 'twin-run')}-{twin.seed}",
        "twin-run",
        f"Twin run, seed {twin.seed} (n = 1 run of each side): mine trains under the reference's "
        f"random draws. Line: distance of mine from the reference in {what}, in shares of the "
        "scale, on a logarithmic axis; on the lower edge: exactly equal. Band: how far reference "
        "runs get that were nudged by one rounding unit. Dotted: the first departure, if any.",
    )


LOOKS_PICTURE = Picture(
    LOOKS_STEM,
    LOOKS_STEM,
    "How the evidence grew as seeds were added. Left: the smallest adjusted p of each environment; "
    "a difference needs p below the dotted level of its look, which Holm's procedure divides among "
    "environments and tests. Right: the larger p of its two equivalence tests; at or below the "
    "dotted level, sameness is shown. No level drawn: so few seeds could not show it.",
)
