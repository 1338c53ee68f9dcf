import math

import numpy as np
import pytest

from harness.records import Curves, Margin
from harness.stats.endpoints import EndpointRules, endpoint_tests
from harness.stats.equivalence import tost

RULES = EndpointRules(Margin(1.0), alpha=0.05, alpha_spent=0.02)


def side(values):
    values = np.asarray(values, float)
    grid = np.arange(1, values.shape[1] + 1, dtype=np.int64)
    return Curves("episode_return", grid, values, tuple(range(len(values))))


def pair(n=20, m=20, seed=0):
    generator = np.random.default_rng(seed)
    return side(generator.normal(size=(n, 50))), side(generator.normal(size=(m, 50)))


def test_endpoint_tests_are_auc_then_final_and_equal_tost():
    mine, reference = pair()
    auc, final = endpoint_tests(mine, reference, rules=RULES)
    assert (auc.endpoint, final.endpoint) == ("auc", "final")
    expected = tost(mine.values.mean(axis=1), reference.values.mean(axis=1), margin=Margin(1.0))
    assert auc.p_equivalence == pytest.approx(expected.p)
    assert auc.margin == pytest.approx(expected.margin)
    last = mine.values[:, 45:].mean() - reference.values[:, 45:].mean()
    assert final.difference.estimate == pytest.approx(last)
    assert final.difference.level == pytest.approx(0.96)
    assert auc.minimum_detectable > 0.0
    assert auc.seeds_for_parity > 2


def test_endpoint_tests_decide_at_the_level_spent():
    mine, reference = pair()
    p = endpoint_tests(mine, reference, rules=RULES)[0].p_equivalence
    for spent, expected in ((p * 1.01, True), (p * 0.99, False)):
        rules = EndpointRules(Margin(1.0), alpha=0.05, alpha_spent=spent)
        assert endpoint_tests(mine, reference, rules=rules)[0].is_equivalent is expected


def test_endpoint_tests_when_look_spends_nothing_then_never_equivalent_and_says_why():
    rules = EndpointRules(Margin(100.0, is_absolute=True), alpha=0.05, alpha_spent=0.0)
    for found in endpoint_tests(*pair(), rules=rules):
        assert not found.is_equivalent
        assert "later looks" in found.reason
        assert found.difference.level == pytest.approx(0.9)
        assert math.isfinite(found.difference.low)


@pytest.mark.parametrize(
    ("n", "m", "words"), [(1, 5, "mine has 1 seed"), (5, 0, "reference has 0")]
)
def test_endpoint_tests_when_too_few_seeds_then_none_with_reason(n, m, words):
    for found in endpoint_tests(*pair(n, m), rules=RULES):
        assert found.p_equivalence is None
        assert not found.is_equivalent
        assert words in found.reason
        assert found.minimum_detectable is None
        assert found.seeds_for_parity is None


def test_endpoint_tests_when_seed_is_nan_then_none_with_reason():
    mine, reference = pair(4, 4)
    mine.values[1, 30:] = np.nan
    for found in endpoint_tests(mine, reference, rules=RULES):
        assert found.p_equivalence is None
        assert found.reason == "1 seed(s) of mine have no finite value"
        assert math.isnan(found.difference.low)


def test_endpoint_tests_when_everything_is_nan_or_infinite_then_no_number_is_invented():
    for value in (np.nan, np.inf):
        mine, reference = side(np.full((3, 5), value)), side(np.ones((3, 5)))
        for found in endpoint_tests(mine, reference, rules=RULES):
            assert found.p_equivalence is None
            assert not found.is_equivalent
            assert found.minimum_detectable is None


def test_endpoint_tests_when_reference_is_constant_then_margin_zero_with_reason():
    found = endpoint_tests(side(np.ones((4, 5))), side(np.ones((4, 5))), rules=RULES)[1]
    assert found.margin == 0.0
    assert found.p_equivalence is None
    assert "set the margin in reward" in found.reason
