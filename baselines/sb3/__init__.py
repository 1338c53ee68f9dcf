"""stable-baselines3 as installed, run under the side contract."""
