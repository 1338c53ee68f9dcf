"""Playing one side of a scenario: recorded, replayed, widened, traced."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sysconfig
import traceback
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness.records import SideSpec
from harness.run.load import load_side
from harness.segments.runtime import Keep, Known, Policy, Runtime, StopReplay
from harness.segments.tape import Tape
from harness.segments.widen import widened
from harness.side import Call, UnsupportedHyperparameter

# Numbers the plays of this process.
_PLAYS = itertools.count(1_000_003)
# Last lines of a traceback that are kept.
TAIL_LINES = 4


@dataclass(frozen=True)
class Played:
    """What one side did: its tape, and what it died of, if it did.

    Attributes:
        error: last lines of the exception that left the side, or "".
        unsupported: (name, reason) of a hyperparameter that the side cannot express, or None.
    """

    runtime: Runtime
    error: str = ""
    unsupported: tuple[str, str] | None = None

    @property
    def tape(self) -> Tape:
        """Everything taken down."""
        return self.runtime.tape


def play(
    side: SideSpec,
    call: Call,
    *,
    reference: Known | None = None,
    policy: Policy | None = None,
    keep: Keep | None = None,
) -> Played:
    """Run one side once under the harness; whatever leaves the side becomes words.

    Args:
        keep: receives the events instead of the tape.
    """
    _forget_seeds()
    runtime = Runtime(
        call,
        side_file=side.file,
        reference=reference,
        policy=policy,
        keep=keep,
    )
    try:
        with runtime.watching(), widened() if runtime.policy.is_wide else nullcontext():
            load_side(side)(call)
    except StopReplay:
        return Played(runtime)
    except UnsupportedHyperparameter as error:
        return Played(runtime, str(error), (error.name, error.reason))
    except BaseException:  # noqa: BLE001 - the child boundary: becomes words in the answer
        tail = traceback.format_exc().splitlines()[-TAIL_LINES:]
        return Played(runtime, "\n".join(tail))
    return Played(runtime)


def _forget_seeds() -> None:
    """Leave the global generators in a state of their own for every play.

    A side that forgets to seed would otherwise look repeatable.
    """
    number = next(_PLAYS)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the global generator that user code may use
    torch.manual_seed(number)


def folders_of(side: SideSpec) -> tuple[Path, ...]:
    """Return where a side's own code lies: the folder of its file, or the packages it is tapped in.

    A reference library is traced where its tap map puts taps.
    """
    if side.file is not None:
        return (Path(side.file).parent,)
    packages = {name.partition(".")[0] for name in _tapped_modules(side)}
    specs = [importlib.util.find_spec(name) for name in sorted(packages)]
    places = [Path(p) for s in specs if s for p in s.submodule_search_locations or ()]
    library = Path(sysconfig.get_path("purelib"))
    return tuple(place for place in places if place != library)


def given_by(side: SideSpec) -> frozenset[str]:
    """Return the taps of a side's map that depend on weights which it cannot show."""
    from harness.run.tapplaces import given_in

    return given_in(Path(side.tap_map)) if side.tap_map else frozenset()


def _tapped_modules(side: SideSpec) -> set[str]:
    from harness.run.tapplaces import read_tap_map

    if side.tap_map is None:
        return {side.module or ""}
    return {entry.module for entry in read_tap_map(Path(side.tap_map))}
