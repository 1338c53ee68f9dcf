"""Every generic kind of mistake changes the place that it names, and nothing else."""

import pytest

from harness.calibrate.mutate import mutated
from harness.errors import UsageError

SOURCE = '''"""A file."""


def update(batch, gamma):  # a comment
    target = batch["rewards"] + gamma * (1 - batch["done"]) * batch["q"].detach()
    loss = ((target - batch["v"]) ** 2).mean()
    step(loss)
    advantages = delta[t] + (
        gamma
        * advantages[t + 1]
    )
    synchronise(tau=0.005)
    return loss


def other(gamma):
    return gamma
'''


def changed(**mutation):
    """Return [(line number, new text)] of the lines that a mutation changes."""
    lines = mutated(SOURCE, mutation).splitlines()
    before = SOURCE.splitlines()
    assert len(lines) == len(before)
    pairs = enumerate(zip(before, lines, strict=True), 1)
    return [(number, new.strip()) for number, (old, new) in pairs if old != new]


def test_mask_dropped_leaves_the_other_factors():
    at = 'gamma * (1 - batch["done"]) * batch["q"].detach()'
    assert changed(kind="mask-dropped", at=at, factor="1 - batch['done']") == [
        (5, "target = batch[\"rewards\"] + gamma * batch['q'].detach()")
    ]


def test_sign_flipped_negates_the_expression():
    at = '(1 - batch["done"])'
    found = changed(kind="sign-flipped", at=at)
    assert found[0][0] == 5
    assert "gamma * (-(1 - batch['done']))" in found[0][1].replace("((", "(").replace("))))", ")))")


def test_constant_changed_writes_the_other_one():
    assert changed(kind="constant-changed", at="0.005", to="0.05") == [
        (12, "synchronise(tau=0.05)")
    ]


def test_reduction_changed_calls_the_other_method():
    at = '((target - batch["v"]) ** 2).mean()'
    assert changed(kind="reduction-changed", at=at, to="sum") == [
        (6, "loss = ((target - batch['v']) ** 2).sum()")
    ]


def test_detach_dropped_leaves_what_was_detached():
    found = changed(kind="detach-dropped", at='batch["q"].detach()')
    assert found == [(5, 'target = batch["rewards"] + gamma * (1 - batch["done"]) * batch[\'q\']')]


def test_index_shifted_moves_one_place_or_as_many_as_asked():
    assert changed(kind="index-shifted", at="delta[t]") == [(8, "advantages = delta[t +1] + (")]
    back = changed(kind="index-shifted", at="advantages[t + 1]", by="-1")
    assert back == [(10, "* advantages[t + 1 -1]")]


def test_call_moved_stands_after_the_other_statement():
    moved = mutated(
        SOURCE, {"kind": "call-moved", "at": "step(loss)", "after": "synchronise(tau=0.005)"}
    )
    lines = [line.strip() for line in moved.splitlines()]
    assert lines.index("step(loss)") == lines.index("synchronise(tau=0.005)") + 1
    assert len(lines) == len(SOURCE.splitlines())
    before = {"kind": "call-moved", "at": "return loss", "before": "step(loss)"}
    lines = [line.strip() for line in mutated(SOURCE, before).splitlines()]
    assert lines.index("return loss") == lines.index("step(loss)") - 1


def test_call_dropped_leaves_nothing_to_do():
    assert changed(kind="call-dropped", at="step(loss)") == [(7, "pass")]


def test_replaced_over_several_lines_keeps_the_numbers_of_what_follows():
    at = "gamma * advantages[t + 1]"
    lines = mutated(SOURCE, {"kind": "replaced", "at": at, "to": "0.0"}).splitlines()
    assert lines[11].strip() == "synchronise(tau=0.005)"
    compile("\n".join(lines), "changed", "exec")


def test_place_that_is_there_twice_is_told_apart_by_its_function():
    mutation = {"kind": "constant-changed", "at": "gamma", "to": "1.0"}
    with pytest.raises(UsageError, match="places hold it, expected 1"):
        mutated(SOURCE, mutation)
    assert changed(**mutation, function="other") == [(17, "return 1.0")]


@pytest.mark.parametrize(
    ("mutation", "words"),
    [
        ({"kind": "sign-flipped", "at": "nowhere"}, "0 places hold it"),
        ({"kind": "sign-fliped", "at": "gamma"}, "kinds: constant-changed"),
        ({"kind": "detach-dropped", "at": "delta[t]"}, r"expected the call of \.detach"),
        ({"kind": "index-shifted", "at": "step(loss)"}, "expected a subscript"),
        ({"kind": "sign-flipped", "at": "1 +"}, "it is no Python"),
        ({"kind": "call-moved", "at": "delta[t]", "after": "return loss"}, "whole statements"),
    ],
)
def test_mutation_that_does_not_fit_says_why(mutation, words):
    with pytest.raises(UsageError, match=words):
        mutated(SOURCE, mutation)
