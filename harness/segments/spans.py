"""Which lines a row of the segment test stands for, on both sides."""

from __future__ import annotations

from dataclasses import replace

from harness.judgement import SegmentRow
from harness.segments.boundary import ENV_START, RESETS
from harness.segments.lines import Lines, Stretch, stretches, text_of
from harness.segments.runtime import Runtime


def spanned(row: SegmentRow, mine: Runtime, reference: Runtime) -> SegmentRow:
    """Return the row with the stretches of code that end at its tap, first the tap's own."""
    ours, theirs = (_stretches(row.tap, runtime) for runtime in (mine, reference))
    return replace(
        row,
        mine_place=ours[0].place if ours else row.mine_place,
        reference_place=theirs[0].place if theirs else row.reference_place,
        mine_lines=(*(one.place for one in ours), *_born(row.tap, mine)),
        reference_lines=(*(one.place for one in theirs), *_born(row.tap, reference)),
        mine_source=text_of(ours[0]) if ours else (),
        reference_source=text_of(theirs[0]) if theirs else (),
    )


def _stretches(name: str, runtime: Runtime) -> tuple[Stretch, ...]:
    site = runtime.tape.sites.get(name, "")
    return stretches(_lines(name, runtime), site, runtime.sites)


def _lines(name: str, runtime: Runtime) -> Lines:
    """Return what ran before the events of a quantity.

    When updates are made is decided where the code goes from collecting to updating and back; what
    a reset is given is decided before the environment starts.
    """
    tracer = runtime.tracer
    if name == RESETS:
        return tracer.before(ENV_START)
    if name.endswith("updates"):
        is_update = runtime.is_update
        return tracer.between(
            lambda before, after: is_update(before) != is_update(after) or before == "step"
        )
    return tracer.before(name)


def _born(name: str, runtime: Runtime) -> tuple[str, ...]:
    """Return the lines that made the networks, or the optimiser, which a quantity comes from."""
    places = list(runtime.optimisers.birthplaces.get(name, ()))
    for module in sorted(runtime.callers.get(name, ())):
        places += runtime.modules.birthplaces.get(module, ())
    return tuple(dict.fromkeys(places))
