"""One run recorded, another replayed under its values: the smallest possible harness, for tests."""

from collections import Counter
from dataclasses import dataclass, field, is_dataclass

import gymnasium
import numpy as np
import torch

from harness import tap
from harness.side import Call

# Random draws: replaced, never compared.
SOURCES = ("policy", "action", "rows")


class Counted(gymnasium.Wrapper):
    """Counts env steps over all environments of a call, and notes seeds and actions received."""

    def __init__(self, env, tape):
        super().__init__(env)
        self.tape = tape

    def step(self, action):
        self.tape.env_steps += 1
        self.tape.env_actions.append(np.array(action))
        return super().step(action)

    def reset(self, *, seed=None, options=None):
        self.tape.seeds.append(seed)
        return super().reset(seed=seed, options=options)


@dataclass(frozen=True)
class TapedCall(Call):
    """A call whose environments write to a tape."""

    tape: object = None

    def make_env(self):
        return Counted(super().make_env(), self.tape)


@dataclass
class Tape:
    """What one run did: tapped values by (name, env steps made, how many there before)."""

    events: dict = field(default_factory=dict)
    modules: list = field(default_factory=list)
    env_actions: list = field(default_factory=list)
    seeds: list = field(default_factory=list)
    env_steps: int = 0
    seen: Counter = field(default_factory=Counter)

    def key(self, name):
        place = (name, self.env_steps)
        self.seen[place] += 1
        return (*place, self.seen[place])

    @property
    def names(self):
        return {name for name, _, _ in self.events}

    def of(self, name):
        return [value for (found, _, _), value in self.events.items() if found == name]

    def of_field(self, name, part):
        return [value[part] for value in self.of(name)]


def as_arrays(value):
    """Return field -> array; "" for a plain value; a module's parameters by shape and order."""
    if isinstance(value, torch.nn.Module):
        return {str(i): p.detach().numpy().copy() for i, p in enumerate(value.parameters())}
    parts = fields_of(value)
    if parts is not None:
        return {name: as_arrays(part)[""] for name, part in parts.items()}
    is_tensor = isinstance(value, torch.Tensor)
    return {"": value.detach().numpy().copy() if is_tensor else np.array(value)}


def fields_of(value):
    """Return the parts of a dict, named tuple or dataclass by name, else None."""
    if isinstance(value, dict):
        return value
    if hasattr(value, "_asdict"):
        return value._asdict()
    return vars(value) if is_dataclass(value) else None


def record(side, call):
    """Run `side` and return the tape of everything that it tapped."""
    tape = Tape()

    def handle(name, value):
        tape.events[tape.key(name)] = as_arrays(value)
        if isinstance(value, torch.nn.Module):
            tape.modules.append(value)
        return value

    return _run(side, call, tape, handle)


def replay(side, call, *, reference, load, only=None):
    """Run `side` with the values of `reference` handed on; return its tape, of its own values.

    Args:
        load: (module, arrays of the reference's parameters in order) -> None.
        only: the taps whose values are handed on; all by default.
    """
    tape = Tape()

    def handle(name, value):
        key = tape.key(name)
        tape.events[key] = as_arrays(value)
        if key not in reference.events or (only is not None and name not in only):
            return value
        if isinstance(value, torch.nn.Module):
            tape.modules.append(value)
            load(value, [*reference.events[key].values()])
            return value
        return _as_own(value, reference.events[key])

    return _run(side, call, tape, handle)


def _run(side, call, tape, handle):
    tap.set_handler(handle)
    try:
        side(TapedCall(**vars(call), tape=tape))
    finally:
        tap.set_handler(None)
    return tape


def _as_own(value, known, name=""):
    parts = fields_of(value)
    if parts is not None:
        made = {name: _as_own(part, known, name) for name, part in parts.items()}
        return made if isinstance(value, dict) else type(value)(**made)
    array = known[name]
    if isinstance(value, torch.Tensor):
        other = torch.as_tensor(array, dtype=value.dtype).reshape(value.shape)
        if not value.requires_grad:
            return other
        return value + (other - value).detach()
    if isinstance(value, np.ndarray):
        return array.reshape(value.shape).astype(value.dtype)
    return array.tolist() if isinstance(value, list) else type(value)(array.item())


def load_by_shape(module, arrays):
    """Copy parameters over, each to the first free one of its shape, in the order of the lists."""
    free = list(module.parameters())
    with torch.no_grad():
        for array in arrays:
            alike = [p for p in free if tuple(p.shape) == array.shape]
            alike += [p for p in free if p.squeeze().shape == np.squeeze(array).shape]
            found = alike[0]
            found.copy_(torch.as_tensor(array).reshape(found.shape))
            free = [p for p in free if p is not found]
    assert not free


def differences(mine, reference, *, rtol=2e-5, atol=2e-6):
    """Return every event whose values differ by more than rounding, or that one side lacks."""
    found = [(key, "missing") for key in reference.events.keys() ^ mine.events.keys()]
    for key in reference.events.keys() & mine.events.keys():
        ours, theirs = mine.events[key], reference.events[key]
        if key[0] in SOURCES:
            continue
        for name in theirs:
            if name not in ours and not name.isdigit():
                continue  # a field that one side does not carry is not compared
            a, b = np.squeeze(ours[name]), np.squeeze(theirs[name])
            if a.shape != b.shape:
                found.append((key, name, a.shape, b.shape))
            elif not np.allclose(a, b, rtol=rtol, atol=atol):
                found.append((key, name, float(np.abs(a - 1.0 * b).max())))
    return sorted(found, key=str)
