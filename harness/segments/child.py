"""One scenario in a process of its own: the reference recorded, then mine replayed against it.

    python -m harness.segments.child REQUEST.json ANSWER.json

A composition root like `harness.run.child`: it loads sides by name and joins them with the tapes.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from harness.records import SideSpec
from harness.run.load import load_side
from harness.segments.compare import Quantity, compare_tapes
from harness.segments.exercised import exercised
from harness.segments.runtime import Runtime
from harness.segments.tape import Tape
from harness.side import Call
from harness.spec.cards import card
from harness.spec.environments import register_ids

# What the optimiser hooks take down, where it belongs in the data flow.
_HOOKED = (
    Quantity("update_env_step", "update-schedule", "sample"),
    Quantity("grad", "gradient-optimiser", "gradient"),
    Quantity("params", "gradient-optimiser", "step"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the scenario of the request; write rows, events and problems as JSON."""
    request, answer = (Path(argument) for argument in arguments)
    asked = json.loads(request.read_text())
    torch.set_num_threads(1)
    register_ids()
    call = Call(**asked["call"])
    reference, error = play(SideSpec(**asked["reference"]), call, None)
    found: dict[str, Any] = {"reference_error": error}
    if not error:
        mine, found["mine_error"] = play(SideSpec(**asked["mine"]), call, reference)
        rows = compare_tapes(mine, reference, quantities_of(call.algo, reference))
        found["rows"] = [asdict(row) for row in rows]
        found["events"] = exercised(reference, call.hyperparameters)
        found["problems"] = mine.problems + reference.problems
    answer.write_text(json.dumps(found))
    return 0


def quantities_of(algo: str, reference: Tape) -> tuple[Quantity, ...]:
    """Return what is compared, in data-flow order: the card's taps and what the hooks see.

    Modules that are tapped and not optimised give one quantity more each, `<tap>_params`.
    """
    order = [
        Quantity(row.name, row.component, row.stage, is_random=row.role == "source")
        for row in card(algo).taps
        if row.name in reference.events
    ]
    components = {row.stage: row.component for row in card(algo).taps}
    order += _HOOKED
    order += [
        Quantity(name, components.get("sync", "target-network"), "sync")
        for name in sorted(reference.events)
        if name.endswith("_params") and name.removesuffix("_params") not in reference.optimised
    ]
    return tuple(order)


def play(side: SideSpec, call: Call, reference: Tape | None) -> tuple[Tape, str]:
    """Return the tape of one side, and the last lines of what it died of, if it did."""
    update_taps = frozenset(row.name for row in card(call.algo).taps if row.clock == "update")
    modules = frozenset(row.name for row in card(call.algo).taps if row.shape == "module")
    runtime = Runtime(side_file=side.file, update_taps=update_taps - modules, reference=reference)
    try:
        with runtime.watching():
            load_side(side)(call)
    except BaseException:  # noqa: BLE001 - the child boundary: becomes words in the answer
        return runtime.tape, "\n".join(traceback.format_exc().splitlines()[-4:])
    return runtime.tape, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
