import numpy as np
import pytest
from scipy import stats

from harness.report.bands import band


def rng():
    return np.random.default_rng(3)


def test_band_of_hand_computed_curves_gives_mean_and_n():
    found = band(np.array([[1.0, np.nan, 5.0], [3.0, 4.0, np.inf]]), rng())
    assert found.centre.tolist() == [2.0, 4.0, 5.0]
    assert found.n.tolist() == [2, 1, 1]
    assert np.isfinite(found.low).tolist() == [True, False, False]


def test_band_agrees_with_scipys_percentile_bootstrap():
    values = np.random.default_rng(0).normal(size=(12, 3)) * [1, 5, 20]
    found = band(values, rng(), n_boot=20_000)
    oracle = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, vectorized=True, rng=rng()
    ).confidence_interval
    width = oracle.high - oracle.low
    np.testing.assert_allclose(found.low, oracle.low, atol=0.03 * width.max())
    np.testing.assert_allclose((found.low - oracle.low) / width, 0, atol=0.03)
    np.testing.assert_allclose((found.high - oracle.high) / width, 0, atol=0.03)


def test_band_of_one_seed_has_no_interval():
    found = band(np.array([[1.0, 2.0]]), rng())
    assert found.centre.tolist() == [1.0, 2.0]
    assert np.isnan(found.low).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_band_of_empty_curves_is_absent(shape):
    found = band(np.empty(shape), rng())
    assert found.centre.shape == (shape[1],)
    assert np.isnan(found.centre).all()


def test_band_of_constant_curves_is_the_constant():
    found = band(np.full((4, 2), 7.0), rng())
    assert found.low.tolist() == found.high.tolist() == [7.0, 7.0]


def test_band_of_seeds_in_other_order_has_the_same_centre():
    values = np.random.default_rng(0).normal(size=(6, 4))
    np.testing.assert_allclose(band(values, rng()).centre, band(values[::-1], rng()).centre)
