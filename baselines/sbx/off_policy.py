"""What sbx's off-policy algorithms share as sides."""

from __future__ import annotations

from typing import Any

from baselines.sb3 import off_policy
from baselines.sbx.values import in_flax, refuse_other_than, refuse_schedule
from harness.side import Call

PASSED_ON = off_policy.PASSED_ON
train = off_policy.train


def arguments_of(
    call: Call,
    *,
    passed_on: tuple[str, ...],
    common: tuple[str, ...] = PASSED_ON,
    policy: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the call's hyperparameters as keyword arguments; see `baselines.sb3.off_policy`.

    Raises:
        UnsupportedHyperparameter: a name or a value that sbx does not take.
    """
    refuse_schedule(call)
    own = off_policy.arguments_of(call, passed_on=passed_on, common=common, policy=policy)
    return in_flax(call, own)


def without_interval(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without `target_update_interval`, which may only be 1.

    Raises:
        UnsupportedHyperparameter: it is another number.
    """
    reason = "sbx steps its target networks at every update"
    refuse_other_than(call, "target_update_interval", 1, reason=reason)
    return {name: v for name, v in arguments.items() if name != "target_update_interval"}
