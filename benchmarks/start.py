"""Start of a further run, and eight equal runs with two jobs against one (`make bench-start`).

The start is from the order to the launcher until the side is called, in a run of its own process,
observed and guarded. The two schedules are paired: alternating, in one process, medians reported.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.records import RunRecord, RunSpec, SideSpec
from harness.run.executor import LocalExecutor
from harness.store.store import Store

START_LIMIT_S = 0.1
SPEEDUP_LIMIT = 1.8
N_EQUAL_RUNS = 8

SIDE = """
import time
from pathlib import Path

import gymnasium
import torch

CALLED_S = "called"


def side(call):
    called_s = time.monotonic()
    (Path(__file__).parent / f"called{call.seed}").write_text(str(called_s))
    net = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimiser = torch.optim.Adam(net.parameters())
    env = gymnasium.make(call.env_id)
    obs, _ = env.reset(seed=0)
    for step in range(call.total_timesteps):
        loss = net(torch.as_tensor(obs).repeat(32, 1)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        obs, _, terminated, truncated, _ = env.step(step % 2)
        if terminated or truncated:
            obs, _ = env.reset()
"""


class StartTimes:
    """Notes when each run was ordered, by seed."""

    def __init__(self) -> None:
        self.ordered_s: dict[int, float] = {}

    def started(self, run: RunSpec) -> None:
        """Note the time; called right after the order."""
        self.ordered_s[run.seed] = time.monotonic()

    def advanced(self, run: RunSpec, env_steps: int, updates: int) -> None:
        """Not needed."""

    def finished(self, record: RunRecord) -> None:
        """Not needed."""

    def stage(self, line: str) -> None:
        """Not needed."""


def make_run(side: SideSpec, seed: int, *, total_timesteps: int) -> RunSpec:
    """Return a run of the toy side."""
    key = f"{seed:08x}{total_timesteps:08x}" * 4
    fields = {"hyperparameters": {}, "device": "cpu", "fingerprint": {}, "taps": {}}
    return RunSpec(key, side, "dqn", "CartPole-v1", seed, total_timesteps, 1, **fields)  # type: ignore[arg-type]


def start_times_s(folder: Path, side: SideSpec, n_runs: int) -> list[float]:
    """Return the start of each run after the first two, one at a time; (n_runs,) seconds."""
    times = StartTimes()
    with LocalExecutor(Store(folder / "start"), jobs=1, progress=times) as executor:
        for seed in range(n_runs + 2):
            executor.submit(make_run(side, seed, total_timesteps=20))
        while executor.pending():
            record = executor.next_finished()
            if not record.is_usable:
                sys.exit(f"a run ended as {record.outcome}: {record.message}")
    called = [float((folder / f"called{seed}").read_text()) for seed in range(n_runs + 2)]
    return [called[seed] - times.ordered_s[seed] for seed in range(2, n_runs + 2)]


def schedule_s(store: Store, side: SideSpec, *, jobs: int, n_steps: int) -> float:
    """Return how long eight equal runs take, from the second run's order on, launcher warm."""
    with LocalExecutor(store, jobs=jobs) as executor:
        executor.submit(make_run(side, 100, total_timesteps=20))
        executor.next_finished()
        began_s = time.monotonic()
        for seed in range(N_EQUAL_RUNS):
            executor.submit(make_run(side, seed, total_timesteps=n_steps))
        while executor.pending():
            executor.next_finished()
        return time.monotonic() - began_s


def main() -> int:
    """Measure, print, and return 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "side.py").write_text(SIDE)
        side = SideSpec("toy", str(folder / "side.py"), None, "side", None, "0" * 64)
        starts = start_times_s(folder, side, options.runs)
        ratios = []
        for pair in range(options.pairs):
            one, two = (
                schedule_s(Store(folder / f"{pair}-{n}"), side, jobs=n, n_steps=options.steps)
                for n in (1, 2)
            )
            print(f"pair {pair}: 1 job {one:.2f} s, 2 jobs {two:.2f} s, ratio {one / two:.2f}")
            ratios.append(one / two)
    start_s, ratio = statistics.median(starts), statistics.median(ratios)
    print(f"start of a further run: median {start_s:.3f} s, worst of {len(starts)} "
          f"{max(starts):.3f} s (limit {START_LIMIT_S} s)")  # fmt: skip
    print(f"8 equal runs, 2 jobs against 1: median {ratio:.2f} x (limit {SPEEDUP_LIMIT} x)")
    return int(start_s > START_LIMIT_S or ratio < SPEEDUP_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
