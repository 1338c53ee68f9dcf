"""What a side would do without chance: the module that chooses actions, asked for its values.

Only where the card says how: the action is then the largest output of a tapped module for a tapped
observation. The module is called once more per env step, without taps, gradients or draws.
"""

# ruff: noqa: ANN401 - the edge to watched code, whose values are of any type

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.segments.names import GREEDY

if TYPE_CHECKING:
    from harness.segments.runtime import Runtime
    from harness.spec.cards.card import TapRow

# Parts of a network that change, or draw, when they are called.
_STATEFUL = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)


class Greedy:
    """Derives the values of all actions where an action is tapped.

    Attributes:
        is_asking: whether a module is being called by this class; its taps then say nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._inputs: dict[str, Any] = {}
        self._is_refused = False
        self.is_asking = False

    def remember(self, name: str, value: Any) -> None:
        """Keep the latest value of a tap that a module may be asked with."""
        self._inputs[name] = value

    def take(self, row: TapRow) -> None:
        """Take down the values of all actions, (n_envs, n_actions), where they can be derived."""
        if not row.greedy_of or self._is_refused:
            return
        tap, given = row.greedy_of
        module = self._runtime.modules.module_of(tap)
        if module is None or given not in self._inputs:
            return
        values = self._asked(module, self._inputs[given])
        if values is None:
            self._is_refused = True
            return
        self._runtime.sites.note(GREEDY)
        self._runtime.take(GREEDY, self._runtime.slot(GREEDY), {"": values})

    def _asked(self, module: torch.nn.Module, given: Any) -> np.ndarray[Any, Any] | None:
        if any(isinstance(part, _STATEFUL) for part in module.modules()):
            return None
        n_envs = self._runtime.boundary.n_envs
        self.is_asking = True
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                found = module(_batch(given, module, n_envs))
                return np.array(found.detach().cpu().numpy()).reshape(n_envs, -1)
        except Exception:  # noqa: BLE001 - a module of another signature: nothing is derived
            return None
        finally:
            self.is_asking = False


def _batch(given: Any, module: torch.nn.Module, n_envs: int) -> torch.Tensor:
    """Return an observation as a batch of the module's own number type."""
    tensor = torch.as_tensor(given)
    first = next(module.parameters())
    if tensor.dtype.is_floating_point:
        tensor = tensor.to(first.dtype)
    is_batch = tensor.dim() > 1 and tensor.shape[0] == n_envs
    return (tensor if is_batch else tensor[None]).to(first.device)
