"""PPO of the installed sbx, run as a side: no copy, only names translated.

sbx trains actor and critic with an optimiser each, clips their gradients apart, and normalises
advantages by the population's deviation (ddof 0).
"""

from __future__ import annotations

import warnings
from typing import Any

from sbx import PPO

from baselines.sb3 import normalisation, ppo, training
from baselines.sbx.values import in_flax, refuse_other_than
from harness.side import Call


def side(call: Call) -> None:
    """Train sbx's PPO once.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx's PPO does not take.
    """
    arguments = arguments_of(call)
    with warnings.catch_warnings():
        # An incomplete last minibatch is meant where it is asked for.
        warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
        training.train(PPO, call, arguments, env=normalisation.environments(call))


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments of `PPO`; the rest stay defaults."""
    reason = "sbx takes it and does nothing with it"
    refuse_other_than(call, "clip_range_vf", None, reason=reason)
    reason = "sbx changes the learning rate by it, where SB3 ends the updates of a rollout"
    refuse_other_than(call, "target_kl", None, reason=reason)
    return in_flax(call, ppo.arguments_of(call))
