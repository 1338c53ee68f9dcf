"""Which lines a row of the segment test stands for, on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.judgement import SegmentRow
from harness.segments.lines import Lines, merged, place_of, stretches, text_of, widened
from harness.segments.names import (
    ENV_ACTION,
    ENV_RESULT,
    ENV_START,
    GRAD_NORM,
    LEGAL_ACTIONS,
    RESETS,
    ROUNDS,
    RUN_LENGTH,
)
from harness.segments.networks import KINDS
from harness.segments.runtime import Runtime
from harness.segments.slices import behind, constants

# The tap of the step size that an optimiser is to have, in every card.
LEARNING_RATE = "learning_rate"
# What depends on how the environments were made.
OF_ENVIRONMENT = frozenset({ENV_ACTION, ENV_RESULT, ENV_START, RESETS})


def spanned(row: SegmentRow, mine: Runtime, reference: Runtime) -> SegmentRow:
    """Return the row with the stretches of code that end at its tap, first the tap's own."""
    ours, theirs = (_stretched(row.tap, runtime) for runtime in (mine, reference))
    return replace(
        row,
        mine_place=ours[0][0] if ours[0] else row.mine_place,
        reference_place=theirs[0][0] if theirs[0] else row.reference_place,
        mine_lines=ours[0],
        reference_lines=theirs[0],
        mine_source=ours[1],
        reference_source=theirs[1],
    )


def places_of_draws(source: str, runtime: Runtime, *, is_seed: bool) -> tuple[str, ...]:
    """Return where a source is drawn: the stretch that ends at its tap, or where it is seeded."""
    seeds = tuple(dict.fromkeys(runtime.seed_places)) if is_seed else ()
    first = next(iter(runtime.modules.parameters), source) if is_seed else source
    return (*seeds, *_stretched(first, runtime)[0])


def _stretched(name: str, runtime: Runtime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the places of a quantity, and the source of the first of them."""
    site = runtime.tape.sites.get(name, "")
    lines = merged(_lines(name, runtime), _behind(name, runtime))
    if not name.endswith("_grad") and not _network_of(name):
        lines = merged(lines, constants(lines))
    found = stretches(lines, site, runtime.sites)
    born = tuple(dict.fromkeys(_whole(place, runtime) for place in _born(name, runtime)))
    places = tuple(one.place for one in found)
    is_built = bool(_network_of(name)) and not name.endswith("inputs")
    every = (*born, *places) if is_built else (*places, *born)
    return every, text_of(found[0]) if found else ()


def _whole(place: str, runtime: Runtime) -> str:
    """Return the place of the whole statement that a place, "file:line", lies in."""
    short, _, number = place.rpartition(":")
    lines = widened(runtime.sites.path(short), {int(number)})
    return place_of(short, min(lines), max(lines))


def _behind(name: str, runtime: Runtime) -> Lines:
    """Return the lines that the value of a quantity follows from (harness/segments/slices.py).

    Not for gradients, which follow from the whole update, nor for what passes through networks.
    """
    if name.endswith("_grad") or _network_of(name):
        return {}
    handed: dict[str, set[int]] = {}
    for stack in runtime.tracer.stacks.values():
        for path, _, line in stack[:1]:
            handed.setdefault(path, set()).add(line)
    return behind(name, runtime.tracer.stacks.get(name, ()), handed)


def _lines(name: str, runtime: Runtime) -> Lines:
    """Return what ran before the events of a quantity.

    When updates are made is decided where the code goes from collecting to updating and back; what
    a reset is given is decided before the environment starts; what enters a network, before the
    quantities that it computes.
    """
    tracer = runtime.tracer
    name = ENV_ACTION if name == LEGAL_ACTIONS else name
    if name in (RUN_LENGTH, RESETS):
        return tracer.around() if name == RUN_LENGTH else tracer.before(ENV_START)
    is_update = runtime.is_update
    if name == ROUNDS:
        return tracer.between(lambda before, after: is_update(before) != is_update(after))
    if name.endswith("updates"):
        return tracer.between(
            lambda before, after: is_update(before) != is_update(after) or before == "step"
        )
    tap = _network_of(name)
    if tap:
        callers = [one for one, called in runtime.tape.callers.items() if tap in called]
        is_input = name.endswith("inputs")
        return tracer.between(
            lambda before, after: (
                (after in callers and is_update(after))
                # What a network receives is made from the minibatch.
                or (is_input and runtime.gathers(before))
            )
        )
    return _of_value(name, runtime)


def _of_value(name: str, runtime: Runtime) -> Lines:
    """Return what ran before a value was made, and where what it is made of was kept.

    What a minibatch holds is decided where its rows were stored too; what a noise remembers, where
    episodes end; a weight that never moves would have been moved after a step.
    """
    tracer = runtime.tracer
    stored = runtime.kept_after(name)
    is_update = runtime.is_update
    after_storing = tracer.between(
        lambda before, after: (
            bool(stored) and before == stored and is_update(after) <= is_update(name)
        )
    )
    found = merged(_before(name, runtime), after_storing)
    if name.endswith("_params") and not found:
        return tracer.between(lambda before, _: before == "step")
    if name.endswith(f"_{LEARNING_RATE}"):
        # What was computed for the optimiser had still to reach it.
        return merged(found, tracer.between(lambda before, _: before == LEARNING_RATE))
    if not name.endswith(("_grad", f"_{GRAD_NORM}")):
        return found
    # A gradient flows through everything that the update computed.
    return merged(found, tracer.between(lambda one, other: is_update(one) and is_update(other)))


def _before(name: str, runtime: Runtime) -> Lines:
    """Return what ran before a quantity's events, also before draws just before them.

    A draw is not compared, so what it is drawn from shows in the quantity that follows it.
    """
    tracer = runtime.tracer
    sources = {one for one, after in tracer.lines if after == name and runtime.is_source(one)}
    drawn = tracer.between(lambda _, after: after in sources and not runtime.is_source(name))
    return merged(tracer.before(name), drawn)


def _network_of(name: str) -> str:
    """Return the module of what passes through a network: "q_net" of "q_net_inputs"; else ""."""
    tap, _, kind = name.rpartition("_")
    return tap if kind in {kind for kind, _ in KINDS} else ""


def _born(name: str, runtime: Runtime) -> Iterator[str]:
    """Yield the lines that made what a quantity comes from: environments, optimiser, networks."""
    if name in OF_ENVIRONMENT:
        yield from runtime.boundary.birthplaces
    yield from runtime.optimisers.birthplaces.get(name, ())
    modules = {*runtime.tape.callers.get(name, ()), name, _network_of(name)}
    for module in sorted(modules):
        yield from runtime.modules.birthplaces.get(module, ())
