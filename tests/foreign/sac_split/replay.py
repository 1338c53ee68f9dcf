"""Replay memory as a deque of tuples, the oldest at the left."""

import random
from collections import deque

from harness.tap import tap


class Replay:
    def __init__(self, capacity, seed):
        self.transitions = deque(maxlen=capacity)
        self.random = random.Random(seed)

    def push(self, transition):
        known = tap("transition", transition)
        self.transitions.append(tuple(known.values()))

    def draw(self, n):
        """Return n tuples, drawn with replacement."""
        rows = [self.random.randrange(len(self.transitions)) for _ in range(n)]
        return [self.transitions[row] for row in tap("rows", rows)]
