"""A PPO in several files; see trainer.py."""
