import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from harness.judgement import Evidence
from harness.records import Curves
from harness.report import plot_curves, plot_style
from harness.report.plots import draw, pictures, stem, twin_picture
from harness.report.summary import by_evidence
from tests.report import replay_samples, samples

NAN, INF = np.nan, np.inf
CHECKPOINTS = np.array([100, 200, 300, 400])


def pair_evidence(mine, reference):
    def made(metric, values):
        values = np.asarray(values, dtype=float)
        return Curves(metric, CHECKPOINTS[: values.shape[1]], values, tuple(range(len(values))))

    names = [name for name, *_ in samples.METRICS[:3]]
    both = {name: (made(name, mine), made(name, reference)) for name in names}
    finals = tuple(tuple(float(row[-1]) for row in np.asarray(side)) for side in (mine, reference))
    return Evidence({"CartPole-v1": both}, {"CartPole-v1": finals})


ODD = {
    "nan tail": ([[1, 2, NAN, NAN]], [[1, 2, 3, 4]]),
    "all nan": ([[NAN] * 4], [[NAN] * 4]),
    "infinite": ([[1, INF, -INF, 2], [1, 1, 1, INF]], [[1, 2, 3, 4]]),
    "huge": ([[1e308, -1e308, 1e308, 1.0]], [[1, 2, 3, 4]]),
    "constant": ([[5, 5, 5, 5]] * 3, [[5, 5, 5, 5]] * 3),
    "tiny": ([[1e-300, 2e-300, 0, 0]], [[0, 0, 0, 0]]),
    "one checkpoint": ([[1]], [[2]]),
    "unequal n": ([[1, 2, 3, 4]] * 7, [[4, 3, 2, 1]]),
}


@pytest.mark.parametrize("name", ODD)
def test_draw_of_odd_curves_gives_every_picture(name):
    judgement = samples.diverged_by_trace()
    judgement = replace(judgement, envs=(replace(judgement.envs[0], metrics=short_tests()),))
    files = draw(judgement, pair_evidence(*ODD[name]))
    assert len(files) == 8


def short_tests():
    hit = tuple(name for name, *_ in samples.METRICS[:2])
    tests = samples.metric_tests(significant=hit, metrics=samples.METRICS[:3])
    return tuple(replace(t, significant=((0, 0), (2, 3)) if t.significant else ()) for t in tests)


def test_curve_of_a_single_drawable_point_shows_it_as_a_dot():
    curves = pair_evidence(*ODD["huge"]).curves["CartPole-v1"]
    with plot_style.style():
        env = replace(samples.env(), metrics=())
        figure = plot_curves.learning_curves(env, curves["episode_return"], ("a", "b"))
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert dots
    for line in dots:
        assert line.get_ydata()[-1] == 1.0


def test_draw_without_seeds_on_one_side_still_draws_the_other():
    found = pair_evidence(np.empty((0, 4)), [[1, 2, 3, 4]])
    found = replace(found, finals={"CartPole-v1": ((), (4.0,))})
    assert len(draw(samples.parity(), found)) == 8


def test_draw_without_evidence_gives_only_the_looks():
    files = draw(samples.parity(), Evidence({}))
    assert set(files) == {"seeds-to-verdict.png", "seeds-to-verdict.svg"}


def test_draw_of_invalid_judgement_without_looks_gives_nothing():
    assert draw(samples.invalid(), Evidence({})) == {}


def test_draw_twice_gives_identical_bytes_and_leaves_settings_alone():
    judgement, evidence = samples.diverged_by_trace(), samples.evidence(shift=0.2)
    before = dict(mpl.rcParams)
    first = draw(judgement, evidence)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}):
        second = draw(judgement, evidence)
    assert first == second
    assert dict(mpl.rcParams) == before


def test_draw_files_are_valid_png_and_svg_without_dates():
    for name, content in draw(samples.parity(), samples.evidence()).items():
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            assert image.size[0] == 11 * plot_style.DPI
            assert image.info == {}
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")
            assert b"<dc:date>" not in content


def test_draw_of_hostile_names_gives_plain_file_names_and_safe_svg():
    files = samples.hostile_plots()
    assert len(files) == 2 * len(samples.HOSTILE) + 2
    for name, content in files.items():
        assert "/" not in name
        assert not name.startswith(".")
        if name.endswith(".svg"):
            tags = {e.tag.rpartition("}")[2] for e in ElementTree.fromstring(content).iter()}
            assert "script" not in tags


def panels_of(curves_shift=0.2, **changes):
    judgement = samples.diverged_by_trace()
    env = replace(judgement.envs[0], **changes)
    curves = samples.evidence(shift=curves_shift).curves["CartPole-v1"]
    with plot_style.style():
        names = ("mine.py", "sb3")
        return (
            env,
            plot_curves.learning_curves(env, curves["episode_return"], names),
            (plot_curves.traces(env, curves)),
        )


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_learning_curves_name_sides_n_and_units_and_explain_everything_drawn():
    _, figure, _ = panels_of()
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles[0] == "mine: mine.py  (n = 5)"
    assert titles[1] == "reference: sb3  (n = 5)"
    assert titles[2].startswith("both: different where shaded")
    assert figure.axes[0].get_ylabel() == "episode return (reward)"
    assert all(panel.get_xlabel() == "env steps" for panel in figure.axes)
    assert legend_texts(figure) == [
        "mine: mean",
        "reference: mean",
        "one seed each",
        "95 % band of the mean",
        "different",
        "difference begins here",
    ]


def test_learning_curves_use_the_fixed_colours_of_the_sides():
    _, figure, _ = panels_of()
    mine, reference, _ = figure.axes
    assert {line.get_color() for line in mine.lines} == {plot_style.COLOURS["mine"]}
    assert {line.get_color() for line in reference.lines} == {plot_style.COLOURS["reference"]}


def test_learning_curves_shade_exactly_the_significant_stretch():
    _, figure, _ = panels_of()
    spans = [
        patch.get_extents().transformed(figure.axes[2].transData.inverted())
        for patch in figure.axes[2].patches
    ]
    edges = [(round(box.x0), round(box.x1)) for box in spans]
    assert edges == [(17_000, 30_500), (35_000, 50_000)]


def test_traces_are_ordered_by_evidence_and_at_most_eight():
    env, _, figure = panels_of()
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    expected = [t.metric for t in by_evidence(env.metrics) if t.family == "trace"][:8]
    assert titles == expected


def test_traces_without_curves_is_none():
    with plot_style.style():
        assert plot_curves.traces(samples.env(), {}) is None


@pytest.mark.parametrize(
    ("row", "marks"),
    [
        ([1, 2, NAN, NAN], [(200.0, 2.0)]),
        ([NAN, 2, 3, 4], []),
        ([NAN] * 4, []),
        ([INF] * 4, [(100.0, 0.0)]),
        ([1, 2, 3, INF], [(300.0, 3.0)]),
        ([1e308, -1e308, 5, 6], [(300.0, 5.0)]),
        ([1, NAN, 3, NAN], [(100.0, 1.0), (300.0, 3.0)]),
    ],
)
def test_broken_marks_where_a_curve_ends_and_not_where_it_is_absent(row, marks):
    x, y = plot_curves.broken(Curves("m", CHECKPOINTS, np.array([row], dtype=float), (0,)))
    assert list(zip(x, y, strict=True)) == marks


def test_legend_of_environments_shows_names_with_leading_underscore():
    from harness.report.plot_summary import seeds_to_verdict

    with plot_style.style():
        figure = seeds_to_verdict(samples.looks(("_leading", r"$\frac{")))
    assert legend_texts(figure)[:2] == [" _leading", r"$\frac{"]


def test_pictures_captions_state_n_of_both_sides():
    for picture in pictures(samples.env()):
        assert "mine n = 5, reference n = 5" in picture.caption


def test_stem_of_hostile_env_is_a_plain_name():
    assert stem("../x", "metric-traces") == "x-d6b96a--metric-traces"


ODD_COURSES = {
    "nothing differs": [(k * 10, 0.0, 0.0) for k in range(5)],
    "one point": [(10, 1e-7, 1e-6)],
    "not finite": [(10, 1e-7, 1e-6), (20, NAN, INF), (30, INF, NAN), (40, 1e300, 1e-5)],
    "no band": [(10, 1e-7, 0.0), (20, 1e-3, 0.0)],
}


@pytest.mark.parametrize("name", ODD_COURSES)
@pytest.mark.parametrize("twin", [replay_samples.INSIDE, replay_samples.DEPARTED])
def test_draw_of_odd_twin_runs_gives_their_picture(name, twin):
    twin = replace(twin, course=tuple(ODD_COURSES[name]))
    files = draw(replace(samples.invalid(), twins=(twin,)), Evidence({}))
    assert set(files) == {f"{twin.env_id}--twin-run-0.{suffix}" for suffix in ("png", "svg")}


def test_draw_of_twin_run_without_a_course_gives_nothing():
    judgement = replace(samples.invalid(), twins=(replay_samples.NOT_RUN,))
    assert draw(judgement, Evidence({})) == {}


def test_twin_run_has_fixed_colours_log_axis_and_explains_everything_drawn():
    from harness.report.plot_twin import twin_run

    with plot_style.style():
        figure = twin_run(replay_samples.DEPARTED)
    panel = figure.axes[0]
    assert panel.get_yscale() == "log"
    colours = [line.get_color() for line in panel.lines]
    assert colours[:2] == [plot_style.COLOURS["reference"], plot_style.COLOURS["mine"]]
    assert legend_texts(figure) == [
        "mine's distance from the reference",
        "edge of the band",
        "band of nudged reference runs",
        "leaves the band here",
    ]


def test_twin_picture_of_hostile_names_has_a_plain_stem_and_says_n():
    made = twin_picture(replace(replay_samples.DEPARTED, env_id="../x"))
    assert made.stem == "x-d6b96a--twin-run-0"
    assert "n = 1 run of each side" in made.caption


def test_draw_of_a_comparison_that_stopped_before_training_has_no_looks():
    judgement = replace(replay_samples.diverged(), twins=())
    assert draw(judgement, Evidence({})) == {}
