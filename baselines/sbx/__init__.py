"""sbx (Stable Baselines in JAX) as a reference: adapters of its algorithms."""
