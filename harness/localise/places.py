"""Where to open the code for a finding: the line at which its quantity is born, on each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Measured by hooks, not by taps: the call at which the quantity passes by. First one known counts.
_CALLS: Mapping[str, tuple[str, ...]] = {
    "loss": ("backward",),
    "grad_norm_unclipped": ("backward",),
    "grad_norm": ("clip", "step"),
    "grad_clip": ("clip", "step"),
    "the gradient norm after clipping keeps its limit": ("clip", "step"),
    "update_norm": ("step",),
    "param_norm": ("step",),
    "learning_rate": ("step",),
    "learning_rate_first": ("step",),
    "learning_rate_last": ("step",),
    "optimiser_class": ("step",),
    "optimiser_constants": ("step",),
    "trained_parameter_count": ("step",),
    "n_updates": ("step",),
    "first_update_env_step": ("step",),
    "last_update_env_step": ("step",),
    "updates_per_env_step": ("step",),
    "stored_next_obs": ("transition",),
    "stored_reward": ("transition",),
    "stored_terminated": ("transition",),
    "epsilon lies in [0, 1]": ("epsilon",),
    "the entropy lies in its range": ("entropy",),
    "targets stay inside what rewards allow (probes)": ("td_target",),
    "the learning rate is finite and not negative": ("step",),
    "updates change the parameters": ("step",),
}


@dataclass(frozen=True)
class SidePlaces:
    """Known places of one side.

    Attributes:
        entry: where the side begins, "file.py:callable"; used when nothing nearer is known.
        sites: tap name, or "backward", "clip", "step" -> "file:line".
    """

    entry: str = ""
    sites: Mapping[str, str] | None = None

    def of(self, quantity: str) -> str:
        """Return the nearest known place of a metric, fact or check.

        >>> SidePlaces("dqn.py:side", {"td_target": "dqn.py:154"}).of("td_target.mean")
        'dqn.py:154'
        """
        sites = self.sites or {}
        names = (*_CALLS.get(quantity, ()), quantity, quantity.split(".")[0])
        return next((sites[name] for name in names if name in sites), self.entry)
