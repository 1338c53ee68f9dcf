"""Replacing functions of gymnasium and torch while a run is watched, and putting them back."""

# ruff: noqa: ANN401 - the edge to gymnasium, torch and watched code, whose values are of any type

from __future__ import annotations

import functools
import multiprocessing.process
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import gymnasium
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from harness.run.observe.environments import (
    BoundaryWatch,
    EnvRecord,
    layers_observed,
    layers_of,
)
from harness.run.observe.layers import LayerWatch
from harness.run.observe.optimisers import OptimiserWatch
from harness.run.observe.wrappers import ObservedEnv, ObservedVectorEnv, VectorRecord

Replace = Callable[[Any], Any]
# Stands for an attribute that a class has from another one.
_INHERITED = object()


class Patches:
    """Replaced attributes, restored in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, make: Replace) -> None:
        """Set `owner.name` to `make(its present value)`."""
        original = getattr(owner, name)
        self._set(owner, name, functools.wraps(original)(make(original)))

    def replace_class_method(self, owner: Any, name: str, make: Replace) -> None:
        """Set the class method `owner.name` to one of `make(the function behind it)`."""
        original = getattr(owner, name).__func__
        replacement: Any = classmethod(functools.wraps(original)(make(original)))
        self._set(owner, name, replacement)

    def replace_everywhere(self, owner: Any, name: str, make: Replace) -> None:
        """Also replace the function where modules imported it by name before now."""
        original = getattr(owner, name)
        replacement = functools.wraps(original)(make(original))
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get(name) is original:
                self._set(module, name, replacement)

    def restore(self) -> None:
        """Put every original back."""
        while self._undo:
            owner, name, original = self._undo.pop()
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    def _set(self, owner: Any, name: str, replacement: Any) -> None:
        self._undo.append((owner, name, vars(owner).get(name, _INHERITED)))
        setattr(owner, name, replacement)


class ProcessWatch:
    """Counts what this process starts: environments there cannot be seen."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def install(self, patches: Patches) -> None:
        """Watch multiprocessing and subprocess, except workers whose steps are seen."""

        def start(original: Callable[..., Any]) -> Callable[..., Any]:
            def started(process: Any) -> Any:
                if "AsyncVectorEnv" not in process.name:
                    self.started.append(process.name)
                return original(process)

            return started

        def popen(original: Callable[..., Any]) -> Callable[..., Any]:
            def opened(process: Any, args: Any, *more: Any, **options: Any) -> Any:
                self.started.append(str(args)[:80])
                return original(process, args, *more, **options)

            return opened

        patches.replace(multiprocessing.process.BaseProcess, "start", start)
        patches.replace(subprocess.Popen, "__init__", popen)


def watch_environments(patches: Patches, watch: BoundaryWatch) -> None:
    """Observe every environment that this process makes through gymnasium."""
    pid = os.getpid()
    layers = LayerWatch(patches, watch)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def make_observed(*args: Any, **kwargs: Any) -> Any:
            env = original(*args, **kwargs)
            return observed(env, watch, layers) if os.getpid() == pid else env

        return make_observed

    def make_vec(original: Callable[..., Any]) -> Callable[..., Any]:
        def make_vec_observed(*args: Any, **kwargs: Any) -> Any:
            envs = original(*args, **kwargs)
            is_seen = isinstance(envs.unwrapped, (AsyncVectorEnv, SyncVectorEnv))
            return envs if is_seen or os.getpid() != pid else ObservedVectorEnv(envs, watch)

        return make_vec_observed

    registration = gymnasium.envs.registration
    patches.replace_everywhere(registration, "make", make)
    patches.replace_everywhere(registration, "make_vec", make_vec)
    _watch_sync(patches, watch, layers)
    _watch_async(patches, watch)
    _watch_wrappers(patches)


def observed(env: gymnasium.Env[Any, Any], watch: BoundaryWatch, layers: LayerWatch) -> ObservedEnv:
    """Wrap `env`; environments observed inside it (its creator called make) fall silent."""
    if isinstance(env, ObservedEnv):
        return env
    outer = ObservedEnv(env, watch)
    for inner in layers_observed(env, ObservedEnv):
        inner.record.is_muted = True
    layers.admit((one for one in layers_of(env) if type(one) is not ObservedEnv), outer.record)
    return outer


def _watch_sync(patches: Patches, watch: BoundaryWatch, layers: LayerWatch) -> None:
    """Observe each environment of a SyncVectorEnv, those not made by `gymnasium.make` too."""

    def init(original: Callable[..., Any]) -> Callable[..., Any]:
        def initialised(envs: Any, *args: Any, **kwargs: Any) -> None:
            original(envs, *args, **kwargs)
            seen = [layers_observed(env, ObservedEnv) for env in envs.envs]
            pairs = zip(envs.envs, seen, strict=True)
            envs.envs = type(envs.envs)(
                e if found else observed(e, watch, layers) for e, found in pairs
            )
            for env in envs.envs:
                inner = layers_observed(env, ObservedEnv)[0]
                inner.record.autoreset_mode = envs.metadata["autoreset_mode"].value

        return initialised

    def step(original: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(envs: Any, actions: Any) -> Any:
            if envs.metadata["autoreset_mode"] == gymnasium.vector.AutoresetMode.NEXT_STEP:
                watch.silent_resets += int(envs._autoreset_envs.sum())
            return original(envs, actions)

        return stepped

    patches.replace(SyncVectorEnv, "__init__", init)
    patches.replace(SyncVectorEnv, "step", step)


def _watch_wrappers(patches: Patches) -> None:
    """Note the wrappers that a side puts around observed environments."""

    def init(original: Callable[..., Any]) -> Callable[..., Any]:
        def initialised(wrapper: Any, *args: Any, **kwargs: Any) -> None:
            original(wrapper, *args, **kwargs)
            if not isinstance(wrapper, ObservedEnv):
                for record in _records_within(wrapper):
                    record.outer.append(ref(wrapper))

        return initialised

    patches.replace(gymnasium.Wrapper, "__init__", init)
    patches.replace(gymnasium.vector.VectorWrapper, "__init__", init)


def _records_within(wrapper: Any) -> list[EnvRecord]:
    """Return the records of the observed environments below a wrapper, where they can be seen."""
    inner = wrapper.env
    while isinstance(inner, gymnasium.vector.VectorWrapper):
        inner = inner.env
    singles = inner.envs if isinstance(inner, SyncVectorEnv) else [inner]
    seen = [layers_observed(env, ObservedEnv) for env in singles]
    return [found[0].record for found in seen if found]


def _watch_async(patches: Patches, watch: BoundaryWatch) -> None:
    """Observe an AsyncVectorEnv from outside: its environments live in worker processes."""
    asyncs = _AsyncWatch(watch)
    patches.replace(AsyncVectorEnv, "__init__", asyncs.init)
    for name in ("step_async", "step_wait", "reset_async", "reset_wait"):
        patches.replace(AsyncVectorEnv, name, getattr(asyncs, name))


class _AsyncWatch:
    """Replacements for the methods of AsyncVectorEnv; each takes the original."""

    def __init__(self, watch: BoundaryWatch) -> None:
        self._watch = watch
        self._states: WeakKeyDictionary[VectorEnv[Any, Any, Any], _AsyncState] = WeakKeyDictionary()

    def init(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Describe the workers' environments by the one that the parent makes for its spaces."""

        def initialised(envs: Any, *args: Any, **kwargs: Any) -> None:
            self._watch.last_made = None
            original(envs, *args, **kwargs)
            record = VectorRecord(envs, self._watch, model=self._watch.last_made)
            self._states[envs] = _AsyncState(record)

        return initialised

    def step_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(envs: Any, actions: Any) -> Any:
            self._state_of(envs).actions = actions
            return original(envs, actions)

        return noted

    def step_wait(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def waited(envs: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(envs, *args, **kwargs)
            self._state_of(envs).stepped(result)
            return result

        return waited

    def reset_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(envs: Any, seed: Any = None, options: Any = None) -> Any:
            self._state_of(envs).reset_request = (seed, dict(options) if options else None)
            return original(envs, seed, options)

        return noted

    def reset_wait(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def waited(envs: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(envs, *args, **kwargs)
            self._state_of(envs).was_reset()
            return result

        return waited

    def _state_of(self, envs: Any) -> _AsyncState:
        if envs not in self._states:
            self._states[envs] = _AsyncState(VectorRecord(envs, self._watch))
        return self._states[envs]


class _AsyncState:
    """What was asked of one AsyncVectorEnv and is not yet answered."""

    def __init__(self, record: VectorRecord) -> None:
        self._record = record
        self.actions: Any = None
        self.reset_request: tuple[Any, Any] = (None, None)

    def stepped(self, result: Any) -> None:
        self._record.stepped(self.actions, result)

    def was_reset(self) -> None:
        self._record.was_reset(*self.reset_request)


def watch_torch(patches: Patches, watch: OptimiserWatch) -> list[Any]:
    """Observe losses, clips and optimiser steps; return the hook handles to remove at the end."""

    def backward(original: Callable[..., Any]) -> Callable[..., Any]:
        def backward_seen(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(tensors, torch.Tensor):
                watch.saw_loss(tensors)
            return original(tensors, *args, **kwargs)

        return backward_seen

    def clip_norm(original: Callable[..., Any]) -> Callable[..., Any]:
        def clipped(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
            is_one = isinstance(parameters, torch.Tensor)
            every = [parameters] if is_one else list(parameters)
            norm = original(every, max_norm, *args, **kwargs)
            watch.saw_clip(every, norm, max_norm)
            return norm

        return clipped

    def clip_value(original: Callable[..., Any]) -> Callable[..., Any]:
        def clipped(*args: Any, **kwargs: Any) -> Any:
            watch.saw_value_clip()
            return original(*args, **kwargs)

        return clipped

    # Tensor.backward looks this up at every call, so both ways of calling it are seen once.
    patches.replace_everywhere(torch.autograd, "backward", backward)
    patches.replace_everywhere(torch.nn.utils, "clip_grad_norm_", clip_norm)
    patches.replace_everywhere(torch.nn.utils, "clip_grad_value_", clip_value)
    return [
        register_optimizer_step_pre_hook(watch.before_step),
        register_optimizer_step_post_hook(watch.after_step),
    ]
