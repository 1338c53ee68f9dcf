"""Compare a reinforcement-learning implementation with a reference and localise divergences."""
