import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.stats.cluster import ClusterRule, cluster_mass

ORACLES = Path(__file__).parent / "oracles"


def rng():
    return np.random.default_rng(3)


def oracle():
    return np.load(ORACLES / "arrays.npz"), json.loads((ORACLES / "mne.json").read_text())


def brute_largest(t, threshold):
    """Largest mass of one curve of t values, point by point."""
    best, running, sign = 0.0, 0.0, 0
    for value in t:
        here = int(np.sign(value)) if abs(value) > threshold else 0
        running = (running if here == sign else 0.0) + abs(value) if here else 0.0
        sign = here
        best = max(best, running)
    return best


def test_cluster_mass_when_paired_then_equals_stored_mne():
    arrays, stored = oracle()
    rule = ClusterRule(threshold=stored["paired"]["threshold"])
    tested = cluster_mass(
        arrays["paired_mine"], arrays["paired_reference"], rng=rng(), rule=rule, is_paired=True
    )
    # Of the 2^9 flips 256 are distinct up to the overall sign; MNE 1.13.2 uses 255 of them, so our
    # count of extreme ones is equal to its count or one more.
    inside = np.zeros(60, dtype=bool)
    for points, p in zip(stored["paired"]["clusters"], stored["paired"]["p"], strict=True):
        inside[points] = True
        extra = tested.p_adjusted[points] * 256 - p * 255
        assert (np.isclose(extra, 0.0) | np.isclose(extra, 1.0)).all()
    assert inside.any()
    assert (tested.p_adjusted[~inside] == 1.0).all()


def test_cluster_mass_when_unpaired_then_agrees_with_stored_mne_up_to_sampling():
    arrays, stored = oracle()
    unpaired = stored["unpaired"]
    rule = ClusterRule(threshold=unpaired["threshold"])
    tested = cluster_mass(arrays["mine"], arrays["reference"], rng=rng(), rule=rule)
    assert tested.is_exact
    assert np.abs(tested.statistic) == pytest.approx(unpaired["t"])
    inside = np.zeros(60, dtype=bool)
    for points, p in zip(unpaired["clusters"], unpaired["p"], strict=True):
        inside[points] = True
        ours = tested.p_adjusted[points]
        assert np.ptp(ours) == 0.0
        sd = np.sqrt(ours[0] * (1 - ours[0]) / unpaired["n_permutations"])
        assert abs(ours[0] - p) <= 4.5 * sd + 1 / unpaired["n_permutations"]
    assert (tested.p_adjusted[~inside] == 1.0).all()


def test_cluster_mass_when_small_then_equals_brute_force():
    generator = np.random.default_rng(5)
    mine, reference = generator.normal(size=(4, 12)), generator.normal(size=(4, 12))
    mine[:, 4:9] += 2.0
    pooled = np.concatenate([mine, reference])
    masses = []
    for chosen in combinations(range(8), 4):
        is_mine = np.isin(np.arange(8), chosen)
        t = stats.ttest_ind(pooled[is_mine], pooled[~is_mine], equal_var=False).statistic
        masses.append(brute_largest(t, 2.0))
    tested = cluster_mass(mine, reference, rng=rng(), rule=ClusterRule(threshold=2.0))
    observed = masses[0]
    assert tested.p_adjusted.min() == pytest.approx(np.mean(np.array(masses) >= observed - 1e-9))


def test_cluster_mass_when_break_given_then_clusters_do_not_cross_it():
    mine, reference = np.random.default_rng(1).normal(size=(2, 6, 10))
    mine[:, 2:8] += 5.0
    starts = np.zeros(10, dtype=bool)
    starts[5] = True
    whole = cluster_mass(mine, reference, rng=rng())
    parted = cluster_mass(mine, reference, rng=rng(), rule=ClusterRule(starts))
    assert parted.p_adjusted[3] >= whole.p_adjusted[3]
    alone = cluster_mass(mine[:, :5], reference[:, :5], rng=rng())
    assert alone.statistic == pytest.approx(parted.statistic[:5])


def test_cluster_mass_when_no_point_passes_then_all_one():
    tested = cluster_mass(np.ones((4, 5)), np.ones((4, 5)), rng=rng())
    assert tested.p_adjusted.tolist() == [1.0] * 5


def test_cluster_mass_when_signs_differ_then_two_clusters():
    mine, reference = np.random.default_rng(2).normal(size=(2, 8, 6)) * 0.1
    mine[:, :2] += 1.0
    mine[:, 2:] -= 5.0
    tested = cluster_mass(mine, reference, rng=rng(), rule=ClusterRule(threshold=2.0))
    assert (tested.statistic[:2] > 0).all()
    assert (tested.statistic[2:] < 0).all()


def test_cluster_mass_when_constants_differ_then_smallest_p():
    tested = cluster_mass(np.ones((4, 3)), np.zeros((4, 3)), rng=rng())
    assert tested.p_adjusted == pytest.approx([2 / 70] * 3)
    assert np.isfinite(tested.statistic).all()


def test_cluster_mass_when_starts_have_wrong_shape_then_says_so():
    with pytest.raises(ValueError, match=r"starts must have shape \(3,\), seen \(2,\)"):
        cluster_mass(np.ones((4, 3)), np.zeros((4, 3)), rng=rng(), rule=ClusterRule(np.ones(2) > 0))
