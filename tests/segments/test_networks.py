"""What passes through a network: compared pass by pass, where the same updates are made."""

import numpy as np
import pytest

from harness.segments.networks import network_rows
from harness.segments.tape import Event, Tape

S, A, B = (np.array([float(n)]) for n in (1, 2, 3))


def tape(passes, order, kind="inputs"):
    """Return a tape of one env step: what the critic is passed, and which modules are updated."""
    events = {}
    for n, owner in enumerate(order):
        of_owner = events.setdefault(f"{owner}_updates", {})
        of_owner[4, len(of_owner)] = Event({"": np.array(4)}, 4, n)
    return Tape(events, owners=["critic"], passes={("critic", kind, "0"): {4: list(passes)}})


def statuses(mine, reference):
    return {row.tap: row.status for row in network_rows(mine, reference)}


@pytest.mark.parametrize(
    ("passes", "status"),
    [
        ([A, S], "passed"),  # in another order
        ([S, A, B], "passed"),  # and a further one
        ([S], "passed"),  # and one less
        ([S, S], "passed"),  # the right value twice: what it serves is another quantity's matter
        ([S, B], "failed"),
    ],
)
def test_passes_are_found_again_in_any_order(passes, status):
    reference = tape([S, A], ["critic", "actor"])
    assert statuses(tape(passes, ["critic", "actor"]), reference) == {"critic_inputs": status}


def test_passes_of_updates_that_are_made_in_another_order_are_not_compared():
    reference = tape([S, A, B], ["critic", "critic", "actor"])
    reference.owners.append("actor")
    assert statuses(tape([S, A, 9 * B], ["critic", "actor", "critic"]), reference) == {
        "critic_inputs": "failed"  # as often as it should be: the order alone is no mistake
    }
    mine = tape([S, A, 9 * B], ["actor", "critic", "critic", "actor"])
    assert statuses(mine, reference) == {}
