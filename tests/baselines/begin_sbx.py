"""Trains every algorithm of sbx for some env steps, watched, in a process of its own.

    python -m tests.baselines.begin_sbx

Writes algorithm -> facts as JSON. Here their import is seen, as it is in every run.
"""

import json
import sys

from harness.codec import to_plain
from harness.records import SideSpec
from harness.run.child import prepare_process
from harness.run.load import load_side
from harness.run.observe import Observation
from harness.side import Call
from harness.spec.cards import card
from tests.run.observing import MemoryWriter, a_run

ENV_STEPS = 96
OFF_POLICY = {"learning_starts": 40, "batch_size": 16, "buffer_size": 1_000, "net_arch": [8, 8]}
ROUNDS = {**OFF_POLICY, "train_freq": 4, "gradient_steps": 3, "max_grad_norm": 0.4}
PPO = {"n_steps": 32, "batch_size": 16, "n_epochs": 2, "learning_rate": "lin_0.01"}
# Algorithm -> environment, what differs from the card's defaults.
EVERY = {
    "dqn": ("CartPole-v1", ROUNDS),
    "ppo": ("CartPole-v1", {**PPO, "net_arch": [8, 8]}),
    "ddpg": ("Pendulum-v1", OFF_POLICY),
    "td3": ("Pendulum-v1", OFF_POLICY),
    "sac": ("Pendulum-v1", {**OFF_POLICY, "ent_coef": 0.2}),
    "tqc": ("Pendulum-v1", OFF_POLICY),
    "crossq": ("Pendulum-v1", OFF_POLICY),
}


def call_of(algo, **changes):
    env_id, own = EVERY[algo]
    hyperparameters = {**card(algo).defaults, **own, **changes}
    return Call(algo, env_id, 3, ENV_STEPS, 1, hyperparameters)


def facts_of(algo):
    side = SideSpec("sbx", None, f"baselines.sbx.{algo}", "side", None, "")
    run = a_run(ENV_STEPS, env_id=EVERY[algo][0], taps={})
    with Observation(run, MemoryWriter()) as observation:
        load_side(side)(call_of(algo))
    reason = observation.unobserved_reason()
    return {**observation.facts(), "reason": reason, "updates": observation.updates}


def main(algos):
    prepare_process()
    sys.stdout.write(json.dumps(to_plain({algo: facts_of(algo) for algo in algos})))


if __name__ == "__main__":
    main(sys.argv[1:] or EVERY)
