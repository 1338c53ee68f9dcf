"""From a `ComparisonSpec` to planned runs: what identifies each, in which order, how long.

Import the modules of this package directly; nothing heavy is imported here.
"""
