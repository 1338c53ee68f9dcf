"""What neighbours say of a failing gradient or step, and which failures are mere conventions."""

from dataclasses import replace

import numpy as np
import pytest

from harness.judgement import SegmentRow
from harness.segments import child
from harness.segments.hints import hints_of
from harness.segments.hints_related import (
    CONVENTION,
    UNTESTED,
    candidates,
    conventions,
    related,
    settled,
)
from harness.segments.runtime import Policy
from harness.segments.tape import Tape
from tests.segments.hints_planted import events, planted

RNG = np.random.default_rng(9)
GRADIENTS = [{str(k): RNG.normal(size=n) for k, n in enumerate((6, 3, 4))} for _ in range(5)]


def row(tap, status="passed", stage="gradient", **more):
    return SegmentRow(tap, "loss", stage, status, **more)


def tapes(mine, reference=GRADIENTS, tap="net_grad"):
    found = tuple(Tape({tap: events(side)}) for side in (mine, reference))
    for tape in found:
        tape.owners.append("net")
    return found


def hints_of_gradient(mine, *, loss="passed", fields=("0", "1", "2")):
    rows = (row("loss", loss, "loss"), row("net_grad", "failed", fields=fields))
    return related(rows, *tapes(mine))[1].hints


def test_parameter_without_gradient_is_named():
    without = [{k: x for k, x in g.items() if k != "1"} for g in GRADIENTS]
    said = "no gradient of mine reaches parameter 1 (3,): a stop-gradient or the list of"
    assert hints_of_gradient(without) == (f"{said} parameters differs",)
    zero = [{**g, "1": np.zeros(3)} for g in GRADIENTS]
    assert hints_of_gradient(zero) == hints_of_gradient(without)


def test_parameter_that_the_reference_does_not_train_is_named():
    more = [{**g, "mine.3": np.ones(2)} for g in GRADIENTS]
    said = (
        "mine has a gradient of parameter 3 (2,), the reference none: a stop-gradient or the list"
    )
    assert hints_of_gradient(more) == (f"{said} of parameters differs",)


def test_gradient_of_some_parameters_is_told_from_one_of_another_length():
    some = [{**g, "2": g["2"] + 1} for g in GRADIENTS]
    (said,) = hints_of_gradient(some, fields=("2",))
    assert "only parameter 2 (4,) of 3 differ: a stop-gradient" in said
    longer = [{k: 1.5 * x for k, x in g.items()} for g in GRADIENTS]
    (said,) = hints_of_gradient(longer)
    assert "the clipping or a factor differs" in said
    (said,) = hints_of_gradient([{k: x**3 for k, x in g.items()} for g in GRADIENTS])
    assert said == (
        "the loss agrees: a stop-gradient, the clipping or the list of parameters differs"
    )


def test_gradient_of_a_loss_that_differs_is_not_explained_by_the_path():
    wrong = [{k: x**3 for k, x in g.items()} for g in GRADIENTS]
    assert hints_of_gradient(wrong, loss="failed") == ()


def clipped(gradient, limit):
    size = np.linalg.norm(np.concatenate(list(gradient.values())))
    return {k: x * min(1.0, limit / size) for k, x in gradient.items()}


def test_gradient_that_is_not_clipped_is_named_with_the_limit():
    limited = [clipped(g, 0.41) for g in GRADIENTS]
    (said,) = hints_of(*planted(GRADIENTS, limited, tap="net_grad"))
    assert said == (
        "the direction agrees: mine is not clipped, "
        "the reference is clipped to the length 0.41 (max_grad_norm)"
    )


def test_factor_and_limit_that_fit_equally_are_both_named():
    sides = [[clipped(g, limit) for g in GRADIENTS] for limit in (0.82, 0.41)]
    (said,) = hints_of(*planted(*sides, tap="net_grad"))
    assert said.startswith("either constant factor 2")
    assert "mine is clipped to the length 0.82, the reference is clipped" in said


def test_constants_of_the_optimiser_are_compared():
    rows = (row("net_grad"), row("net_step", "failed", "step"))
    mine, reference = tapes(GRADIENTS)
    mine.constants["net_"] = {"class": "Adam", "eps": 1e-8, "lr": 1.0}
    reference.constants["net_"] = {"class": "Adam", "eps": 1e-5, "lr": 2.0}
    (said,) = related(rows, mine, reference)[1].hints
    assert said == (
        "the gradient agrees: the optimiser's constants differ (eps 1e-08, reference 1e-05)"
    )
    reference.constants["net_"]["eps"] = 1e-8
    (said,) = related(rows, mine, reference)[1].hints
    assert "its state, or what is done to the parameters beside it, differs" in said


ROWS = (
    row("td_target", stage="target"),
    row("loss", "failed", "loss", n_failed=2),
    row("net_updates", stage="sample"),
    row("net_grad"),
    row("net_step", stage="step"),
)


def sides(*, taps=("loss",), size=1, descended=("loss",)):
    found = []
    for factor in (2.0, 1.0):
        values = [factor * RNG.normal(size=size) for _ in range(3)]
        tape = Tape({tap: events(values) for tap in taps})
        tape.owners.append("net")
        found.append(tape)
    found[0].descended.update(descended)
    return tuple(found)


def changed(rows, tap, **fields):
    return tuple(replace(one, **fields) if one.tap == tap else one for one in rows)


def test_loss_whose_gradient_agrees_is_a_convention_once_that_is_tried():
    own = candidates(ROWS, *sides())
    assert own == {"loss"}
    (loss,) = (one for one in conventions(ROWS, ROWS, own) if one.tap == "loss")
    assert loss.status == "convention"
    assert loss.hints[0] == CONVENTION
    assert {one.status for one in conventions(ROWS, ROWS, own)} == {"passed", "convention"}


@pytest.mark.parametrize("tap", ["net_grad", "net_step", "net_updates"])
@pytest.mark.parametrize("status", ["failed", "unobserved", "not exercised"])
def test_loss_is_no_candidate_unless_gradient_step_and_counts_passed(tap, status):
    assert candidates(changed(ROWS, tap, status=status), *sides()) == frozenset()


def test_values_that_are_computed_with_are_no_candidates():
    rows = changed(ROWS, "td_target", status="failed")
    found = sides(taps=("loss", "td_target"), descended=("loss", "td_target"))
    assert candidates(rows, *found) == {"loss"}
    assert candidates(ROWS, *sides(size=4)) == frozenset()


def test_number_through_which_no_gradient_flows_is_no_candidate():
    assert candidates(ROWS, *sides(descended=())) == frozenset()


def test_losses_that_one_side_has_too_often_are_no_candidates():
    assert candidates(changed(ROWS, "loss", extra=1), *sides()) == frozenset()


def test_candidate_that_changes_something_when_it_flows_on_stays_a_failure():
    tried = changed(ROWS, "net_grad", status="failed")
    assert conventions(ROWS, tried, frozenset({"loss"})) == ROWS
    assert conventions(ROWS, (), frozenset({"loss"})) == ROWS


def test_value_computed_from_a_convention_is_one_with_it():
    rows = (*ROWS, row("value_loss", "failed", "loss"))
    found = sides(taps=("loss", "value_loss"), descended=("loss", "value_loss"))
    own = candidates(rows, *found)
    assert own == {"loss", "value_loss"}
    tried = changed(rows, "loss", status="passed")
    status = {one.tap: one.status for one in conventions(rows, tried, own)}
    assert status["loss"] == status["value_loss"] == "convention"


def test_number_without_a_gradient_says_so_and_is_decided_by_another_scenario():
    (loss,) = (one for one in related(ROWS, *sides(descended=())) if one.tap == "loss")
    assert loss.hints == (UNTESTED,)
    proven, refuted = row("loss", "convention", "loss"), row("loss", "failed", "loss")
    assert settled([proven, loss]) == "convention"
    assert settled([proven, refuted]) == settled([refuted, loss]) == settled([loss]) == "failed"


class Trial:
    """Counts how often mine is played."""

    def __init__(self, tried, reference):
        self.n_played, self._tried = 0, tried
        self.recorded = type("Recorded", (), {"tape": reference})

    def play_mine(self, policy):
        self.n_played += 1
        return type("Played", (), {"error": "", "own": policy.own})

    def rows(self, played):
        assert played.own == {"loss"}
        return self._tried


@pytest.mark.parametrize(
    ("rows", "n_played"), [(ROWS, 1), (changed(ROWS, "loss", status="passed"), 0)]
)
def test_trying_a_convention_costs_one_replay_and_only_when_a_loss_failed(rows, n_played):
    mine, reference = sides()
    trial = Trial(rows, reference)
    runtime = type("Runtime", (), {"policy": Policy()})
    played = type("Played", (), {"tape": mine, "runtime": runtime})
    child._settled(trial, rows, played)
    assert trial.n_played == n_played


def test_values_of_two_shapes_that_pair_all_rows_are_named():
    names = ("q_values", "td_target", "loss")
    rows = (row("td_target", stage="target"), row("q_values", stage="loss"), ROWS[1])
    tall, flat = RNG.normal(size=(4, 1)), RNG.normal(size=4)
    mine = Tape(dict(zip(names, map(events, ([tall], [flat], [2.0])), strict=True)))
    reference = Tape(dict(zip(names, map(events, ([flat], [flat], [1.0])), strict=True)))
    said = "q_values is (4, 1) and td_target (4,): together they make (4, 4)"
    assert related(rows, mine, reference)[2].hints == (said,)
    assert related(rows, reference, reference)[2].hints != (said,)


def test_gradient_may_follow_from_a_value_that_differs_before_it():
    values = {"q_values": events([np.ones(3)]), "net_grad": events(GRADIENTS[:1])}
    other = {"q_values": events([np.zeros(3)]), "net_grad": events(GRADIENTS[1:2])}
    rows = (row("q_values", "failed", "loss"), row("loss", stage="loss"), row("net_grad", "failed"))
    assert related(rows, Tape(values), Tape(other))[2].hints == (
        "the loss agrees; this may follow from q_values",
    )
    said = related(changed(rows, "q_values", status="passed"), Tape(values), Tape(other))[2].hints
    assert said[0].startswith("the loss agrees: a stop-gradient")


def test_gradient_that_is_explained_is_not_explained_again():
    rows = (row("loss", stage="loss"), row("net_grad", "failed", hints=("constant factor 3",)))
    assert related(rows, *tapes([{k: 3 * x for k, x in g.items()} for g in GRADIENTS])) == rows


def test_another_optimiser_is_named_without_its_constants():
    rows = (row("net_grad"), row("net_step", "failed", "step"))
    mine, reference = tapes(GRADIENTS)
    mine.constants["net_"] = {"class": "RMSprop", "alpha": 0.99}
    reference.constants["net_"] = {"class": "Adam", "betas": (0.9, 0.999)}
    assert related(rows, mine, reference)[1].hints == (
        "the gradient agrees: the optimiser is RMSprop, the reference's Adam",
    )


def test_many_parameters_are_named_by_their_numbers():
    reference = [{str(k): RNG.normal(size=2) for k in range(8)} for _ in range(2)]
    mine = [{k: x for k, x in g.items() if k in ("0", "4", "7")} for g in reference]
    (said,) = related((row("net_grad", "failed"),), *tapes(mine, reference))[0].hints
    assert said.startswith("no gradient of mine reaches parameters 1-3, 5-6: ")
