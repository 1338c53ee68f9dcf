"""Which taps of its card a side has, and where they stand: by reading alone, nothing is run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import EXIT_INCONCLUSIVE, EXIT_PARITY, UsageError
from harness.modules import locate_module
from harness.plan.closure import closure
from harness.records import SideSpec
from harness.run.tapcalls import COMPUTED, called_taps
from harness.run.tapplaces import TapLine, map_lines
from harness.spec.cards import Card, TapRow, card
from harness.spec.cards.names import is_hooked, other_algos, unknown_tap_sentence
from harness.spec.sides import find_side

# Unknown names listed in one message.
MAX_REFUSED = 3


@dataclass(frozen=True)
class TapCheck:
    """What reading a side's source found.

    Attributes:
        placed: in data-flow order of the card. hooked: rows of the card that need no tap.
        missing: rows that no tap was found for, optional ones included.
        foreign: calls with a name that only other algorithms' cards know.
        computed: calls whose name is not written out.
    """

    side: SideSpec
    card: Card
    placed: tuple[TapLine, ...]
    hooked: tuple[TapRow, ...]
    missing: tuple[TapRow, ...]
    foreign: tuple[TapLine, ...]
    computed: tuple[TapLine, ...]

    @property
    def exit_code(self) -> int:
        """Return 0 when every tap that is not optional is placed, else 3."""
        is_complete = all(row.is_optional for row in self.missing)
        return EXIT_PARITY if is_complete else EXIT_INCONCLUSIVE


def check_taps(word: str, *, algo: str, tap_map: Path | None = None) -> TapCheck:
    """Return where the taps of a side stand.

    Args:
        word: a side in any spelling of `--mine`. tap_map: the side's map, instead of its own.

    Raises:
        UsageError: no such side, an entry of the map matches nothing, or a name is no tap.
    """
    algorithm = card(algo)
    side = _side(word, algo)
    if tap_map is not None:
        side = replace(side, tap_map=str(tap_map.absolute()))
    mapped = map_lines(Path(side.tap_map), locate_module) if side.tap_map else ()
    called = _called(side)
    known = {row.name for row in algorithm.taps}
    others = [one for one in called if one.name not in known and one.name != COMPUTED]
    foreign = tuple(one for one in others if other_algos(one.name, algorithm))
    _refuse(
        [
            *((side.tap_map, one.name) for one in mapped if one.name not in known),
            *((f"{one.file}:{one.line}", one.name) for one in others if one not in foreign),
        ],
        algorithm,
    )
    order = [row.name for row in algorithm.taps]
    placed = [one for one in (*mapped, *called) if one.name in known]
    names = {one.name for one in placed}
    absent = [row for row in algorithm.taps if row.name not in names]
    return TapCheck(
        side,
        algorithm,
        placed=tuple(sorted(placed, key=lambda one: order.index(one.name))),
        hooked=tuple(row for row in absent if is_hooked(row.name)),
        missing=tuple(row for row in absent if not is_hooked(row.name)),
        foreign=foreign,
        computed=tuple(one for one in called if one.name == COMPUTED),
    )


def _side(word: str, algo: str) -> SideSpec:
    try:
        return find_side(word, algo=algo, role="mine")
    except UsageError as error:
        message = str(error).replace("--mine", "SIDE")
        raise UsageError(message) from error


def _called(side: SideSpec) -> tuple[TapLine, ...]:
    """Return the taps that the side's own source calls, file by file."""
    start = Path(side.file) if side.file else locate_module(side.module or "")
    files: Iterable[Path] = closure(start).files if start else ()
    return tuple(line for file in files for line in called_taps(file))


def _refuse(strange: Sequence[tuple[str | None, str]], algorithm: Card) -> None:
    """Raise for names, given with their places, that are no tap."""
    if strange:
        shown = strange[:MAX_REFUSED]
        lines = [f"{place}: {unknown_tap_sentence(name, algorithm)}" for place, name in shown]
        n_more = len(strange) - len(shown)
        raise UsageError("\n".join([*lines, *([f"and {n_more} more"] if n_more else [])]))
