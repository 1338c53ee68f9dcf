"""A finding points at the line where its quantity is born, else at the side's entry."""

import pytest

from harness.localise import SidePlaces

SITES = {"td_target": "dqn.py:10", "backward": "dqn.py:20", "step": "dqn.py:22"}


@pytest.mark.parametrize(
    ("quantity", "place"),
    [
        ("td_target.std", "dqn.py:10"),
        ("loss", "dqn.py:20"),
        ("grad_norm", "dqn.py:22"),
        ("optimiser_constants", "dqn.py:22"),
        ("episode_return", "dqn.py:side"),
    ],
)
def test_place_is_the_nearest_known_line(quantity, place):
    assert SidePlaces("dqn.py:side", SITES).of(quantity) == place


def test_clip_comes_before_step_when_gradients_are_clipped():
    assert SidePlaces("", {**SITES, "clip": "dqn.py:21"}).of("grad_norm") == "dqn.py:21"
