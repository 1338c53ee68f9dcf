"""Watching optimisers: updates, losses, gradients, parameters, through torch's own global hooks."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.records import Json
from harness.run.observe.leaves import Leaves
from harness.run.observe.taps import TapWatch
from harness.run.observe.writer import MEASURE_EVERY, Clock, Fault, Writer

# Losses seen since the last optimiser step; more means backward is used without an optimiser.
LOSSES_KEPT = 64

# Metrics whose first NaN or infinity names the run's outcome.
FINITE_METRICS = ("loss", "grad_norm", "param_norm")


@dataclass(slots=True)
class _Clip:
    """One call of `clip_grad_norm_`: which parameters, their norm before, the norm let through."""

    parameters: list[torch.Tensor]
    norm: torch.Tensor
    max_norm: float


@dataclass(slots=True)
class _Optimiser:
    """What is known about one optimiser; `trained` holds the tensors that received a gradient.

    Attributes:
        n_asked_for: updates within the env steps asked for; `last_env_step` and
            `last_learning_rate` are of the last of these. Whether a round that would overrun the
            request is still made is a convention, and no difference of the algorithm.
        longest_wait: largest number of env steps between two successive updates, or the start.
        unclipped_norm_max: largest gradient norm over the updates that no clip was seen before.
    """

    optimiser: torch.optim.Optimizer
    suffix: str
    constants: dict[str, Json]
    first_env_step: int
    first_learning_rate: float
    n_updates: int = 0
    n_asked_for: int = 0
    last_env_step: int = 0
    longest_wait: int = 0
    last_learning_rate: float = math.nan
    grad_clip: float | None = None
    unclipped_norm_max: float = 0.0
    trained: dict[int, torch.Tensor] = field(default_factory=dict)
    before: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    def parameters(self) -> list[torch.Tensor]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    @property
    def is_measured(self) -> bool:
        """Whether the current update is one of 1, 21, 41 ..."""
        return self.n_updates % MEASURE_EVERY == 1


class OptimiserWatch:
    """Measures every optimiser of the process; the k-th further one has the suffix `.k`."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        *,
        taps: TapWatch,
        fault: Fault,
        total_timesteps: int,
    ) -> None:
        self._total_timesteps = total_timesteps
        self._leaves = Leaves()
        self._writer = writer
        self._clock = clock
        self._taps = taps
        self._fault = fault
        self._watched: dict[int, _Optimiser] = {}
        self._losses: list[torch.Tensor] = []
        self._clip: _Clip | None = None
        self._n_value_clips = 0
        self.first_non_finite: str | None = None

    def saw_loss(self, loss: torch.Tensor) -> None:
        """Remember what `backward` was called on, until the next optimiser step."""
        if len(self._losses) >= LOSSES_KEPT:
            self._losses.clear()
        self._losses.append(loss)
        if not self._watched:
            self._leaves.saw_loss(loss)
        self._taps.sites.note("backward")

    def saw_clip(self, parameters: list[torch.Tensor], norm: torch.Tensor, max_norm: float) -> None:
        """Remember a gradient clip, until the next optimiser step; an infinite limit is none."""
        if max_norm == math.inf:
            return
        self._clip = _Clip(parameters, norm, float(max_norm))
        self._taps.sites.note("clip")

    def saw_value_clip(self) -> None:
        """Count one call of `clip_grad_value_`."""
        self._n_value_clips += 1

    def before_step(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Count the update; in a measured one take loss, gradients and a copy of the weights."""
        del args, kwargs
        try:
            watched = self._watched.get(id(optimiser))
            if watched is None:
                watched = self._admit(optimiser)
            watched.n_updates += 1
            self._note_time(watched)
            if self._clip is None:
                _note_unclipped(watched)
            if watched.is_measured:
                with torch.no_grad():
                    self._measure_before(watched)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note("optimiser step", error)

    def after_step(self, optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Note the time; in a measured update write one line of metrics."""
        del args, kwargs
        try:
            watched = self._watched[id(optimiser)]
            self._clock.updates += 1
            if watched.is_measured:
                with torch.no_grad():
                    self._measure_after(watched)
            if not watched.suffix:
                self._taps.updates = watched.n_updates
            self._losses.clear()
            self._clip = None
            self._writer.progress(self._clock.env_steps, self._clock.updates)
        except Exception as error:  # noqa: BLE001 - watching must never break the watched code
            self._fault.note("optimiser step", error)

    def finish(self) -> None:
        """Check the final weights; a NaN that arose after the last measured update counts too."""
        for watched in self._watched.values():
            if all(bool(torch.isfinite(p).all()) for p in watched.parameters()):
                continue
            self._note_non_finite(f"param_norm{watched.suffix}", math.nan, watched.n_updates)

    def facts(self) -> dict[str, Json]:
        """Return the exact observations; one list entry per optimiser, in order of first step."""
        every = [one for one in self._watched.values() if one.n_asked_for]
        if not every and self._leaves.have_moved:
            return {"torch_threads": torch.get_num_threads(), "first_non_finite": None}
        trained = [list(one.trained.values()) for one in every]
        dtypes = {str(p.dtype).removeprefix("torch.") for tensors in trained for p in tensors}
        return {
            "n_updates": [one.n_asked_for for one in every],
            "first_update_env_step": [one.first_env_step for one in every],
            "last_update_env_step": [one.last_env_step for one in every],
            "optimiser_class": [class_name(one.optimiser) for one in every],
            "optimiser_constants": [one.constants for one in every],
            "trained_parameter_count": [sum(p.numel() for p in tensors) for tensors in trained],
            "trained_parameter_shapes": [sorted(list(p.shape) for p in ts) for ts in trained],
            "learning_rate_first": [one.first_learning_rate for one in every],
            "learning_rate_last": [one.last_learning_rate for one in every],
            "grad_clip": [one.grad_clip for one in every],
            "unclipped_norm_max": [one.unclipped_norm_max for one in every],
            "longest_wait": [one.longest_wait for one in every],
            "grad_value_clips": self._n_value_clips,
            "dtype": ", ".join(sorted(dtypes)),
            "torch_threads": torch.get_num_threads(),
            "final_weights_sha256": self._weights_sha256(),
            "first_non_finite": self.first_non_finite,
        }

    def _admit(self, optimiser: torch.optim.Optimizer) -> _Optimiser:
        rank = len(self._watched)
        self._taps.sites.note("step")
        watched = _Optimiser(
            optimiser,
            suffix=f".{rank}" if rank else "",
            constants=_constants(optimiser),
            first_env_step=self._clock.env_steps,
            first_learning_rate=_learning_rate(optimiser),
        )
        self._watched[id(optimiser)] = watched
        return watched

    def _note_time(self, watched: _Optimiser) -> None:
        env_step = self._clock.env_steps
        if env_step > self._total_timesteps:
            return
        watched.n_asked_for += 1
        watched.longest_wait = max(watched.longest_wait, env_step - watched.last_env_step)
        watched.last_env_step = env_step
        watched.last_learning_rate = _learning_rate(watched.optimiser)

    def _measure_before(self, watched: _Optimiser) -> None:
        parameters = watched.parameters()
        with_grad = [p for p in parameters if p.grad is not None]
        for p in with_grad:
            watched.trained[id(p)] = p
        norm = _norm([p.grad for p in with_grad if p.grad is not None])
        values = {"grad_norm": norm, "grad_norm_unclipped": norm}
        losses = [float(loss.detach()) for loss in self._losses if loss.numel() == 1]
        if losses:
            values["loss"] = sum(losses)
        if self._clip is not None and _covers(self._clip.parameters, with_grad):
            values["grad_norm_unclipped"] = float(self._clip.norm)
            watched.grad_clip = self._clip.max_norm
        watched.values = values
        watched.before = [(p, p.detach().clone()) for p in with_grad]

    def _measure_after(self, watched: _Optimiser) -> None:
        # Over tensors with a gradient: others may be listed (targets, say) and are not trained.
        parameters, before = zip(*watched.before, strict=True) if watched.before else ((), ())
        changes = torch._foreach_sub(parameters, before) if parameters else ()
        env_steps = self._clock.env_steps
        values = watched.values
        values["param_norm"] = _norm(parameters)
        values["update_norm"] = _norm(changes)
        values["learning_rate"] = _learning_rate(watched.optimiser)
        if env_steps:
            values["updates_per_env_step"] = watched.n_updates / env_steps
        named = {f"{name}{watched.suffix}": value for name, value in values.items()}
        self._check_finite(watched, values)
        watched.before, watched.values = [], {}
        if not watched.suffix:
            named.update(self._taps.take_update_values())
        self._writer.metrics(env_steps, named)

    def _check_finite(self, watched: _Optimiser, values: Mapping[str, float]) -> None:
        for metric in FINITE_METRICS:
            value = values.get(metric, 0.0)
            if not math.isfinite(value):
                self._note_non_finite(f"{metric}{watched.suffix}", value, watched.n_updates)

    def _note_non_finite(self, metric: str, value: float, update: int) -> None:
        if self.first_non_finite is None:
            self.first_non_finite = (
                f"{metric} was {value!r} at update {update}, env step {self._clock.env_steps}"
            )

    def _weights_sha256(self) -> str:
        """Return the hash of every optimiser's tensors, in order; the bits, not the values."""
        digest = hashlib.sha256()
        for watched in self._watched.values():
            for p in watched.parameters():
                flat = p.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def _norm(tensors: Sequence[torch.Tensor]) -> float:
    """Return the Euclidean norm over all elements of all tensors."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors if t.numel()]
    return math.hypot(*map(float, torch._foreach_norm(dense))) if dense else 0.0


def _covers(clipped: list[torch.Tensor], with_grad: list[torch.Tensor]) -> bool:
    """Return whether the clip was over (at least) the first tensor of this optimiser."""
    return bool(with_grad) and any(p is with_grad[0] for p in clipped)


def _learning_rate(optimiser: torch.optim.Optimizer) -> float:
    return float(optimiser.param_groups[0].get("lr", math.nan))


def _note_unclipped(watched: _Optimiser) -> None:
    """Keep the largest norm: whether a clip was missed depends on every update, not on some."""
    with torch.no_grad():
        norm = _norm([p.grad for p in watched.parameters() if p.grad is not None])
    watched.unclipped_norm_max = max(watched.unclipped_norm_max, norm)


def class_name(optimiser: torch.optim.Optimizer) -> str:
    """Return the name of the class whose update rule is used.

    A subclass that keeps its parent's `step` is its parent, and AdamW differs from Adam by its
    weight decay alone (Loshchilov & Hutter 2019, algorithm 2): without one, it is Adam.
    """
    kind = type(optimiser)
    rule = next(c for c in kind.__mro__ if "step" in vars(c))
    has_decay = any(group.get("weight_decay") for group in optimiser.param_groups)
    return "Adam" if rule is torch.optim.AdamW and not has_decay else rule.__name__


def _constants(optimiser: torch.optim.Optimizer) -> dict[str, Json]:
    """Return the options of the first parameter group; groups with others under "groups"."""
    first, *others = (
        {name: _json(value) for name, value in group.items() if name != "params"}
        for group in optimiser.param_groups
    )
    others = [group for group in others if group != first]
    return {**first, "groups": others} if others else first


def _json(value: Any) -> Json:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value)
    return repr(value)
