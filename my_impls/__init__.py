"""From-scratch implementations: one algorithm, one file, readable from top to bottom."""
