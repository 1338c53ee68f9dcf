"""`tap(name, value)`: mark an intermediate quantity of an algorithm; free outside the harness.

Standard library only, so that an implementation may import it in any interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

# What a tap does: None when off; else called with (name, value), returns the value to go on with.
_handler: Callable[[str, Any], Any] | None = None


def tap(name: str, value: T) -> T:
    """Return `value`; inside the harness it is also observed under the vocabulary name `name`.

    Args:
        name: a tap of the algorithm's card, for example "td_target".
        value: a number, array, tensor, module, or a dict, named tuple or dataclass of these.

    >>> tap("epsilon", 0.05)
    0.05
    """
    if _handler is None:
        return value
    return _handler(name, value)  # type: ignore[no-any-return]


def set_handler(handler: Callable[[str, Any], Any] | None) -> None:
    """Install what taps do from now on; None turns them off."""
    global _handler
    _handler = handler
