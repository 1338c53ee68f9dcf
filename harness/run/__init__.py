"""Training runs: executors, the guardian and child processes, observation, tap maps."""
