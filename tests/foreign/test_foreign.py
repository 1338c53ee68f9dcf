"""Right DQNs of other structure are called different by no fact; wrong copies of them are."""

import pytest

from tests.foreign.planting import FOLDER, compared, planted, reference, side_of, trained

RIGHT = ["script.py", "split/agent.py", "functional.py", "workers.py"]
SCHEDULE = ("n_updates", "first_update_env_step", "last_update_env_step", "seeded_resets")

# (file, old text, new text, quantity of a finding, its component, words of the blamed line)
BUGS = [
    ("script.py", 'args["learning_rate"])', 'args["learning_rate"], eps=1e-3)',
     "optimiser_constants", "gradient-optimiser", "optimizer.step()"),
    ("script.py", 'lr=args["learning_rate"])', 'lr=args["learning_rate"] / 2)',
     "learning_rate_first", "lr-schedule", "optimizer.step()"),
    ("script.py", 'optim.Adam(', 'optim.RMSprop(',
     "optimiser_class", "gradient-optimiser", "optimizer.step()"),
    ("script.py", '            nn.utils.clip_grad_norm_(q_network.parameters(), '
     'args["max_grad_norm"])\n', "",
     "the gradient norm after clipping keeps its limit", "gradient-optimiser", "optimizer.step()"),
    ("script.py", 'args["max_grad_norm"])', 'args["max_grad_norm"] * 20)',
     "grad_clip", "gradient-optimiser", "clip_grad_norm_"),
    ("script.py", 'or global_step <= args["learning_starts"]', "or global_step < 8",
     "first_update_env_step", "update-schedule", "optimizer.step()"),
    ("script.py", '*widths]', '*widths, 16]',
     "trained_parameter_count", "network-architecture", "optimizer.step()"),
    ("split/agent.py", "else n_updates):", "else n_updates + 1):",
     "n_updates", "update-schedule", "self.optimizer.step()"),
    ("split/agent.py", "self.env.reset()[0] if", "self.env.reset(seed=self.call.seed)[0] if",
     "seeded_resets", "seeding-determinism", ""),
    ("split/agent.py", "range(self.call.total_timesteps)", "range(self.call.total_timesteps - 9)",
     "all env steps asked for were made", "update-schedule", ""),
    ("split/agent.py", "share = t / (", "share = -t / (",
     "epsilon lies in [0, 1]", "exploration", "tap(\"epsilon\""),
    ("split/agent.py", "            stored = self.memory",
     "            next_obs = self.env.reset()[0] if terminated else next_obs\n"
     "            stored = self.memory",
     "stored_next_obs", "replay-buffer", 'tap("transition"'),
    ("split/agent.py", "np.float64(reward)", "np.float64(-reward if terminated else reward)",
     "stored_reward", "replay-buffer", 'tap("transition"'),
    ("functional.py", "torch.clamp(max_norm / (g.norm() + 1e-6), max=1.0)", "1.0",
     "the gradient norm after clipping keeps its limit", "gradient-optimiser", "adam.step()"),
]  # fmt: skip

BENIGN = [
    ("script.py", "optim.Adam(q_network.parameters()",
     "optim.AdamW(q_network.parameters(), weight_decay=0.0"),
    ("script.py", "optimizer = optim.Adam(",
     "optimizer = type('Mine', (optim.Adam,), {})("),
    ("script.py", "while global_step < call.total_timesteps:",
     "while global_step < call.total_timesteps or global_step % args['train_freq']:"),
    ("split/agent.py", "        self.env.reset()\n",
     "        self.env.reset(seed=1)\n        self.env.reset(seed=2)\n"),
    ("split/agent.py", "fused=True", "amsgrad=False"),
]  # fmt: skip


@pytest.mark.parametrize("file", RIGHT)
def test_right_side_of_other_structure_has_equal_facts_and_no_finding(file):
    rows, findings = compared(trained(side_of(FOLDER / file)))
    assert findings == ()
    assert [name for name, row in rows.items() if row.decides and not row.is_equal] == []
    assert all(rows[name].decides for name in SCHEDULE)
    assert rows["trained_parameter_count"].is_equal


@pytest.mark.parametrize(("file", "old", "new"), BENIGN)
def test_benign_change_has_no_finding(file, old, new, tmp_path):
    assert compared(trained(side_of(planted(file, tmp_path, (old, new)))))[1] == ()


@pytest.mark.parametrize(("file", "old", "new", "quantity", "component", "words"), BUGS)
def test_planted_bug_is_found_first_with_its_component_and_line(
    file, old, new, quantity, component, words, tmp_path
):
    path = planted(file, tmp_path, (old, new))
    _, findings = compared(trained(side_of(path)))
    found = next(finding for finding in findings if finding.quantity == quantity)
    assert findings[0].component == found.component == component
    if words:
        name, _, line = found.mine_place.rpartition(":")
        assert words in (path.parent / name).read_text().splitlines()[int(line) - 1]


def test_side_that_forgets_the_optimiser_step_made_no_updates(tmp_path):
    forgot = planted("script.py", tmp_path, ("            optimizer.step()\n", ""))
    rows, findings = compared(trained(side_of(forgot)))
    assert rows["n_updates"].mine == "[]"
    assert "update-schedule" in {finding.component for finding in findings}


def test_side_with_a_hand_written_optimiser_has_unobserved_optimiser_facts(tmp_path):
    by_hand = (
        "            with torch.no_grad():\n"
        "                for p in q_network.parameters():\n"
        "                    p.sub_(p.grad, alpha=args['learning_rate'])\n"
    )
    path = planted("script.py", tmp_path, ("            optimizer.step()\n", by_hand))
    rows, findings = compared(trained(side_of(path)))
    assert findings == ()
    assert rows["n_updates"].mine == "not observed"


def test_reference_overruns_the_request_and_this_is_a_note():
    mine = trained(side_of(FOLDER / "script.py"))
    assert {trace.facts["env_steps"] for trace in mine.values()} == {330}
    assert {trace.facts["env_steps"] for trace in reference().values()} == {336}


def test_truncation_stored_as_termination_is_a_fact(tmp_path):
    bug = ("next_obs, terminated)", "next_obs, terminated or truncated)")
    facts = [
        trained(side_of(file), env_id="MountainCar-v0")[0].facts["stored_terminated"]
        for file in (FOLDER / "split/agent.py", planted("split/agent.py", tmp_path, bug))
    ]
    assert facts == ["as returned", "not as returned"]


def test_scaled_observations_are_not_compared_with_what_was_returned(tmp_path):
    change = ("self.memory.push(obs, action, np.float64(reward), next_obs,",
              "self.memory.push(obs, action, np.float64(reward), next_obs * 2,")  # fmt: skip
    traces = trained(side_of(planted("split/agent.py", tmp_path, change)))
    assert "stored_next_obs" not in traces[0].facts
    assert traces[0].facts["stored_reward"] == "as returned"
