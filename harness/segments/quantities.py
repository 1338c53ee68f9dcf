"""What is compared: the card's taps, and what hooks and environments say, in data-flow order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.records import STAGES, Json
from harness.segments.names import ENV_ACTION, ENV_RESULT, RESETS, ROUNDS
from harness.segments.tape import Tape
from harness.spec.cards.card import Card, TapRow
from harness.spec.cards.names import HOOKED_ENDS

# What one trained module gives, in data-flow order: suffix, component, stage.
_OWNED = (
    ("updates", "update-schedule", "sample"),
    ("learning_rate", "lr-schedule", "gradient"),
    ("grad", "gradient-optimiser", "gradient"),
    ("step", "gradient-optimiser", "step"),
)
# How often a thing happens is itself compared for these.
COUNTED = ("updates",)
# What an optimiser does whatever it is given.
FREE = ("updates", "learning_rate")


@dataclass(frozen=True)
class Quantity:
    """What is known of one quantity: where a difference in it sits.

    Attributes:
        is_random: drawn, so that only its shape can be compared; its value is handed on.
        counts: the number of events is itself compared.
        is_optional: mine may lack it. is_silent: listed only when it differs.
        gathers: the stored tap whose rows it holds, or "". spanning: fields of several such rows.
        is_module: the parameters of a network.
        field_components: field -> where a difference in this field alone sits.
        at_ends: fields of these of which that holds only where an episode ended.
        terms: other quantity -> where a difference sits that is a multiple of it.
        extra_component: where it sits that mine has more events; "": as always.
        is_computed: from taps alone, so that its rounding can be measured.
        owner: the trained module whose optimiser shows it, so that mine needs no other tap; or "".
        needs_draws: comparable only where every draw is handed on.
        is_tap: a tap of the card.
    """

    name: str
    component: str
    stage: str
    is_random: bool = False
    counts: bool = False
    is_optional: bool = False
    is_silent: bool = False
    gathers: str = ""
    spanning: tuple[str, ...] = ()
    is_module: bool = False
    field_components: Mapping[str, str] = field(default_factory=dict)
    at_ends: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    extra_component: str = ""
    is_computed: bool = True
    owner: str = ""
    needs_draws: bool = True
    is_tap: bool = False

    def spanning_under(self, hyperparameters: Mapping[str, Json]) -> tuple[str, ...]:
        """Return the fields of a minibatch's row that come from several stored rows."""
        return self.spanning if int(hyperparameters.get("n_steps") or 1) > 1 else ()


def quantities_of(
    card: Card, reference: Tape, mine: Tape, *, is_partial: bool = False
) -> tuple[Quantity, ...]:
    """Return what is compared of these two tapes, stage by stage.

    Of a reference without taps, or of one whose map is known to be `is_partial`, every tap that no
    side may lack is listed, so that it is unobserved.
    """
    has_taps = not is_partial and any(reference.count(row.name) for row in card.taps)
    taps = [
        row
        for row in card.taps
        if reference.count(row.name)
        or not (has_taps or row.is_optional or row.name.endswith(HOOKED_ENDS))
    ]
    found = [
        *_of_environment(),
        *(_of_tap(row, is_random=is_drawn(row, reference, mine)) for row in taps),
        *_of_owners(reference),
        *_of_modules(card, reference),
    ]
    return tuple(sorted(found, key=lambda quantity: STAGES.index(quantity.stage)))


def is_drawn(row: TapRow, reference: Tape, mine: Tape) -> bool:
    """Return whether a tap carries a draw that nothing else on both tapes determines."""
    behind = [name for name in row.drawn_from if reference.count(name)]
    is_computed = bool(behind) and all(mine.count(name) for name in behind)
    return row.role == "source" and not is_computed


def _of_environment() -> Iterator[Quantity]:
    yield Quantity(
        RESETS,
        "env-interface",
        "collect",
        counts=True,
        field_components={"seed": "seeding-determinism"},
        is_computed=False,
        needs_draws=False,
    )
    yield Quantity(ENV_RESULT, "env-interface", "collect", is_computed=False, needs_draws=False)
    yield Quantity(ENV_ACTION, "action-scaling", "collect", counts=True)
    yield Quantity(
        ROUNDS, "update-schedule", "sample", counts=True, is_silent=True, needs_draws=False
    )


def _of_tap(row: TapRow, *, is_random: bool) -> Quantity:
    return Quantity(
        row.name,
        row.component,
        row.stage,
        is_random=is_random,
        is_computed=not is_random and row.shape != "module",
        counts=row.counts,
        is_tap=True,
        is_optional=row.is_optional,
        gathers=row.gathers,
        spanning=row.spanning,
        is_module=row.shape == "module",
        field_components=row.field_components,
        at_ends=row.at_ends,
        terms=row.terms,
        # More is stored than was stepped: a reset was taken for a step.
        extra_component="env-interface" if row.counts else "",
    )


def _of_owners(reference: Tape) -> Iterator[Quantity]:
    for owner in reference.owners:
        for suffix, component, stage in _OWNED:
            if suffix in FREE or owner not in reference.bare:
                yield Quantity(
                    f"{owner}_{suffix}",
                    component,
                    stage,
                    counts=suffix in COUNTED,
                    needs_draws=suffix not in FREE,
                    owner=owner,
                )


def _of_modules(card: Card, reference: Tape) -> Iterator[Quantity]:
    """Yield what changes outside optimisers; of trained modules nothing should."""
    for row in card.taps:
        name = f"{row.name}_params"
        if reference.count(name):
            is_trained = row.name in reference.owners
            component = "gradient-optimiser" if is_trained else "target-network"
            yield Quantity(name, component, "sync", is_silent=is_trained)
        if reference.count(f"{row.name}_acting"):
            yield Quantity(f"{row.name}_acting", "gradient-optimiser", "sync", is_silent=True)
