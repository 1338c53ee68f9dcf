"""Replay memory as a deque of named tuples."""

import random
from collections import deque
from typing import Any, NamedTuple


class Transition(NamedTuple):
    obs: Any
    action: int
    reward: float
    next_obs: Any
    terminated: bool


class Memory:
    def __init__(self, capacity, seed):
        self.transitions = deque(maxlen=capacity)
        self.random = random.Random(seed)

    def push(self, *values):
        transition = Transition(*values)
        self.transitions.append(transition)
        return transition

    def draw(self, n):
        return self.random.choices(self.transitions, k=n)
