"""What is stored is compared with what was returned, at episode ends, where it is comparable."""

import numpy as np
import pytest
import torch

from harness.run.observe.stored import StoredWatch

RETURNED = (np.array([1.0, 2.0], np.float32), 1.0, False)
ENDED = (np.array([3.0, 4.0], np.float32), -1.0, True)


def stored(next_obs, reward, terminated):
    return {"next_obs": next_obs, "reward": reward, "terminated": terminated}


def facts_of(inside, end):
    watch = StoredWatch()
    for returned, transition, is_end in ((RETURNED, inside, False), (ENDED, end, True)):
        watch.returned(returned, is_end=is_end)
        watch.saw(transition)
    return watch.facts()


def test_stored_as_returned_in_other_shapes_and_types_is_the_same():
    inside = stored(torch.tensor([[1.0, 2.0]]), np.array([1.0]), [False])
    end = stored(np.array([[3.0, 4.0]]), torch.tensor(-1.0), 1)
    assert facts_of(inside, end) == dict.fromkeys(
        ("stored_next_obs", "stored_reward", "stored_terminated"), "as returned"
    )


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (stored([1.0, 2.0], -1.0, True), "stored_next_obs"),
        (stored([3.0, 4.0], 0.0, True), "stored_reward"),
        (stored([3.0, 4.0], -1.0, False), "stored_terminated"),
    ],
)
def test_other_value_at_an_episode_end_is_named(end, name):
    facts = facts_of(stored(*RETURNED), end)
    assert [field for field, said in facts.items() if said == "not as returned"] == [name]


def test_field_that_differs_inside_episodes_or_is_absent_is_not_compared():
    scaled = {"next_obs": [2.0, 4.0], "terminated": False}
    assert facts_of(scaled, stored([0, 0], 0, True)) == {"stored_terminated": "as returned"}


def test_second_tap_of_one_step_is_not_compared():
    watch = StoredWatch()
    watch.returned(RETURNED, is_end=True)
    watch.saw(stored(*RETURNED))
    watch.saw(stored(*ENDED))
    assert all(count.seen == count.same == 1 for count in watch.counts.values())
