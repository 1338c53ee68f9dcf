import numpy as np
import pytest

from harness.errors import TooFewSeeds
from harness.records import Curves
from harness.stats.family import FamilyOptions, family_test
from harness.stats.permutation import Moderation, moderated_max_t

CLUSTER = FamilyOptions("cluster-mass")


def rng():
    return np.random.default_rng(4)


def side(metric, values, seeds=None):
    grid = np.arange(1, values.shape[1] + 1, dtype=np.int64)
    return Curves(metric, grid, values, seeds or tuple(range(len(values))))


def pair(metric="loss", n=4, m=5, shift=0.0, k=6):
    generator = np.random.default_rng(len(metric))
    return (
        side(metric, generator.normal(size=(n, k)) + shift),
        side(metric, generator.normal(size=(m, k))),
    )


def test_family_test_equals_max_t_on_all_columns_together():
    curves = {"loss": pair("loss"), "q_values.mean": pair("q_values.mean", shift=3.0)}
    tested = family_test(curves, rng=rng())
    joined = moderated_max_t(
        *(np.concatenate([curves[name][k].values for name in curves], axis=1) for k in (0, 1)),
        rng=rng(),
        rule=Moderation(np.arange(12) % 6 == 0),
    )
    assert np.concatenate(list(tested.p_adjusted.values())) == pytest.approx(joined.p_adjusted)
    assert np.concatenate(list(tested.statistic.values())) == pytest.approx(joined.statistic)
    assert tested.smallest_p == joined.smallest_p
    assert tested.is_exact
    assert tested.excluded == {}
    assert tested.untested_points == {"loss": 0, "q_values.mean": 0}


@pytest.mark.parametrize("options", [None, CLUSTER])
def test_family_test_when_column_is_not_finite_then_counted_and_nan(options):
    mine, reference = pair()
    mine.values[0, 0] = np.nan
    reference.values[1, 3] = np.inf
    tested = family_test({"loss": (mine, reference)}, rng=rng(), options=options)
    assert np.flatnonzero(np.isnan(tested.p_adjusted["loss"])).tolist() == [0, 3]
    assert np.flatnonzero(np.isnan(tested.statistic["loss"])).tolist() == [0, 3]
    assert tested.untested_points == {"loss": 2}


def test_family_test_when_metric_has_no_testable_point_then_named_with_seeds():
    broken = pair("grad_norm")
    broken[0].values[2] = np.nan
    tested = family_test({"loss": pair(), "grad_norm": broken}, rng=rng())
    assert "mine seed 2: 6 of 6" in tested.excluded["grad_norm"]
    assert tested.untested_points["grad_norm"] == 6
    assert list(tested.p_adjusted) == ["loss"]


def test_family_test_when_metric_lacks_seeds_then_named_and_not_silently_dropped():
    short = pair("grad_norm", n=3)
    tested = family_test({"loss": pair(), "grad_norm": short}, rng=rng())
    assert tested.excluded["grad_norm"] == "mine lacks seed(s) 3"


def test_family_test_when_seeds_are_in_other_order_then_excluded():
    mine, reference = pair("grad_norm")
    shuffled = (side("grad_norm", mine.values, (3, 2, 1, 0)), reference)
    tested = family_test({"loss": pair(), "grad_norm": shuffled}, rng=rng())
    assert "another order" in tested.excluded["grad_norm"]


def test_family_test_when_nothing_testable_then_none():
    mine, reference = pair()
    mine.values[:] = np.nan
    assert family_test({"loss": (mine, reference)}, rng=rng()) is None


def test_family_test_when_many_seeds_are_broken_then_lists_some_and_counts_rest():
    mine, reference = pair(n=9)
    mine.values[:] = np.nan
    good = pair("grad_norm", n=9)
    tested = family_test({"loss": (mine, reference), "grad_norm": good}, rng=rng())
    assert tested.excluded["loss"].endswith("and 3 more)")


def test_family_test_when_cluster_then_clusters_do_not_join_metrics():
    same = np.random.default_rng(0).normal(size=(2, 6, 4))
    same[0] += 6.0
    first = {"loss": (side("loss", same[0]), side("loss", same[1]))}
    both = first | {"q": (side("q", same[0]), side("q", same[1]))}
    alone = family_test(first, rng=rng(), options=CLUSTER)
    joined = family_test(both, rng=rng(), options=CLUSTER)
    # An identical second metric changes no maximum, unless its clusters were glued to the first's.
    assert joined.p_adjusted["loss"] == pytest.approx(alone.p_adjusted["loss"])


def test_family_test_when_too_few_seeds_then_names_side():
    with pytest.raises(TooFewSeeds, match="mine has 1 seed"):
        family_test({"loss": pair(n=1)}, rng=rng())


def test_family_test_when_grids_differ_then_names_metric():
    mine, reference = pair()
    other = Curves("loss", reference.checkpoints + 1, reference.values, reference.seeds)
    with pytest.raises(ValueError, match="loss: mine and reference lie on different checkpoints"):
        family_test({"loss": (mine, other)}, rng=rng())


def test_family_test_when_no_metric_then_refuses():
    with pytest.raises(ValueError, match="at least one metric to test, seen none"):
        family_test({}, rng=rng())
