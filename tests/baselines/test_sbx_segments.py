"""PPO of sbx taps what lies outside its compiled functions: there mine is tested alone."""

from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("sbx", reason="the reference is pip install 'rl-parity[jax]'")

from harness.children import Children
from harness.records import SideSpec
from harness.segments.run import run_child
from harness.segments.scenario import scenarios
from harness.spec.references import find_reference

ROOT = Path(__file__).parents[2]
FILE = ROOT / "my_impls/ppo.py"
SEEN = {
    "obs", "transition", "advantages", "returns", "rows", "minibatch", "clip_range",
    "learning_rate", "obs_statistics", "normalized_obs", "discounted_returns",
    "return_statistics", "normalized_reward", "normalized_last_obs",
}  # fmt: skip
# Old text, new text, the quantity that differs first.
PLANTED = {
    "clean": ("", "", None),
    "no lambda": (
        "gamma * gae_lambda * goes_on * A_next",
        "gamma * goes_on * A_next",
        "advantages",
    ),
    "limit undiscounted": (
        "rewards[i] += self.h.gamma * float(",
        "rewards[i] += float(",
        "transition",
    ),
    "sums go on": ("np.where(starts, 0.0, self.sums) +", "self.sums +", "discounted_returns"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_concrete_is_tested_and_the_rest_is_never_passed(name, tmp_path):
    old, new, quantity = PLANTED[name]
    source = FILE.read_text(encoding="utf-8")
    assert old in source
    file = tmp_path / "ppo.py"
    file.write_text(source.replace(old, new) if old else source, encoding="utf-8")
    mine = SideSpec("ppo.py:side", str(file), None, "side", None, "")
    (scenario,) = (one for one in scenarios()["ppo"] if one.name == "normalised")
    request = {
        "mine": asdict(mine),
        "reference": asdict(find_reference("sbx", algo="ppo")),
        "scenario": asdict(scenario),
        "fallback": {},
    }
    answer = run_child(Children(), "harness.segments.child", request, time_limit_s=200)
    status = {row["tap"]: row["status"] for row in answer["rows"]}
    assert {tap for tap in SEEN if status[tap] not in ("passed", "failed")} == set()
    assert {status[tap] for tap in ("policy", "value", "action", "new_values", "loss")} == {
        "unobserved"
    }
    failed = [tap for tap in status if status[tap] == "failed"]
    assert failed[:1] == ([quantity] if quantity else [])
    assert [draw for draw in answer["draws"] if draw["is_rejected"]] == []
