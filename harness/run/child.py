"""The run's own process: load the side, observe it while it trains, finish the trace.

The composition root of the child: the one module of `run` that knows the store. Whatever leaves the
side ends here and becomes a small JSON file and an exit code; nothing is ever pickled.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import signal
import sys
import sysconfig
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from harness.records import RunSpec
from harness.side import Call, UnsupportedHyperparameter

ERROR_FILE = "error.json"
# Exit code after an exception left the side, as Python's own.
EXIT_EXCEPTION = 1
# The kernel's out-of-memory killer takes a run before it takes anything else: 0 ... 1000.
OOM_SCORE = "500"

MAX_MESSAGE_CHARACTERS = 2000
MAX_FRAMES = 20
# What `sysconfig` calls the folders whose code is not the user's own.
LIBRARY_PATHS = ("stdlib", "platstdlib", "purelib", "platlib")

KIND_EXCEPTION = "exception"
KIND_MEMORY = "memory"
KIND_UNSUPPORTED = "unsupported"
KIND_UNOBSERVED = "unobserved"


@dataclass(frozen=True)
class Failure:
    """Why a run left no trace; written as error.json.

    Attributes:
        kind: one of the KIND constants. type: name of the exception's class.
        traceback: the user's own frames, outermost first: "dqn.py:12 in side: loss.backward()".
    """

    kind: str
    type: str
    message: str
    traceback: tuple[str, ...] = ()


def main(run_json: str, work_dir: str) -> int:
    """Train one run inside this process and return the exit code.

    Args:
        run_json: the RunSpec, as `harness.codec.to_json` writes it.
        work_dir: the run's work folder; holds spec.json, receives the trace and done.json.
    """
    pid = os.getpid()
    try:
        prepare_process()
        failure = _train(run_json, Path(work_dir))
    except SystemExit as request:
        _stop_if_forked(pid)
        return _exit_code(request)
    except BaseException as error:  # noqa: BLE001 - the child boundary: becomes a named outcome
        _stop_if_forked(pid)
        print_exception(error)
        failure = describe(error)
    if failure is None:
        return 0
    (Path(work_dir) / ERROR_FILE).write_text(json.dumps(asdict(failure)))
    return EXIT_EXCEPTION


def leave(code: int) -> NoReturn:
    """End this process without waiting for threads that user code left running."""
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _train(run_json: str, work_dir: Path) -> Failure | None:
    """Train; return None once the trace is finished, or why the run could not be observed."""
    from harness.codec import from_json
    from harness.run.load import load_side
    from harness.run.observe import Observation
    from harness.run.provenance import provenance_of
    from harness.spec.environments import register_ids
    from harness.store.trace import TraceWriter

    pid = os.getpid()
    run = from_json(RunSpec, run_json)
    provenance = provenance_of(run)
    register_ids()
    writer = TraceWriter(work_dir)
    with Observation(run, writer) as observation:
        side = load_side(run.side)
        side(call_of(run))
        _stop_if_forked(pid)
    reason = observation.unobserved_reason()
    if reason is not None:
        return Failure(KIND_UNOBSERVED, "", reason)
    writer.finish(
        facts=observation.facts(),
        provenance=provenance,
        env_steps=observation.env_steps,
        updates=observation.updates,
        first_non_finite=observation.first_non_finite,
    )
    return None


def call_of(run: RunSpec) -> Call:
    """Return what the side is called with."""
    return Call(
        algo=run.algo,
        env_id=run.env_id,
        seed=run.seed,
        total_timesteps=run.total_timesteps,
        n_envs=run.n_envs,
        hyperparameters=dict(run.hyperparameters),
        device=run.device,
        idle=tuple(run.idle),
    )


def prepare_process() -> None:
    """Make this fork equal to a fresh interpreter with one thread, and ready to say where it hangs.

    A fresh interpreter draws numpy's global generator from the system's entropy; a fork would
    share the launcher's, and a side that forgets to seed would look repeatable. (torch's default
    generator has a fixed seed in a fresh interpreter too; `random` reseeds itself after a fork.)
    """
    import numpy as np
    import torch

    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    torch.set_num_threads(1)
    np.random.seed(None)  # noqa: NPY002 - the global generator that user code may use
    _forget_forkserver()


def _forget_forkserver() -> None:
    """Let user code that asks multiprocessing for a forkserver start its own, inside this run."""
    from multiprocessing import forkserver

    vars(forkserver._forkserver).update(vars(forkserver.ForkServer()))


def _stop_if_forked(pid: int) -> None:
    """End a process that user code forked from the run: only the run itself may finish."""
    if os.getpid() != pid:
        os._exit(0)


def _exit_code(request: SystemExit) -> int:
    """Return the exit code that Python would give to a sys.exit(...)."""
    if request.code is None:
        return 0
    if isinstance(request.code, int):
        return request.code & 0xFF
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{request.code}\n")
    return 1


def describe(error: BaseException) -> Failure:
    """Return an exception as a Failure, whatever its own methods do."""
    kind = KIND_EXCEPTION
    if isinstance(error, UnsupportedHyperparameter):
        kind = KIND_UNSUPPORTED
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        kind = KIND_MEMORY
    return Failure(kind, type(error).__name__, _message_of(error), _user_frames(error))


def _message_of(error: BaseException) -> str:
    try:
        return str(error)[:MAX_MESSAGE_CHARACTERS]
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the crash itself
        return "(its message cannot be printed)"


def print_exception(error: BaseException) -> None:
    """Print the traceback to stderr from the side's own first frame on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    try:
        traceback.print_exception(type(error), error, frames)
    except Exception:  # noqa: BLE001 - stderr closed, or a hostile exception
        with contextlib.suppress(OSError):
            os.write(2, f"{type(error).__name__}\n".encode())


def _user_frames(error: BaseException) -> tuple[str, ...]:
    """Return the frames in user code: neither the harness nor installed packages."""
    harness_dir = str(Path(__file__).resolve().parents[1])
    libraries = tuple(sysconfig.get_path(name) for name in LIBRARY_PATHS)
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        is_library = frame.filename.startswith((harness_dir, *libraries, "<"))
        if not is_library:
            name = Path(frame.filename).name
            lines.append(f"{name}:{frame.lineno} in {frame.name}: {frame.line or ''}")
    return tuple(lines[-MAX_FRAMES:])
