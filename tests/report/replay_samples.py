"""Sample rows of what is tested without training; all numbers are made up."""

from __future__ import annotations

from dataclasses import replace

from harness.judgement import DrawRow, SegmentRow, SegmentsResult, TwinRow
from harness.waiver import Waiver, WaiverRow
from tests.report import samples

MINE_SOURCE = (
    " 154          with torch.no_grad():",
    ' 155              max_q = self.Q_hat(batch["next_obs"]).max(dim=1).values',
    ' 156              y = batch["rewards"] + self.h.gamma * max_q  # (B,)',
    ' 157          y = tap("td_target", y)',
)
REFERENCE_SOURCE = (
    " 203              with th.no_grad():",
    " 211                  target_q_values = rewards + (1 - dones) * discounts * next_q_values",
)
PASSED = tuple(
    SegmentRow(
        name,
        "sampling",
        "sample",
        "passed",
        n_events=464,
        noise_floor=2.9e-6,
        mine_place=f"my_impls/dqn.py:{100 + index}",
        reference_place=f"stable_baselines3/common/buffers.py:{113 + index}",
    )
    for index, name in enumerate(("rows", "batch", *(f"stretch_{k}" for k in range(14))))
)
FAILED = SegmentRow(
    "td_target",
    "bootstrapping-termination",
    "target",
    "failed",
    n_events=464,
    n_failed=331,
    size=9_238_823.6,
    share=0.125,
    update=0,
    env_step=63,
    hints=("only rows with terminated = 1 are off",),
    mine_place="my_impls/dqn.py:154-157",
    reference_place="stable_baselines3/dqn/dqn.py:203-211",
    mine_lines=("my_impls/dqn.py:154-157", "my_impls/dqn.py:122-125"),
    reference_lines=("stable_baselines3/dqn/dqn.py:203-211",),
    mine_source=MINE_SOURCE,
    reference_source=REFERENCE_SOURCE,
    noise_floor=3.5e-6,
    scenario="base",
)
MISSING = replace(
    FAILED,
    tap="q_net_updates",
    component="update-schedule",
    n_failed=0,
    missing=2,
    extra=1,
    size=0.0,
    share=0.0,
    hints=(),
)
WAIVED = replace(FAILED, tap="loss", component="loss", waived="squared error on purpose")
CONVENTION = replace(FAILED, tap="value_loss", component="loss", status="convention", hints=("2",))
UNOBSERVED = SegmentRow(
    "q_values",
    "network-architecture",
    "loss",
    "unobserved",
    reference_place="stable_baselines3/dqn/dqn.py:217",
)
OPTIONAL = replace(UNOBSERVED, tap="entropy", is_optional=True)
NOT_EXERCISED = replace(UNOBSERVED, tap="terminal_value", status="not exercised")
ROWS = (*PASSED, FAILED, MISSING, WAIVED, CONVENTION, UNOBSERVED, OPTIONAL, NOT_EXERCISED)
EVENTS = {"env steps": 680, "updates": 464, "truncations": 0}

DRAWN = DrawRow(
    "rows",
    "sampling",
    "sample",
    "mean row drawn, as a share of what is stored",
    n=239,
    p_adjusted=1.0,
    is_rejected=False,
    mine=0.507,
    reference=0.5,
    smallest_detectable=0.0421,
    scenario="base",
    mine_place="my_impls/dqn.py:94",
    reference_place="stable_baselines3/common/buffers.py:114",
)
BLIND = replace(
    DRAWN,
    feature="oldest row",
    smallest_detectable=None,
    reason="18 differing draws cannot reach this level; at least 27 can",
)
REJECTED = replace(
    DRAWN,
    source="action",
    component="exploration",
    feature="frequency of action 1",
    p_adjusted=2e-6,
    is_rejected=True,
    mine=0.21,
    reference=0.36,
)
DRAWS = (DRAWN, BLIND, REJECTED)

INSIDE = TwinRow(
    "CartPole-v1",
    0,
    "inside",
    env_steps=50_000,
    updates=12_000,
    n_quantities=9,
    course=tuple((k * 500, 1e-9 * 1.06**k, 4e-9 * 1.06**k) for k in range(100)),
)
DEPARTED = replace(
    INSIDE,
    env_id="Acrobot-v1",
    status="departed",
    quantity="q_net_step",
    component="gradient-optimiser",
    update=812,
    env_step=21_624,
    size=0.0021,
    band=1.1e-5,
    course=tuple(
        (k * 500, 0.0 if k < 3 else 1e-9 * 1.06**k * (1 if k < 43 else 900), 4e-9 * 1.06**k)
        for k in range(100)
    ),
    segments=(FAILED,),
    mine_place="my_impls/dqn.py:165",
    reference_place="stable_baselines3/dqn/dqn.py:228",
)
NOT_RUN = TwinRow("Pendulum-v1", 0, "not run", detail="mine has no tap for its draws")
TWINS = (INSIDE, DEPARTED, NOT_RUN)

WAIVERS = (
    WaiverRow(Waiver("loss", "squared error on purpose", "2027-06-30", "segment"), "applied"),
    WaiverRow(
        Waiver("tau", "paper's value", "2026-01-31", algo="dqn", env="CartPole-v1", owner="ann"),
        "expired",
        "expired after 2026-01-31; extend it with a reason, or remove it",
    ),
)


def result(**changes):
    return replace(SegmentsResult(ROWS, EVENTS, draws=DRAWS, notes=("a note",)), **changes)


def diverged():
    """A comparison that stopped before any training, with one row of every kind."""
    base = samples.diverged_by_fact()
    finding = replace(
        base.findings[0],
        level="segment",
        env_id="the exposing scenario",
        component="bootstrapping-termination",
        quantity="td_target",
        summary="td_target: from the same inputs, 331 of 464 differ",
        mine_place="my_impls/dqn.py:154-157",
        reference_place="stable_baselines3/dqn/dqn.py:203-211",
    )
    fact = replace(base.facts[-1], name="net_arch", waived="a larger net on purpose")
    return replace(
        base,
        headline="td_target (bootstrapping-termination) is computed differently from the same "
        "inputs; compare my_impls/dqn.py:154-157 with stable_baselines3/dqn/dqn.py:203-211.",
        findings=(finding, *base.findings),
        envs=tuple(
            replace(env, outcome="invalid", n_mine=0, n_reference=0, metrics=(), endpoints=())
            for env in base.envs
        ),
        runs=(),
        facts=(*base.facts, fact),
        looks=samples.looks(decision="diverged", counts=(0,)),
        aggregate=None,
        segments=ROWS,
        segment_events=EVENTS,
        draws=DRAWS,
        twins=TWINS,
        waivers=WAIVERS,
    )


def parity():
    """A comparison in which everything passed."""
    return replace(
        samples.parity(),
        segments=PASSED,
        segment_events={"env steps": 680, "updates": 464},
        draws=(DRAWN, BLIND),
        twins=(INSIDE,),
    )


def numerical():
    """PARITY by the numbers themselves, from seeds too few for the curves to show anything."""
    base, few = parity(), samples.inconclusive()
    envs = tuple(replace(env, alpha_per_test=0.0) for env in few.envs)
    return replace(base, grounds="numerical", envs=envs, looks=few.looks, runs=few.runs)


def hostile():
    """Hostile text in every place of these rows that takes one."""
    lines = tuple(f" {k:>3}  {name}" for k, name in enumerate(samples.HOSTILE))
    rows, draws, twins, waivers = [], [], [], []
    for name in samples.HOSTILE:
        parts = {"mine_place": name, "reference_place": name, "waived": ""}
        failed = replace(
            FAILED,
            tap=name,
            component=name,
            fields=(name,),
            hints=(name,),
            mine_lines=(name,),
            reference_lines=(name, "x" + name),
            mine_source=(*lines, name),
            reference_source=lines,
            scenario=name,
            **parts,
        )
        waived = replace(failed, tap="w" + name, status="failed")
        rows += [failed, replace(waived, waived=name), replace(failed, status="unobserved")]
        draws.append(
            replace(REJECTED, source=name, component=name, feature=name, scenario=name, **parts)
        )
        draws.append(replace(draws[-1], reason=name, waived=name))
        twins.append(
            replace(
                DEPARTED,
                env_id=name,
                quantity=name,
                component=name,
                detail=name,
                segments=(failed,),
                course=DEPARTED.course[:5],
                **parts,
            )
        )
        waivers.append(WaiverRow(Waiver(*(name,) * 7), "expired", name))
    base = samples.hostile()
    finding = replace(base.findings[0], level="segment", quantity=rows[0].tap)
    return replace(
        base,
        envs=(),
        facts=tuple(replace(fact, waived=fact.name) for fact in base.facts),
        sanity=tuple(replace(row, waived=row.check) for row in base.sanity),
        findings=(*base.findings, finding),
        segments=tuple(rows),
        segment_events=dict.fromkeys(samples.HOSTILE, 0),
        draws=tuple(draws),
        twins=tuple(twins),
        waivers=tuple(waivers),
    )


ALL = {
    "replay diverged": diverged,
    "replay parity": parity,
    "replay numerical": numerical,
    "replay hostile": hostile,
}
EVERY = {**samples.ALL, **ALL}
