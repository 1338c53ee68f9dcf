"""How far runs drift from a record: nudged references, the clean side, and harmless rewrites of it.

    python -m benchmarks.twin [--algo dqn] [--env CartPole-v1] [--env-steps 4096]

Prints, per follower and quantity, the largest distance after 1, 10, 100 ... events.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.children import Children
from harness.cli import options
from harness.plan.identity import identify
from harness.records import EnvPlan, SideSpec
from harness.segments.distances import CHOICES
from harness.segments.run import run_child
from harness.segments.twin_run import MODULE, TIME_LIMIT_S, TwinTask, request_of
from harness.spec.references import find_reference
from harness.spec.resolve import resolve
from harness.stats.drift import relative

ROOT = Path(__file__).resolve().parents[1]
# Rewrites of my_impls that change rounding alone: algorithm -> name -> (old, new).
REWRITES = {
    "dqn": {
        "fused Adam": ("progress=0.0))", "progress=0.0), fused=True)"),
        "loss in float64": (
            "F.smooth_l1_loss(q, y)",
            "F.smooth_l1_loss(q.double(), y.double()).float()",
        ),
    },
}
SHOWN = ("after", "loss", "td_target", "grad", "advantages")
AT = (1, 10, 100, 300, 1000, 3000)


@dataclass(frozen=True)
class Follower:
    """One run that follows the record."""

    name: str
    side: SideSpec
    nudge_seed: int | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the reference once, follow it in every way, print the courses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algo", default="dqn")
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--env-steps", type=int, default=4096)
    asked = parser.parse_args(arguments)
    reference = find_reference(None, algo=asked.algo)
    with tempfile.TemporaryDirectory() as folder:
        clean = _side(ROOT / f"my_impls/{asked.algo}.py")
        plan = _plan(asked.algo, asked.env, asked.env_steps)
        task = TwinTask(asked.algo, clean, reference, plan, seed=0)
        run_child(
            Children(), MODULE, request_of(task, Path(folder), "record"), time_limit_s=TIME_LIMIT_S
        )
        for follower in _followers(asked.algo, clean, reference, Path(folder)):
            _print(follower, replace(task, mine=follower.side), Path(folder))


def _side(file: Path) -> SideSpec:
    return SideSpec(f"{file.name}:side", str(file), None, "side", None, "")


def _plan(algo: str, env: str, env_steps: int) -> EnvPlan:
    request = options.to_request({"algo": algo, "envs": env, "budget": "quick"})
    return replace(resolve(request, identify=identify).envs[0], total_timesteps=env_steps)


def _followers(
    algo: str, clean: SideSpec, reference: SideSpec, folder: Path
) -> tuple[Follower, ...]:
    source = Path(clean.file or "").read_text(encoding="utf-8")
    rewritten = []
    for name, (old, new) in REWRITES.get(algo, {}).items():
        file = folder / name.replace(" ", "_") / "mine.py"
        file.parent.mkdir()
        file.write_text(source.replace(old, new), encoding="utf-8")
        rewritten.append(Follower(name, _side(file)))
    nudged = [Follower(f"nudged reference {k}", reference, k) for k in (1, 2, 3)]
    return (*nudged, Follower("clean", clean), *rewritten)


def _print(follower: Follower, task: TwinTask, folder: Path) -> None:
    request = request_of(task, folder, "follow", nudge_seed=follower.nudge_seed)
    answer = run_child(Children(), MODULE, request, time_limit_s=TIME_LIMIT_S)
    print(f"{follower.name} {answer.get('failure') or answer.get('error') or ''}")
    with np.load(request["distances"], allow_pickle=False) as arrays:
        columns = {n: relative(arrays[n]) for n in arrays.files if n != CHOICES}
    for name, run in columns.items():
        if name.endswith(SHOWN):
            highest = np.maximum.accumulate(run[:, 2])
            at = ", ".join(f"{n}: {highest[n - 1]:.1e}" for n in AT if n <= len(highest))
            print(f"  {name:<22} {at}")


if __name__ == "__main__":
    main()
