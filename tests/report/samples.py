"""Sample judgements and evidence: one builder per kind of verdict; all numbers are made up."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from harness.judgement import (
    Aggregate,
    EndpointTest,
    EnvJudgement,
    Evidence,
    FactRow,
    Finding,
    Interval,
    Judgement,
    LookRow,
    MetricTest,
    Onset,
    RunRow,
    SanityRow,
)
from harness.records import Curves
from harness.report.plots import draw

# Names as an attacker, or an unlucky user, would choose them.
HOSTILE = (
    "<script>alert(1)</script>",
    "../../x",
    "[/red][bold]",
    r"$\frac{",
    "a|b`c`",
    "@team https://evil.example #12",
    "_leading",
    "\x1b[31mred\x1b]0;title\x07\u202eoverride",
    "=cmd()",
    '"><img src=x onerror=alert(1)>',
)

# metric, unit, component, stage
METRICS = (
    ("episode_return", "reward", "evaluation-logging", "outcome"),
    ("episode_length", "env steps", "evaluation-logging", "outcome"),
    ("reward.mean", "reward", "env-interface", "collect"),
    ("action.mean", "action", "exploration", "collect"),
    ("epsilon.mean", "", "exploration", "collect"),
    ("q_values.mean", "reward", "network-architecture", "loss"),
    ("q_values.std", "reward", "network-architecture", "loss"),
    ("q_values.max", "reward", "network-architecture", "loss"),
    ("td_target.mean", "reward", "target-network", "target"),
    ("td_target.std", "reward", "target-network", "target"),
    ("td_target.min", "reward", "target-network", "target"),
    ("td_target.max", "reward", "target-network", "target"),
    ("td_target.norm", "reward", "target-network", "target"),
    ("loss", "", "loss", "loss"),
    ("grad_norm", "", "gradient-optimiser", "gradient"),
    ("grad_norm_unclipped", "", "gradient-optimiser", "gradient"),
    ("param_norm", "", "gradient-optimiser", "step"),
    ("update_norm", "", "gradient-optimiser", "step"),
    ("learning_rate", "", "lr-schedule", "step"),
    ("updates_per_env_step", "updates / env step", "update-schedule", "step"),
)
HYPERPARAMETERS = {"gamma": 0.99, "learning_rate": 0.0023, "batch_size": 64, "net_arch": [256, 256]}
SOURCES = {"gamma": "rl-zoo3 dqn.yml", "learning_rate": "rl-zoo3 dqn.yml"}
N_CHECKPOINTS = 100
TOTAL = 50_000


def interval(estimate, half, level=0.95):
    return Interval(estimate, estimate - half, estimate + half, level)


def learning(rng, n_seeds, *, final=480.0, delay=0.0, n_checkpoints=N_CHECKPOINTS):
    """Curves that rise from 20 to `final`, absent before the first episode."""
    time = np.linspace(0, 1, n_checkpoints)
    rise = 1 / (1 + np.exp(-14 * (time - 0.4 - delay - 0.06 * rng.normal(size=(n_seeds, 1)))))
    noise = np.cumsum(rng.normal(size=(n_seeds, n_checkpoints)), axis=1)
    values = 20 + (final - 20) * rise + 2.5 * noise
    values[:, :2] = np.nan
    return values


def evidence(env_ids=("CartPole-v1",), *, n_mine=5, n_reference=5, shift=0.0, metrics=METRICS):
    """Made-up curves; `shift` moves mine after a third of training."""
    rng = np.random.default_rng(7)
    checkpoints = np.linspace(TOTAL / N_CHECKPOINTS, TOTAL, N_CHECKPOINTS).astype(np.int64)
    curves, finals = {}, {}
    for env_id in env_ids:
        curves[env_id] = {}
        for name, *_ in metrics:
            mine, reference = learning(rng, n_mine), learning(rng, n_reference)
            if name != "episode_return":
                mine, reference = 1 + mine / 500, 1 + reference / 500
            mine[:, N_CHECKPOINTS // 3 :] -= shift * np.nanmean(np.abs(mine))
            curves[env_id][name] = (
                Curves(name, checkpoints, mine, tuple(range(n_mine))),
                Curves(name, checkpoints, reference, tuple(range(n_reference))),
            )
        ends = (
            [
                tuple(float(v) for v in side.values[:, -10:].mean(axis=1))
                for side in curves[env_id]["episode_return"]
            ]
            if "episode_return" in curves[env_id]
            else [(), ()]
        )
        finals[env_id] = (ends[0], ends[1])
    return Evidence(curves, finals)


def endpoints(*, is_equivalent=True, gap=-3.0, seeds_for_parity=None):
    made = []
    for name, scale in (("auc", 0.6), ("final", 1.0)):
        made.append(
            EndpointTest(
                name,
                interval(480 * scale + gap, 12),
                interval(480 * scale, 10),
                interval(gap, 15, 0.9),
                margin=35.0,
                p_equivalence=0.004 if is_equivalent else 0.31,
                is_equivalent=is_equivalent,
                minimum_detectable=41.5,
                seeds_for_parity=seeds_for_parity,
            )
        )
    return tuple(made)


def metric_tests(*, significant=(), metrics=METRICS):
    made = []
    for index, (name, unit, component, stage) in enumerate(metrics):
        hit = name in significant
        made.append(
            MetricTest(
                name,
                "curve" if name == "episode_return" else "trace",
                unit,
                component,
                stage,
                p_adjusted=0.0008 * (1 + significant.index(name))
                if hit
                else min(1.0, 0.2 + 0.05 * index),
                is_significant=hit,
                significant=((34, 60), (70, 99)) if hit else (),
                onset=Onset(15_500, 18_000, 0.95) if hit else None,
                effect=-0.42 if hit else 0.013,
            )
        )
    return tuple(made)


def env(env_id="CartPole-v1", *, outcome="parity", tier="easy", n=5, **parts):
    made = EnvJudgement(
        env_id=env_id,
        tier=tier,
        n_mine=n,
        n_reference=n,
        total_timesteps=TOTAL,
        outcome=outcome,
        metrics=metric_tests(),
        endpoints=endpoints(),
        smallest_p=0.0079,
        alpha_per_test=0.0125,
        hyperparameters=HYPERPARAMETERS,
        sources=SOURCES,
    )
    return replace(made, **parts)


def facts(env_ids=("CartPole-v1",)):
    rows = []
    for env_id in env_ids:
        rows += [
            FactRow("env_steps", env_id, "env-interface", "50000", "50000", True, True),
            FactRow(
                "optimiser_class", env_id, "gradient-optimiser", "[Adam]", "[Adam]", True, True
            ),
            FactRow(
                "trained_parameter_count",
                env_id,
                "network-architecture",
                "[67586]",
                "[67586]",
                True,
                True,
            ),
            FactRow("episodes", env_id, "evaluation-logging", "412", "398", False, False),
        ]
    return tuple(rows)


def looks(env_ids=("CartPole-v1",), decision="parity", counts=(3, 5), last_p=0.4):
    rows = []
    for index, n in enumerate(counts):
        last = index == len(counts) - 1
        rows.append(
            LookRow(
                n,
                n,
                n * 2 * TOTAL * len(env_ids),
                alpha_spent=0.05 * (index + 1) / 5,
                smallest_p=dict.fromkeys(env_ids, last_p if last else 0.2),
                equivalence_spent=0.05 * ((index + 1) / 5) ** 3,
                equivalence_p=dict.fromkeys(
                    env_ids, 0.004 if last and decision == "parity" else 0.6 / (index + 1)
                ),
                decision=decision if last else "inconclusive",
            )
        )
    return tuple(rows)


def runs(env_ids=("CartPole-v1",), n=5):
    return tuple(
        RunRow(role, env_id, seed, "done", f"{seed:02x}{'ab12' * 15}", TOTAL, 12_000)
        for env_id in env_ids
        for role in ("mine", "reference")
        for seed in range(n)
    )


def sanity(env_ids=("CartPole-v1",)):
    return tuple(
        SanityRow(check, role, env_id, "exploration", True)
        for env_id in env_ids
        for role in ("mine", "reference")
        for check in ("all numbers finite", "epsilon in [0, 1]")
    )


def parity(env_ids=("CartPole-v1",)):
    return Judgement(
        verdict="parity",
        grounds="statistical",
        headline="my_impls/dqn.py:side learns like sb3 on every environment: differences are "
        "shown to be inside one standard deviation of the reference's own seeds.",
        reasons=("Equivalence is shown on every endpoint of every environment.",),
        look_next=(),
        algo="dqn",
        mine="my_impls/dqn.py:side",
        reference="sb3",
        alpha=0.05,
        margin="1 standard deviation of the reference's seeds",
        budget="standard",
        difference_test="max-t",
        is_paired=False,
        envs=tuple(env(env_id) for env_id in env_ids),
        facts=facts(env_ids),
        sanity=sanity(env_ids),
        findings=(),
        aggregate=Aggregate(interval(0.98, 0.05), interval(1.0, 0.04), interval(-0.02, 0.06)),
        looks=looks(env_ids),
        runs=runs(env_ids),
        env_steps_spent={"mine": 250_000, "reference": 250_000},
        asked={"algo": "dqn", "envs": ["easy"]},
        provenance={
            "python": "3.11.9",
            "torch": "2.13.0+cpu",
            "commit": "0d4c95c",
            "is_dirty": False,
        },
    )


def diverged_by_fact(env_ids=("CartPole-v1",)):
    bad = [
        FactRow(
            "optimiser_constants",
            env_id,
            "gradient-optimiser",
            "[{lr: 0.0023, betas: [0.9, 0.999], eps: 1e-05, weight_decay: 0}]",
            "[{lr: 0.0023, betas: [0.9, 0.999], eps: 1e-08, weight_decay: 0}]",
            False,
            True,
            "eps is 1000 times the reference's",
        )
        for env_id in env_ids
    ]
    finding = Finding(
        level="fact",
        env_id=env_ids[0],
        component="gradient-optimiser",
        quantity="optimiser_constants",
        summary="Adam's eps is 1e-05 in mine and 1e-08 in the reference, on every environment.",
        look_next="Open the line that makes the optimiser, and pass eps=1e-08.",
        mine_place="my_impls/dqn.py:112",
        reference_place="stable_baselines3/common/policies.py:641",
    )
    return replace(
        parity(env_ids),
        verdict="diverged",
        grounds="",
        headline="mine and reference differ in an exact fact: optimiser_constants.",
        reasons=("A fact that decides differs: optimiser_constants (gradient-optimiser).",),
        look_next=("Open my_impls/dqn.py:112: the optimiser's eps.",),
        envs=tuple(env(e, outcome="diverged") for e in env_ids),
        facts=(*facts(env_ids), *bad),
        findings=(finding,),
        looks=looks(env_ids, "diverged", (3,)),
    )


def diverged_by_trace(env_ids=("CartPole-v1",)):
    hit = ("td_target.mean", "td_target.max", "episode_return")
    made = []
    for index, name in enumerate(hit):
        made.append(
            Finding(
                level="trace",
                env_id=env_ids[0],
                component="target-network",
                quantity=name,
                summary=f"{name} is 0.42 reward lower in mine than in the reference "
                "(adjusted p = 0.0008, 5 + 5 seeds).",
                look_next="Read how the target is made: gamma, the done mask, which network.",
                onset=Onset(15_500 + 500 * index, 18_000, 0.95),
                mine_place="my_impls/dqn.py:143",
                reference_place="stable_baselines3/dqn/dqn.py:211",
            )
        )
    rows = tuple(
        env(
            e,
            outcome="diverged" if index == 0 else "inconclusive",
            metrics=metric_tests(significant=hit if index == 0 else ()),
            endpoints=endpoints(is_equivalent=False, gap=-60, seeds_for_parity=14),
        )
        for index, e in enumerate(env_ids)
    )
    return replace(
        parity(env_ids),
        verdict="diverged",
        grounds="",
        headline="mine's TD targets are lower than the reference's from about env step 16,000 on "
        f"({env_ids[0]}).",
        reasons=("A metric trace differs at its adjusted level: td_target.mean.",),
        look_next=("Open my_impls/dqn.py:143 beside stable_baselines3/dqn/dqn.py:211.",),
        envs=rows,
        findings=tuple(made),
        sanity=(
            *sanity(env_ids),
            SanityRow(
                "epsilon in [0, 1]",
                "mine",
                env_ids[0],
                "exploration",
                False,
                "epsilon reached 1.2 at env step 4,000",
            ),
        ),
        looks=looks(env_ids, "diverged", (3, 5), 0.0008),
    )


def inconclusive(env_ids=("CartPole-v1",)):
    return replace(
        parity(env_ids),
        verdict="inconclusive",
        grounds="",
        headline="No difference was found, but 3 seeds per side are too few to show sameness.",
        reasons=("Equivalence is not shown on 1 of 1 environments.",),
        look_next=("Add seeds: `--seeds 12` costs about 900,000 further env steps (9 min).",),
        envs=tuple(
            env(
                e,
                outcome="inconclusive",
                n=3,
                smallest_p=0.1,
                endpoints=endpoints(is_equivalent=False, seeds_for_parity=12),
                notes=(
                    "The smallest p that 3 + 3 seeds can reach is 0.1: no difference could "
                    "have been established.",
                ),
            )
            for e in env_ids
        ),
        looks=looks(env_ids, "inconclusive", (3,)),
        runs=runs(env_ids, 3),
    )


def invalid(env_ids=("CartPole-v1",)):
    crashed = tuple(
        RunRow(
            "mine",
            env_ids[0],
            seed,
            "crashed",
            "",
            1_204,
            51,
            "expected 50,000 env steps, saw 1,204: the side raised ValueError",
            (
                "Traceback (most recent call last):",
                '  File "my_impls/dqn.py", line 88, in act',
                "ValueError: expected 4 observations, got 2",
            ),
        )
        for seed in (0, 1, 2)
    )
    hung = RunRow("reference", env_ids[0], 3, "hung", "", 20, 0, "no env step for 120 s", ())
    return replace(
        parity(env_ids),
        verdict="invalid",
        grounds="",
        headline="3 of 3 runs of mine crashed on CartPole-v1; nothing was compared.",
        reasons=("mine left no usable run on CartPole-v1.",),
        look_next=("Open my_impls/dqn.py:88.",),
        envs=tuple(
            env(
                e,
                outcome="invalid",
                n=0,
                metrics=(),
                endpoints=(),
                smallest_p=None,
                notes=("Nothing was tested: no usable run of mine.",),
            )
            for e in env_ids
        ),
        facts=(),
        sanity=(),
        aggregate=None,
        looks=(),
        runs=(*crashed, hung),
    )


def hostile():
    """Every name and message hostile, in every place that takes one."""
    ids = HOSTILE
    metrics = tuple((name, name, name, "loss") for name in HOSTILE)
    base = diverged_by_trace(ids)
    finding = replace(
        base.findings[0],
        component=ids[0],
        quantity=ids[4],
        summary=ids[5],
        look_next=ids[7],
        mine_place=ids[3],
        reference_place=ids[9],
    )
    return replace(
        base,
        headline=" ".join(ids),
        reasons=ids,
        look_next=ids,
        algo=ids[0],
        mine=ids[7],
        reference=ids[2],
        margin=ids[3],
        budget=ids[4],
        envs=tuple(
            replace(
                e,
                tier=name,
                metrics=metric_tests(significant=(ids[6],), metrics=metrics),
                hyperparameters={name: name},
                sources={name: name},
                notes=ids,
                endpoints=tuple(replace(t, reason=name) for t in e.endpoints),
            )
            for e, name in zip(base.envs, ids, strict=True)
        ),
        facts=tuple(FactRow(n, n, n, n, "x" + n, False, True, n) for n in ids),
        sanity=tuple(SanityRow(n, "mine", n, n, False, n) for n in ids),
        findings=(finding,),
        runs=tuple(RunRow("mine", n, 0, "crashed", n, 0, 0, n, (n, n)) for n in ids),
        asked=dict(zip(ids, ids, strict=True)),
        provenance={n: [n] for n in ids},
        notes=ids,
    )


def hostile_evidence():
    return evidence(HOSTILE, metrics=tuple((name, "", "", "") for name in HOSTILE), shift=0.3)


@functools.cache
def hostile_plots():
    """The pictures of the hostile judgement; drawn once, they are many."""
    return draw(hostile(), hostile_evidence())


ALL = {
    "parity": parity,
    "diverged_by_fact": diverged_by_fact,
    "diverged_by_trace": diverged_by_trace,
    "inconclusive": inconclusive,
    "invalid": invalid,
    "hostile": hostile,
}
