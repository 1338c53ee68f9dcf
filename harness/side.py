"""The contract between the harness and an implementation: a side is called with a `Call`.

Light on purpose (gymnasium is imported only when an environment is asked for), so that
implementations can import it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gymnasium


class UnsupportedHyperparameter(Exception):
    """Raised by a side for a hyperparameter, or value of one, that it cannot express."""

    def __init__(self, name: str, value: object, reason: str = "") -> None:
        self.name = name
        self.value = value
        self.reason = reason
        because = f": {reason}" if reason else ""
        super().__init__(f"{name}={value!r} cannot be expressed by this side{because}")


@dataclass(frozen=True)
class Call:
    """One request to train once.

    Attributes:
        algo: canonical algorithm name, for example "dqn".
        env_id: gymnasium id.
        seed: seed of everything random in the run, environment included.
        total_timesteps: env steps to make, summed over parallel environments; a request.
        n_envs: parallel environments.
        hyperparameters: every hyperparameter of the algorithm, resolved, under SB3's names.
        device: torch device name.
        idle: names of hyperparameters whose value here switches something off: a side that does not
            know them does the same.
    """

    algo: str
    env_id: str
    seed: int
    total_timesteps: int
    n_envs: int
    hyperparameters: Mapping[str, Any]
    device: str = "cpu"
    idle: tuple[str, ...] = ()

    def make_env(self) -> gymnasium.Env[Any, Any]:
        """Return one new environment of this call, unseeded, through `gymnasium.make`."""
        import gymnasium

        return gymnasium.make(self.env_id)

    def only(self, *supported: str) -> Mapping[str, Any]:
        """Return the hyperparameters that the side supports, after checking that these are all.

        Raises:
            UnsupportedHyperparameter: the call holds a name outside `supported` that is not idle.
        """
        for name, value in self.hyperparameters.items():
            if name not in supported and name not in self.idle:
                raise UnsupportedHyperparameter(name, value, f"supported: {', '.join(supported)}")
        return {name: v for name, v in self.hyperparameters.items() if name in supported}
