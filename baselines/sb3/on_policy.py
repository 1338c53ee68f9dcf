"""What SB3's on-policy algorithms share as sides: names translated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baselines.sb3.values import activation_of, schedule_of
from harness.side import Call

# Hyperparameters that every on-policy constructor takes as they are, under the same name.
PASSED_ON = (
    "n_steps",
    "gamma",
    "gae_lambda",
    "normalize_advantage",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
)
# A number or "lin_X".
SCHEDULES = ("learning_rate",)
# Arguments of the policy.
POLICY = ("net_arch", "ortho_init", "log_std_init", "activation_fn")


def arguments_of(
    call: Call,
    *,
    passed_on: tuple[str, ...],
    common: tuple[str, ...] = PASSED_ON,
    schedules: tuple[str, ...] = (),
    own: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments; the rest stay defaults.

    Args:
        passed_on, schedules: those of this algorithm alone, beside `common` and SCHEDULES.
        common: those of most algorithms that its constructor has too.
        own: those that the algorithm's file translates itself; they are left out.

    Raises:
        UnsupportedHyperparameter: a name that is none of these nor in POLICY.
    """
    as_they_are, scheduled = (*common, *passed_on), (*SCHEDULES, *schedules)
    hyperparameters: Mapping[str, Any] = call.only(*as_they_are, *scheduled, *POLICY, *own)
    arguments = {name: hyperparameters[name] for name in as_they_are if name in hyperparameters}
    for name in scheduled:
        if hyperparameters.get(name) is not None:
            arguments[name] = schedule_of(name, hyperparameters[name])
    policy = {name: hyperparameters[name] for name in POLICY if name in hyperparameters}
    if "activation_fn" in policy:
        policy["activation_fn"] = activation_of(policy["activation_fn"])
    return {**arguments, "policy_kwargs": policy}
