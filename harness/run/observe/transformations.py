"""What optax was asked for: which optimiser, with which constants, behind which gradient clip.

An optax optimiser is a pair of functions that hold their constants out of sight, so its makers are
watched: each result is remembered with the name and the arguments of the call that made it.

Makers are replaced once in a process, as optax is imported, and stay so: libraries keep them as
default arguments and compare them (`optimizer_class == optax.adam`), so that a replacement that
came or went later would change what they do.
"""

# ruff: noqa: ANN401 - the edge to optax, whose values are of any type

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from harness.records import Json

# optax's optimisers -> torch's name for the same update rule.
CLASSES = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "nadam": "NAdam",
    "radam": "RAdam",
    "adamax": "Adamax",
}
CLIP, CHAIN = "clip_by_global_norm", "chain"
INJECTORS = ("inject_hyperparams", "inject_stateful_hyperparams")
LEARNING_RATE = "learning_rate"
# Says where the learning rate of an optimiser whose hyperparameters were injected is kept.
IN_STATE = "hyperparams"


@dataclass(frozen=True)
class Made:
    """One transformation of gradients: the call that made it, and those that it is a chain of.

    `transformation` is kept so that nothing else gets its identity.
    """

    transformation: Any
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Made, ...] = ()


@dataclass(frozen=True)
class OptaxOptimiser:
    """An optimiser in torch's words.

    Attributes:
        class_name: torch's name of the update rule, or optax's for another one.
        constants: as torch's options of a parameter group; one that is off may be lacking.
        learning_rate: None where it is none of the arguments' numbers (a schedule).
        grad_clip: largest norm let through, or None.
    """

    class_name: str
    constants: Mapping[str, Json]
    learning_rate: float | None
    grad_clip: float | None


# Identity of a transformation -> how it was made, of all that this process has made.
_MADE: dict[int, Made] = {}


def watch_makers(optax: ModuleType) -> None:
    """Replace the functions of optax, just imported, that make what is told apart here."""
    for name in [*CLASSES, CLIP]:
        _replace(optax, name, _named)
    _replace(optax, CHAIN, _chaining)
    for name in INJECTORS:
        if hasattr(optax, name):
            _replace(optax, name, _injecting)


def optimiser_of(transformation: Any) -> OptaxOptimiser | None:
    """Return what the transformation is, or None where it was not seen being made."""
    made = _MADE.get(id(transformation))
    links = _links(made) if made is not None else []
    rules = [link for link in links if link.name in CLASSES]
    if len(rules) != 1:
        return None
    clips = [_number(link.arguments.get("max_norm")) for link in links if link.name == CLIP]
    arguments = dict(rules[0].arguments)
    rate = _number(arguments.pop(LEARNING_RATE, None))
    constants = _in_torch_words(arguments)
    is_adam = rules[0].name == "adamw" and not constants.get("weight_decay")
    class_name = "Adam" if is_adam else CLASSES[rules[0].name]
    return OptaxOptimiser(class_name, constants, rate, clips[0] if clips else None)


def _replace(optax: ModuleType, name: str, make: Callable[[Any], Any]) -> None:
    original = getattr(optax, name)
    setattr(optax, name, functools.wraps(original)(make(original)))


def _named(original: Callable[..., Any]) -> Callable[..., Any]:
    def made(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        _keep(Made(found, original.__name__, _arguments(original, args, kwargs)))
        return found

    return made


def _chaining(original: Callable[..., Any]) -> Callable[..., Any]:
    def chained(*parts: Any) -> Any:
        found = original(*parts)
        known = tuple(_MADE.get(id(part), Made(part, "")) for part in parts)
        _keep(Made(found, CHAIN, parts=known))
        return found

    return chained


def _injecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def injecting(inner: Callable[..., Any], *more: Any, **options: Any) -> Any:
        factory = original(inner, *more, **options)

        @functools.wraps(factory)
        def made(*args: Any, **kwargs: Any) -> Any:
            found = factory(*args, **kwargs)
            name = getattr(inner, "__name__", "")
            _keep(Made(found, name, _arguments(inner, args, kwargs)))
            return found

        return made

    return injecting


def _keep(made: Made) -> None:
    """Remember it, unless it is made inside a compiled function, of placeholders."""
    if not any(_is_traced(value) for value in made.arguments.values()):
        _MADE[id(made.transformation)] = made


def _links(made: Made) -> list[Made]:
    """Return the transformation, or those that it is a chain of, first to last."""
    return [link for part in made.parts for link in _links(part)] or [made]


def _arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _is_traced(value: Any) -> bool:
    return any(kind.__name__ == "Tracer" for kind in type(value).__mro__)


def _in_torch_words(arguments: Mapping[str, Any]) -> dict[str, Json]:
    """Return the constants under torch's names: its Adam has `betas`, its RMSprop `alpha`."""
    constants = {name: _json(value) for name, value in arguments.items() if value is not None}
    if "b1" in constants:
        constants["betas"] = [constants.pop("b1"), constants.pop("b2")]
    if "decay" in constants:
        constants["alpha"] = constants.pop("decay")
    return constants


def _json(value: Any) -> Json:
    if isinstance(value, bool | str):
        return value
    number = _number(value)
    return getattr(value, "__name__", type(value).__name__) if number is None else number


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
