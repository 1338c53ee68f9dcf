"""Make the ids of the probes and of the exposing environments known to gymnasium."""

from __future__ import annotations

import gymnasium

from harness.probes import exposing
from harness.probes.listed import PROBES


def register() -> None:
    """Register every id; calling it again changes nothing."""
    for probe in PROBES:
        if probe.env_id not in gymnasium.registry:
            has_box = probe.action_type == "continuous" and probe.pays is None
            gymnasium.register(
                id=probe.env_id,
                entry_point=f"harness.probes.environments:{probe.plays}",
                max_episode_steps=probe.max_episode_steps,
                kwargs={"has_box_actions": True} if has_box else {},
                # Gymnasium's own checker warns of arrays that are shared, which is one's point.
                disable_env_checker=probe.plays == "SharedArray",
            )
    for env_id, arguments in exposing.VARIANTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                id=env_id,
                entry_point="harness.probes.exposing:Exposing",
                max_episode_steps=exposing.MAX_EPISODE_STEPS,
                kwargs=dict(arguments),
            )
