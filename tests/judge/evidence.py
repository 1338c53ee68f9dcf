"""Evidence of a comparison in which everything agrees, to be changed piece by piece."""

from dataclasses import replace

import numpy as np

from benchmarks.synthetic import comparison, run_spec, synthetic_trace
from harness.judge import Gathered, RunId, conclude, judge_look
from harness.judgement import DrawRow, SegmentRow, SegmentsResult, TwinRow
from harness.records import ROLES, Outcome, RunRecord
from harness.spec.cards import card
from harness.waiver import Waiver

ENV = "CartPole-v1"
TODAY = "2026-06-30"
SOURCES = [tap.name for tap in card("dqn").taps if tap.draws]


def spec(*waivers, env_ids=(ENV,), n_seeds=3):
    made = comparison(n_seeds=n_seeds, n_points=20, env_ids=env_ids)
    return replace(made, waivers=waivers, today=TODAY)


def waiver(what, **scope):
    return Waiver(**{"what": what, "reason": "on purpose", "expires": "2026-12-31", **scope})


def segment(tap, status="passed", **rest):
    known = {row.name: row for row in card("dqn").taps}
    row = known.get(tap)
    component, stage = (row.component, row.stage) if row else ("gradient-optimiser", "step")
    return SegmentRow(tap, component, stage, status, n_events=9, **rest)


def failed(tap, **rest):
    return segment(tap, "failed", n_failed=9, size=1e4, **rest)


def draw(source, *, is_rejected=False, feature="mean"):
    return DrawRow(source, "exploration", "collect", feature, 99, 0.5, is_rejected, 0.1, 0.2)


def segments(*rows, draws=(), **rest):
    """Every quantity of the card passed, but for the rows that are given instead."""
    every = {row.name: segment(row.name) for row in card("dqn").taps}
    every |= {"q_net_step": segment("q_net_step")}
    every |= {row.tap: row for row in rows}
    events = rest.pop("events", {"truncations": 3})
    drawn = {source: draw(source) for source in SOURCES} | {row.source: row for row in draws}
    return SegmentsResult(tuple(every.values()), events, draws=tuple(drawn.values()), **rest)


def twin(status="inside", *, env_id=ENV, **rest):
    return TwinRow(env_id, 0, status, env_steps=2000, updates=500, n_quantities=9, **rest)


def departed(**rest):
    parts = {"quantity": "td_target", "component": "target-network", "env_step": 700, "update": 9}
    return twin("departed", **parts | rest)


def gathered(made, *, facts=None, shift=None, drop=(), **rest):
    """Return runs of every seed whose metrics agree.

    Args:
        facts: role -> facts of its runs. shift: metric -> what is added on mine.
        drop: (role, seed) of runs that are not there yet.
    """
    rng = np.random.default_rng(3)
    records, traces = {}, {}
    for env in made.envs:
        for role in ROLES:
            for seed in made.seeds:
                run = run_spec(made, env, role=role, seed=seed)
                offset = shift if role == "mine" else None
                trace = synthetic_trace(run, n_metrics=8, rng=rng, shift=offset)
                known = {"n_updates": [10], **(facts or {}).get(role, {})}
                if (role, seed) not in drop:
                    place = RunId(role, env.env_id, seed)
                    records[place] = RunRecord(run, Outcome.DONE)
                    traces[place] = replace(trace, facts=known)
    twins = tuple(twin(env_id=env.env_id) for env in made.envs)
    known = Gathered(records, traces, segments=segments(), twins=twins)
    return replace(known, **rest)


def judged(made, **rest):
    """Return the judgement of the only look."""
    known = gathered(made, **rest)
    return conclude(made, known, [judge_look(made, known, 0)])
