"""Each probe's assertion fails for what the probe isolates, and holds for right code.

A fault is planted in a copy of the project's own implementation, trained once on the probe.
"""

import pytest

from harness.localise import check_closed_form, find_divergences
from harness.localise.compared import Compared
from harness.localise.ordering import differing_sanity
from harness.localise.places import SidePlaces
from harness.probes.listed import PROBES, probe_of
from harness.spec.cards import card
from harness.spec.tiers import budget_row
from tests.probes.answering import MINE, planned, side_of, trained

# (algorithm, probe, old text, new text): what each of the thirteen isolates. SAC is not here: its
# updates take four times as long, and its card names the same quantities as TD3's.
FAULTS = [
    ("dqn", "Reward", '"reward": reward,', '"reward": 0.0,'),
    ("dqn", "Observation", "flat = obs.float()", "flat = 0 * obs.float()"),
    ("dqn", "Discount", 'batch["discounts"] * (1', '(1'),
    ("dqn", "Action", ".argmax())", ".argmin())"),
    ("dqn", "Pairing", '"actions": self.actions[first],',
     '"actions": self.actions[first[::-1].copy()],'),
    ("dqn", "Truncation", '"terminated": terminated,', '"terminated": terminated or truncated,'),
    ("dqn", "Termination", '(1 - batch["terminated"]) * max_q_hat', "max_q_hat"),
    ("dqn", "Counter", '"next_obs": self.next_obs[end],',
     '"next_obs": self.obs[(end + 2) % self.capacity],'),
    ("dqn", "SharedArray", "np.array(obs))", "obs)"),
    ("dqn", "LargeReward", '"reward": reward,', '"reward": np.clip(reward, -1, 1),'),
    ("dqn", "Bytes", "flat / 255 if", "flat / 255 / 255 if"),
    ("dqn", "Image", "return flat / 255 if",
     "return flat.mean(1, keepdim=True).expand_as(flat) / 255 if"),
    ("ppo", "SubEnvironment", "array.flatten(0, 1) for",
     '(array.transpose(0, 1) if name == "returns" else array).flatten(0, 1) for'),
    ("td3", "AsymmetricBox", "space.low + share", "share"),
]  # fmt: skip


def planted(algo, folder, old, new):
    text = MINE[algo].read_text()
    assert text.count(old) == 1, (text.count(old), old)
    path = folder / f"{algo}.py"
    path.write_text(text.replace(old, new))
    return side_of(path)


def answers(algo, side, name, *, role="mine"):
    """Return the rows of a run that stands for three."""
    run = planned(algo, side, f"probes/{name}-v0", budget="quick")
    answer = probe_of(run.env_id).answer(run.hyperparameters["gamma"], n_envs=run.n_envs)
    traces = [trained(run)] * 3
    return check_closed_form(traces, answer, card(algo).estimates, role=role, env_id=run.env_id)


@pytest.mark.parametrize(("algo", "name", "old", "new"), FAULTS, ids=lambda x: str(x)[:20])
def test_fault_that_a_probe_isolates_misses_its_closed_form_and_right_code_does_not(
    algo, name, old, new, tmp_path
):
    right = answers(algo, side_of(MINE[algo]), name, role="reference")
    assert right
    assert [row.detail for row in right if not row.passed] == []
    wrong = answers(algo, planted(algo, tmp_path, old, new), name)
    assert any(not row.passed for row in wrong)
    assert {row.component for row in wrong} == {probe_of(f"probes/{name}-v0").component}


def test_fault_in_the_reference_alone_is_blamed_on_the_reference(tmp_path):
    fault = planted("dqn", tmp_path, 'batch["discounts"] * (1', "(1")
    rows = (
        *answers("dqn", side_of(MINE["dqn"]), "Discount"),
        *answers("dqn", fault, "Discount", role="reference"),
    )
    compared = Compared(("probes/Discount-v0",), sanity=differing_sanity(rows))
    (finding,) = find_divergences(compared, (SidePlaces(), SidePlaces()))
    assert finding.component == probe_of("probes/Discount-v0").component
    assert "in the reference, not in mine" in finding.summary
    assert "closed form 0.6" in finding.summary


def test_answer_that_both_sides_miss_is_no_difference(tmp_path):
    fault = planted("dqn", tmp_path, 'batch["discounts"] * (1', "(1")
    rows = answers("dqn", fault, "Discount")
    assert [row for row in rows if not row.passed]
    both = (*rows, *answers("dqn", fault, "Discount", role="reference"))
    assert differing_sanity(both) == ()


def test_each_probe_has_a_fault_that_it_finds():
    found = {probe_of(f"probes/{name}-v0").number for _, name, *_ in FAULTS}
    assert found == {probe.number for probe in PROBES}


def test_fewer_runs_than_three_decide_nothing():
    run = planned("dqn", side_of(MINE["dqn"]), "probes/Reward-v0", budget="quick")
    answer = probe_of(run.env_id).answer(0.5, n_envs=1)
    nothing_learnt = [trained(run)] * 2
    assert (
        check_closed_form(
            nothing_learnt, answer, card("dqn").estimates, role="mine", env_id=run.env_id
        )
        == ()
    )


def test_probe_that_takes_parallel_environments_is_left_out_where_one_is_trained_on():
    assert budget_row("ppo", "probes/SubEnvironment-v0").n_envs == 4
    assert budget_row("dqn", "probes/SubEnvironment-v0").n_envs == 1
