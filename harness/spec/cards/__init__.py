"""Algorithm cards: one TOML file per algorithm beside this file; see `harness.spec.cards.card`."""

from harness.spec.cards.card import Card, Hyperparameter, TapRow, algos, card

__all__ = ["Card", "Hyperparameter", "TapRow", "algos", "card"]
