"""Watching one training run from inside its process, without changing it."""

from harness.run.observe.observation import Observation
from harness.run.observe.writer import Writer

__all__ = ["Observation", "Writer"]
