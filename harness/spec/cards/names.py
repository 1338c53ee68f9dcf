"""Names of taps: what is no tap of a card is answered with the nearest that is."""

from __future__ import annotations

from harness.errors import nearest_sentence
from harness.spec.cards.card import Card, algos, card

# Ends of names that the harness gives itself to what optimisers do with a tapped module: such rows
# of a card need no tap.
HOOKED_ENDS = ("_grad", "_step", "_params")


def unknown_tap_sentence(name: str, algorithm: Card) -> str:
    """Return that `name` is no tap of the card, and which one may be meant.

    >>> unknown_tap_sentence("td_targt", card("dqn"))
    "'td_targt' is no tap of dqn; did you mean 'td_target' or 'target_net'?"
    """
    taps = [row.name for row in algorithm.taps]
    return f"{name!r} is no tap of {algorithm.algo}; {nearest_sentence(name, taps)}"


def other_algos(name: str, algorithm: Card) -> tuple[str, ...]:
    """Return the other algorithms whose cards know a tap of this name, sorted."""
    others = (other for other in algos() if other != algorithm.algo)
    return tuple(other for other in others if name in {row.name for row in card(other).taps})


def is_hooked(name: str) -> bool:
    """Return whether a row of a card is seen at the optimiser, without a tap."""
    return name.endswith(HOOKED_ENDS)
