"""One sentence per component: what to look at next when evidence points there."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "network-architecture": "compare layer sizes, activations and the output layer",
    "weight-init": "compare how each layer's weights and biases are drawn",
    "observation-preprocessing": "compare scaling, dtype and layout of what the network is given",
    "action-scaling": "compare the map from policy output to stored action to environment action",
    "exploration": "compare the exploration schedule: start, end, fraction, step counter",
    "replay-buffer": "compare what is stored: next_obs at episode ends, flags, aliasing",
    "sampling": "compare which rows a minibatch takes and whether fields of one row stay together",
    "bootstrapping-termination": "compare the target line: gamma, and that terminated cuts the "
    "bootstrap while truncated does not",
    "target-network": "compare when and how the target network is copied, and where it is used",
    "return-advantage-estimation": "compare gamma, lambda and the indices of the recursion",
    "loss": "compare the loss formula: Huber or squared, reduction, coefficients, broadcast shapes",
    "gradient-optimiser": "compare optimiser constants, clipping, and which parameters are trained",
    "lr-schedule": "compare the learning-rate schedule and the progress it is evaluated at",
    "normalisation": "compare running statistics, and what is normalised and when",
    "update-schedule": "compare when updates begin, how many follow, and the counter used",
    "entropy-temperature": "compare the entropy term, its coefficient and the target entropy",
    "distribution-logprob": "compare log-probabilities, sums over action dimensions, corrections",
    "seeding-determinism": "compare which resets get a seed, and that every generator is seeded",
    "evaluation-logging": "compare how evaluation episodes are run and counted",
    "env-interface": "compare wrappers, the time limit and what happens at the end of an episode",
}


def look_next(component: str, *, quantity: str) -> str:
    """Return the sentence for a component; an unknown one is sent to the quantity itself."""
    advice = ADVICE.get(component, f"compare how {quantity} is computed on both sides")
    return f"{advice[0].upper()}{advice[1:]}."
