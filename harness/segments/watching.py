"""What is noted while a side runs: where things are made, what is seeded, what is clipped."""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import torch

from harness.run.observe.patches import Patches
from harness.run.observe.sites import Sites
from harness.segments.modules import Modules
from harness.segments.optimisers import Optimisers
from harness.segments.tape import Tape

# So many of the calls by which an optimiser, and a part of a network, was made are named.
MAX_CALLS = 4
MODULE_CALLS = 2


def watch_construction(
    patches: Patches, modules: Modules, optimisers: Optimisers, sites: Sites
) -> None:
    """Note on which line every module, and by which calls every optimiser of the side is made."""

    def made(note: Callable[[Any], None]) -> Callable[[Any], Any]:
        def replace(original: Callable[..., None]) -> Callable[..., None]:
            def initialised(owner: Any, *args: Any, **kwargs: Any) -> None:
                note(owner)
                original(owner, *args, **kwargs)

            return initialised

        return replace

    def module(owner: Any) -> None:
        modules.made(owner, tuple(islice(sites.calls(), MODULE_CALLS)))

    def optimiser(owner: Any) -> None:
        optimisers.made(owner, tuple(islice(sites.calls(), MAX_CALLS)))

    patches.replace(torch.nn.Module, "__init__", made(module))
    patches.replace(torch.optim.Optimizer, "__init__", made(optimiser))


def watch_clips(patches: Patches, tape: Tape) -> None:
    """Count the gradients that torch's own clipping shortens; an infinite limit is none."""

    def clip(original: Callable[..., Any]) -> Callable[..., Any]:
        def clipped(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
            norm = original(parameters, max_norm, *args, **kwargs)
            if max_norm != math.inf:
                tape.clips.append(bool(norm > max_norm))
            return norm

        return clipped

    patches.replace_everywhere(torch.nn.utils, "clip_grad_norm_", clip)


def watch_seeding(patches: Patches, places: list[str], sites: Sites) -> None:
    """Note the lines that seed or make random generators."""

    def seeding(original: Callable[..., Any]) -> Callable[..., Any]:
        def seeded(*args: Any, **kwargs: Any) -> Any:
            places.append(sites.here())
            return original(*args, **kwargs)

        return seeded

    for owner, name in (
        (torch, "manual_seed"),
        (np.random, "default_rng"),
        (np.random, "seed"),
        (random, "seed"),
    ):
        patches.replace(owner, name, seeding)
