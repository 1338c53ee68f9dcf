"""What training on a probe must arrive at: the closed form arbitrates between the sides.

Each row is of one side. Where a side alone misses the answer it is blamed, the reference too; where
both miss it, the budget was too small, or the algorithm does not solve the probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from harness.judgement import SanityRow
from harness.probes.closed_forms import Answer
from harness.records import Trace

# Share of the size of the probe's values that an estimate may be off after training. Right
# implementations arrive within 6 % of it with the budgets of the table (docs/statistics.md); what
# the probes are for moves an estimate by 23 % or more.
VALUE_SLACK = 0.15
# Share of the way from uniformly random to best actions that the last episodes must have gone.
RETURN_SHARE = 0.5
# With fewer runs a single unlucky one could decide.
MIN_RUNS = 3
# What counts as the end of training: this last share of the measurements and of the episodes.
LAST_SHARE = 0.25


def check_closed_form(
    traces: Sequence[Trace],
    answer: Answer,
    estimates: Mapping[str, str],
    *,
    role: Literal["mine", "reference"],
    env_id: str,
) -> tuple[SanityRow, ...]:
    """Return a row per tap that estimates values and was seen, and one for the returns.

    Args:
        traces: one run each; the median over them is compared, of MIN_RUNS at least.
        estimates: tap -> "state_value" or "action_value".
    """
    if len(traces) < MIN_RUNS:
        return ()
    rows = []
    ends = {"action_value": answer.action_values, "state_value": answer.state_values}
    for tap, of in estimates.items():
        wanted = zip((f"{tap}.min", f"{tap}.max"), ends[of] or (None, None), strict=True)
        known = {metric: value for metric, value in wanted if value is not None}
        found = {metric: seen for metric in known if (seen := _median(traces, metric)) is not None}
        if not known or len(found) < len(known):
            continue
        wrong = [
            f"{metric} ends at {found[metric]:.4g}, closed form {value:.4g}"
            for metric, value in known.items()
            if not abs(found[metric] - value) <= VALUE_SLACK * answer.size
        ]
        name = f"{tap} arrives at the closed form (probe of {answer.isolates})"
        rows.append(SanityRow(name, role, env_id, answer.component, not wrong, "; ".join(wrong)))
    return (*rows, *_returns(traces, answer, role=role, env_id=env_id))


def _returns(
    traces: Sequence[Trace], answer: Answer, *, role: Literal["mine", "reference"], env_id: str
) -> tuple[SanityRow, ...]:
    ends = [last for trace in traces if len(last := last_of(trace.episodes.returns))]
    gap = answer.best_return - answer.random_return
    if not ends or gap <= 0:
        return ()
    earned = float(np.median([end.mean() for end in ends]))
    asked = answer.random_return + RETURN_SHARE * gap
    detail = ""
    if not earned >= asked:
        detail = (
            f"the last episodes earn {earned:.4g}; best actions earn {answer.best_return:.4g}, "
            f"random ones {answer.random_return:.4g}"
        )
    name = f"better actions are learnt (probe of {answer.isolates})"
    return (SanityRow(name, role, env_id, answer.component, not detail, detail),)


def _median(traces: Sequence[Trace], metric: str) -> float | None:
    """Return the median over runs of the median of the last measurements; None if never seen."""
    seen = [
        float(np.median(last_of(trace.metrics[metric].values)))
        for trace in traces
        if metric in trace.metrics and len(trace.metrics[metric].values)
    ]
    return float(np.median(seen)) if seen else None


def last_of(values: np.ndarray) -> np.ndarray:
    """Return the last LAST_SHARE of the values, one at least; empty if there are none."""
    n_last = max(1, round(LAST_SHARE * len(values)))
    return values[-n_last:]
