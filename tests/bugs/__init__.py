"""Mistakes planted in my_impls, one TOML per algorithm, and what must be said of each."""
