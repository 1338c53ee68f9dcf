"""Small specifications for the tests of this stage."""

from harness.plan.identity import identify
from harness.records import ComparisonSpec, EnvPlan, Margin, SideSpec


def side_of(file, name="mine"):
    side = SideSpec(
        name, file=str(file), module=None, callable="side", tap_map=None, source_digest=""
    )
    return identify(side)


def spec_of(mine, reference, *, env_ids=("CartPole-v1",), seeds=(0, 1, 2)):
    envs = tuple(
        EnvPlan(env_id, "easy", 1000, 1, {"gamma": 0.99, "net_arch": [8]}, {}) for env_id in env_ids
    )
    return ComparisonSpec(
        algo="dqn",
        envs=envs,
        mine=mine,
        reference=reference,
        looks=(2, len(seeds)),
        seeds=seeds,
        alpha=0.05,
        margin=Margin(1.0),
        budget="quick",
        taps={"q_values": "update"},
    )
