"""Where a quantity is off: the flag, place or event that is planted is named, chance is not."""

import numpy as np
import pytest

from harness.segments.hints import hints_of
from harness.segments.tape import Event
from tests.segments.hints_planted import planted

RNG = np.random.default_rng(7)
N, B = 6, 16
VALUES = [RNG.normal(size=B) for _ in range(N)]
TERMINATED = [(RNG.random(B) < 0.3).astype(float) for _ in range(N)]
REWARDS = [RNG.normal(size=B) for _ in range(N)]
BATCH = [{"terminated": t, "rewards": r} for t, r in zip(TERMINATED, REWARDS, strict=True)]


def off(masks, values=VALUES):
    """Return values with noise where a mask holds."""
    return [x + m * RNG.normal(size=x.shape) for x, m in zip(values, masks, strict=True)]


def said(mine, reference=VALUES, **named):
    return " / ".join(hints_of(*planted(mine, reference, **named)))


def with_ends(found, *, truncated, n_envs=1):
    """Give the reference's tape results of the environments; all that end are truncated."""
    failing, context = found
    context.reference.events["env_result"] = {
        (step, env): Event(
            {"terminated": np.array(False), "truncated": np.array((step, env) in truncated)}, 0, 0
        )
        for step in range(60)
        for env in range(n_envs)
    }
    return " / ".join(hints_of(failing, context))


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([t == 1 for t in TERMINATED], "only rows with terminated = 1 are off"),
        ([t == 0 for t in TERMINATED], "only rows with terminated = 0 are off"),
        ([r < 0 for r in REWARDS], "only rows with rewards < 0 are off"),
        ([x < 0 for x in VALUES], "only entries below 0 are off"),
        ([x > 0 for x in VALUES], "only entries above 0 are off"),
        ([np.abs(x) > 1 for x in VALUES], "only entries beyond 1 or -1 are off"),
        ([np.arange(B) == B - 1 for _ in VALUES], "only entries of the last row are off"),
        ([np.arange(B) == 0 for _ in VALUES], "only entries of the first row are off"),
    ],
)
def test_planted_rows_are_named(masks, words):
    assert words in said(off(masks), others={"batch": BATCH})


def test_flag_that_covers_more_is_named_when_chance_cannot_explain_it():
    masks = [(t == 1) & (np.arange(B) % 2 == 0) for t in TERMINATED]
    assert "terminated = 1" in said(off(masks), others={"batch": BATCH})


def test_rows_at_random_have_no_flag():
    for _ in range(20):
        masks = [RNG.random(B) < 0.3 for _ in VALUES]
        assert "only" not in said(off(masks), others={"batch": BATCH})


def test_one_row_that_is_off_has_no_flag():
    masks = [np.arange(B) == 3, *(np.zeros(B, bool) for _ in VALUES[1:])]
    assert "rows with" not in said(off(masks), others={"batch": BATCH})


def test_flags_that_fit_equally_are_both_named():
    batch = [{"terminated": t, "rewards": 1 - 2 * t} for t in TERMINATED]
    found = said(off([t == 1 for t in TERMINATED]), others={"batch": batch})
    assert "either only rows with terminated = 1 or only rows with rewards < 0 are off" in found


def test_large_errors_and_clipped_ratios_are_named():
    q = [RNG.normal(size=B) for _ in VALUES]
    target = [x + RNG.normal(size=B) for x in q]
    large = [np.abs(a - b) > 1 for a, b in zip(q, target, strict=True)]
    others = {"batch": BATCH, "q_values": q, "td_target": target}
    assert "rows with |td_target - q_values| > 1 are off" in said(off(large), others=others)
    ratio = [1 + 0.3 * RNG.normal(size=B) for _ in VALUES]
    outside = [np.abs(x - 1) > 0.2 for x in ratio]
    others = {"batch": BATCH, "ratio": ratio, "clip_range": [np.array(0.2)] * N}
    assert "rows with a ratio outside clip_range are off" in said(off(outside), others=others)


def test_saturated_rows_are_named():
    actions = [np.tanh(2 * RNG.normal(size=(B, 2))) for _ in VALUES]
    saturated = [np.abs(x).max(axis=1) >= 0.99 for x in actions]
    found = said(off(saturated), others={"batch": BATCH, "action_pi": actions})
    assert "rows with a saturated action_pi are off" in found


def test_one_column_is_named():
    grids = [RNG.normal(size=(B, 3)) for _ in range(N)]
    masks = [np.tile(np.arange(3) == 1, (B, 1)) for _ in grids]
    assert "only entries of column 1 are off" in said(
        off(masks, grids), grids, others={"batch": BATCH}
    )


def test_one_environment_is_named_while_acting_and_over_a_rollout():
    acting = [RNG.normal(size=3) for _ in range(8)]
    slots = [(3 * step, 0) for step in range(8)]
    masks = [np.arange(3) == 2 for _ in acting]
    found = said(off(masks, acting), acting, slots=slots, n_envs=3)
    assert "only entries of environment 2 are off" in found
    rollouts = [RNG.normal(size=(5, 3)) for _ in range(4)]
    slots = [(15 * (k + 1), 0) for k in range(4)]
    masks = [np.tile(np.arange(3) == 1, (5, 1)) for _ in rollouts]
    named = {"slots": slots, "n_envs": 3, "hyperparameters": {"n_steps": 5}}
    found = said(off(masks, rollouts), rollouts, **named)
    assert "only entries of environment 1 are off" in found


def test_truncated_rows_of_a_minibatch_are_found_by_their_places():
    truncated = {(step, 0) for step in range(60) if step % 7 == 6}
    rows = [RNG.integers(40, size=B) for _ in range(N)]
    slots = [(40 + k, 0) for k in range(N)]
    masks = [r % 7 == 6 for r in rows]
    found = planted(off(masks), VALUES, others={"batch": BATCH, "rows": rows}, slots=slots)
    assert "only rows with a truncated step are off" in with_ends(found, truncated=truncated)


def test_truncated_rows_are_found_after_the_buffer_wrapped():
    truncated = {(step, 0) for step in range(60) if step % 7 == 6}
    rows = [RNG.integers(20, size=B) for _ in range(N)]
    slots = [(40 + k, 0) for k in range(N)]
    masks = [(r + slot[0] - 20) % 7 == 6 for r, slot in zip(rows, slots, strict=True)]
    failing, context = planted(
        off(masks), VALUES, others={"batch": BATCH, "rows": rows}, slots=slots
    )
    context.reference.capacity = 20
    assert "a truncated step" in with_ends((failing, context), truncated=truncated)


def test_truncated_steps_of_a_rollout_are_named():
    truncated = {(step, env) for step in range(40) for env in range(2) if (step + env) % 5 == 4}
    rollouts = [RNG.normal(size=(10, 2)) for _ in range(4)]
    slots = [(20 * (k + 1), 0) for k in range(4)]
    masks = [
        np.array([[(10 * k + t, e) in truncated for e in range(2)] for t in range(10)])
        for k in range(4)
    ]
    named = {"slots": slots, "n_envs": 2, "hyperparameters": {"n_steps": 10}}
    found = planted(off(masks, rollouts), rollouts, **named)
    assert "rows with a truncated step" in with_ends(found, truncated=truncated, n_envs=2)


def test_steps_just_made_are_named_while_acting():
    truncated = {(step, 0) for step in range(60) if step % 6 == 5}
    slots = [(step, 0) for step in range(1, 31)]
    reference = [RNG.normal(size=1) for _ in slots]
    masks = [np.array([(slot[0] - 1, 0) in truncated]) for slot in slots]
    found = planted(off(masks, reference), reference, slots=slots)
    assert with_ends(found, truncated=truncated) == (
        "either only events with a truncated step just before "
        "or only events with the end of an episode just before are off"
    )


def test_events_are_named_by_what_their_minibatch_holds():
    losses = list(RNG.normal(size=30))
    batch = [
        {"terminated": np.full(B, 0.0) + (np.arange(B) == 2) * (k % 4 == 1)} for k in range(30)
    ]
    masks = [np.array(k % 4 == 1) for k in range(30)]
    mine = [x + m * RNG.normal() for x, m in zip(losses, masks, strict=True)]
    found = said(mine, losses, others={"batch": batch})
    assert "only events with a row of terminated = 1 are off" in found


def test_events_whose_gradient_is_clipped_are_named():
    gradients = [{"0": RNG.normal(size=9)} for _ in range(20)]
    clips = [k % 3 == 0 for k in range(20)]
    mine = [
        {"0": g["0"] * (1 + clip * (1 + RNG.random()))}
        for g, clip in zip(gradients, clips, strict=True)
    ]
    failing, context = planted(mine, gradients, tap="policy_grad")
    context.reference.owners.append("policy")
    context.reference.clips.extend(clips)
    assert "only events whose gradient is clipped are off" in hints_of(failing, context)


def test_smaller_minibatches_are_named():
    sizes = [14, 14, 9] * 5
    losses = list(RNG.normal(size=15))
    batch = [{"returns": RNG.normal(size=n)} for n in sizes]
    mine = [x + (n < 14) * RNG.normal() for x, n in zip(losses, sizes, strict=True)]
    assert "only events of a smaller minibatch are off" in said(
        mine, losses, others={"minibatch": batch}
    )
