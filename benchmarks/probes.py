"""Where training on the probes ends, against their closed forms.

    python -m benchmarks.probes [--algo dqn] [--mine FILE] [--seeds 3] [--budget quick] [--only Byt]

Prints, per probe, the closed form and what each side's value estimates and returns end at.
"""

from __future__ import annotations

import argparse
import os
import statistics

os.environ.setdefault("OMP_NUM_THREADS", "1")

from harness.probes.listed import PROBES
from harness.spec.cards import algos, card
from tests.probes.answering import ends, planned, reference_of, side_of, trained


def main() -> None:
    """Train every probe of one algorithm and print where it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--algo", choices=algos(), default="dqn")
    parser.add_argument("--mine", help="file with a function `side`, in place of the reference")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", choices=("quick", "standard", "thorough"), default="quick")
    parser.add_argument("--only", default="", help="part of the probe's name")
    asked = parser.parse_args()
    side = side_of(asked.mine) if asked.mine else reference_of(asked.algo)
    known = card(asked.algo)
    for probe in PROBES:
        if probe.action_type not in known.action_types or asked.only not in probe.env_id:
            continue
        run = planned(asked.algo, side, probe.env_id, budget=asked.budget)
        answer = probe.answer(float(str(run.hyperparameters["gamma"])), n_envs=run.n_envs)
        if answer is None:
            print(f"{probe.env_id}: takes {probe.n_envs} parallel environments")
            continue
        found = [ends(trained(run, seed=seed), known.estimates) for seed in range(asked.seeds)]
        wanted = {"state_value": answer.state_values, "action_value": answer.action_values}
        for name in found[0]:
            of = known.estimates.get(name.partition(".")[0])
            right = wanted[of] if of else (answer.random_return, answer.best_return)
            seen = [one[name] for one in found]
            print(
                f"{probe.env_id:30} {name:16} closed form {right}: median "
                f"{statistics.median(seen):.4g} of {', '.join(f'{x:.4g}' for x in seen)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
