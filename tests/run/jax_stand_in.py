"""A stand-in for JAX, flax and optax: as much of them as is watched, without the libraries.

What is compiled is played by `compiled`: it hands out placeholders first, then arrays.
"""

FILES = {
    "jax/__init__.py": """
import numpy
from jax import core, tree_util
Array = numpy.ndarray
""",
    "jax/core.py": """
import numpy
class Tracer(numpy.ndarray):
    pass
""",
    "jax/tree_util.py": """
def tree_leaves(tree):
    return [tree[name] for name in sorted(tree)]
""",
    "flax/__init__.py": "",
    "flax/training/__init__.py": "",
    "flax/training/train_state.py": """
import dataclasses
from typing import Any
class Node:
    def __init_subclass__(cls, **options):
        dataclasses.dataclass(cls)
class TrainState(Node):
    step: Any
    params: Any
    tx: Any
    opt_state: Any
""",
    "optax/__init__.py": """
class Transformation:
    pass
def adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8, mu_dtype=None, nesterov=False):
    return Transformation()
def adamw(learning_rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-4):
    return Transformation()
def sgd(learning_rate, momentum=None):
    return Transformation()
def rmsprop(learning_rate, decay=0.9, eps=1e-8):
    return Transformation()
def adagrad(learning_rate):
    return Transformation()
nadam = radam = adamax = adagrad
def clip_by_global_norm(max_norm):
    return Transformation()
def chain(*parts):
    return Transformation()
def inject_hyperparams(inner):
    return lambda *args, **kwargs: Transformation()
""",
    "jaxside.py": """
import dataclasses
import numpy
import optax
import jax
from flax.training.train_state import TrainState
class WithTarget(TrainState):
    target: dict
class Injected(tuple):
    hyperparams = None
def state(tx, opt_state=(), kind=TrainState, **more):
    params = {"kernel": numpy.ones((3, 2), "float32"), "unused": numpy.zeros(4, "float32")}
    return kind(step=0, params=params, tx=tx, opt_state=opt_state, **more)
def compiled(old, n=1, by=0.5):
    placeholder = numpy.zeros(()).view(jax.core.Tracer)
    dataclasses.replace(old, step=placeholder, opt_state=(placeholder,))
    params = {**old.params, "kernel": old.params["kernel"] - numpy.float32(by * n)}
    return dataclasses.replace(old, step=numpy.array(int(old.step) + n), params=params)
""",
}


def install(folder):
    """Write the stand-in below a folder, which is to be put on the import path."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
