"""A second invocation, as a process of its own: `python -m tests.run.drive STORE FIRST N FILE`.

Trains runs FIRST ... FIRST + N - 1 of the side in FILE with two jobs, one line of output each.
"""

import sys
from pathlib import Path

from harness.errors import Interrupted
from harness.records import SideSpec
from harness.run.executor import LocalExecutor
from harness.run.limits import Limits
from harness.store.store import Store
from tests.run.run_toys import make_run

PRELOAD = ("torch", "gymnasium", "harness.run.observe")


def say(*words):
    """Write one line at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Lines:
    """Prints what happens."""

    def started(self, run):
        say("started", run.seed)

    def advanced(self, run, env_steps, updates):
        pass

    def finished(self, record):
        how = "cached" if record.is_cached else record.outcome
        say("finished", record.spec.seed, how)


def main(store, first, n_runs, file):
    side = SideSpec("toy", file, None, "side", None, "0" * 64)
    limits = Limits(term_grace_s=0.5)
    with LocalExecutor(
        Store(Path(store)), jobs=2, limits=limits, progress=Lines(), preload=PRELOAD
    ) as executor:
        for number in range(int(first), int(first) + int(n_runs)):
            executor.submit(make_run(side, number, seed=number))
        while executor.pending():
            executor.next_finished()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Interrupted as interrupt:
        say(interrupt)
        sys.exit(interrupt.exit_code)
