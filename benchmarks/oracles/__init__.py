"""Scripts that made tests/stats/oracles, each run in an environment of its own."""
