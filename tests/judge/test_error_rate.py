"""Through the whole judging chain, equal sides are called different no more often than alpha."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.synthetic import comparison, run_spec, synthetic_trace
from harness.judge import Gathered, RunId, judge_look, levels_of
from harness.records import ROLES, Margin, Outcome, RunRecord

ALPHA = 0.2  # large, so that few comparisons tell a right rate from a wrong one


def spec_of_two_envs():
    spec = comparison(n_seeds=8, n_points=20, env_ids=("CartPole-v1", "Acrobot-v1"), alpha=ALPHA)
    return replace(spec, looks=(3, 5, 8))


def is_called(verdict, spec, rng, *, offset=0.0):
    """Return whether any look of one simulated comparison ends with the verdict."""
    records, traces = {}, {}
    for env in spec.envs:
        for role in ROLES:
            for seed in spec.seeds:
                run = run_spec(spec, env, role=role, seed=seed)
                place = RunId(role, env.env_id, seed)
                shift = {"episode_return": offset if role == "mine" else 0.0}
                traces[place] = synthetic_trace(run, n_metrics=4, rng=rng, shift=shift)
                records[place] = RunRecord(run, Outcome.DONE)
    for look, n in enumerate(spec.looks):
        known = [place for place in traces if place.seed < n]
        gathered = Gathered({p: records[p] for p in known}, {p: traces[p] for p in known})
        found = judge_look(spec, gathered, look).decision.verdict
        if found != "inconclusive":
            return found == verdict
    return False


def most_events(n, rate):
    """Return the number of events that `rate` exceeds with probability below 0.1 %."""
    return int(binom.ppf(0.999, n, rate))


def rate_check(n, **simulated):
    spec = simulated.pop("spec")
    verdict = simulated.pop("verdict")
    rng = np.random.default_rng(11)
    events = sum(is_called(verdict, spec, rng, **simulated) for _ in range(n))
    assert events <= most_events(n, ALPHA)


def test_equal_sides_are_seldom_called_different_smoke():
    rate_check(8, spec=spec_of_two_envs(), verdict="diverged")


@pytest.mark.slow
def test_equal_sides_are_called_different_in_at_most_alpha_of_all_comparisons():
    rate_check(200, spec=spec_of_two_envs(), verdict="diverged")


@pytest.mark.slow
def test_sides_at_the_margin_are_called_the_same_in_at_most_alpha_of_all_comparisons():
    spec = replace(spec_of_two_envs(), margin=Margin(2.0, is_absolute=True))
    rate_check(200, spec=spec, verdict="parity", offset=2.0)


@pytest.mark.parametrize("looks", [(5,), (3, 5, 8), (3, 5, 8, 12, 20), (2, 20)])
@pytest.mark.parametrize("n_envs", [1, 2, 6])
def test_levels_of_all_looks_add_up_to_alpha_and_a_look_that_cannot_reject_has_none(looks, n_envs):
    env_ids = tuple(f"env-{k}" for k in range(n_envs))
    spec = comparison(n_seeds=looks[-1], n_points=20, env_ids=env_ids)
    levels = levels_of(replace(spec, looks=looks))
    for spent in ([one.difference for one in levels], [one.equivalence for one in levels]):
        assert sum(spent) <= 0.05 * (1 + 1e-12)
    for one in levels:
        # Holm's first step shares the level between two families of every environment.
        assert one.difference == 0.0 or one.smallest_p <= one.difference / (2 * n_envs)
