"""Slow, literal restatements of the definitions, as oracles on tiny cases."""

from itertools import combinations, product

import numpy as np
from scipy.stats import ttest_1samp, ttest_ind


def labelled_t(mine, reference):
    """Return |t| of every assignment of labels: (n_labellings, n_hypotheses), observed first."""
    pooled = np.concatenate([mine, reference])
    rows = []
    for chosen in combinations(range(len(pooled)), len(mine)):
        is_mine = np.isin(np.arange(len(pooled)), chosen)
        rows.append(np.abs(ttest_ind(pooled[is_mine], pooled[~is_mine], equal_var=False).statistic))
    return np.array(rows)


def flipped_t(pairs):
    """Return |t| of every sign flip: (n_flips, n_hypotheses), observed first."""
    flips = product((1.0, -1.0), repeat=len(pairs))
    return np.array(
        [np.abs(ttest_1samp(pairs * np.array(f)[:, None], 0.0).statistic) for f in flips]
    )


def step_down_p(t):
    """Westfall & Young, algorithm 2.8, literally, on all relabelled |t| with the observed first."""
    order = np.argsort(-t[0], kind="stable")
    p = np.ones(t.shape[1])
    worst = 0.0
    for rank, hypothesis in enumerate(order):
        largest = t[:, order[rank:]].max(axis=1)
        share = np.mean(largest >= t[0, hypothesis] * (1.0 - 1e-9))
        worst = max(worst, share)
        p[hypothesis] = worst
    return p
