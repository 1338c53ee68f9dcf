"""What a pre-flight says: seeded mismatches by their names, of right code nothing."""

import pytest

from tests.run.beginnings import FOREIGN, ROOT, SB3, differing, planted, reference, side_of

ADAM = "torch.optim.Adam(self.Q.parameters(), lr=learning_rate(h, progress=0.0))"
HIDDEN = "nn.Linear(n_in, n_out), nn.ReLU()"
MAKE = "env = call.make_env()\n"
LISTED = False

# (algorithm, [old text, new text, ...], fact that must be named, whether it decides)
MISMATCHES = [
    ("dqn", [ADAM, f"{ADAM[:-1]}, eps=1e-3)"], "optimiser_constants", True),
    ("dqn", [ADAM, f"{ADAM[:-1]}, betas=(0.8, 0.999))"], "optimiser_constants", True),
    ("dqn", [ADAM, f"{ADAM[:-1]}, weight_decay=0.01)"], "optimiser_constants", True),
    ("dqn", ["torch.optim.Adam(", "torch.optim.RMSprop("], "optimiser_class", True),
    ("dqn", ["return float(h.learning_rate)\n", "return float(h.learning_rate) / 2\n"],
     "learning_rate_first", True),
    ("dqn", ["self.h.max_grad_norm)", "2 * self.h.max_grad_norm)"], "grad_clip", True),
    ("dqn", ["*net_arch, n_actions(env)]", "*net_arch, 8, n_actions(env)]"],
     "trained_parameter_count", True),
    ("dqn", [HIDDEN, HIDDEN.replace("nn.ReLU()", "nn.Tanh()")], "activations", True),
    ("dqn", [HIDDEN, HIDDEN.replace("nn.ReLU()", "nn.LeakyReLU(0.2)")], "activations", True),
    ("dqn", [HIDDEN, HIDDEN.replace("nn.ReLU()", "nn.Identity()")], "activations", True),
    ("dqn", ["self.Q = tap(\"q_net\", q_network(env, h).to(call.device))",
             "self.Q = tap(\"q_net\", q_network(env, h).double())",
             "self.Q_hat = q_network(env, h).to(call.device)",
             "self.Q_hat = q_network(env, h).double()",
             "flat = obs.float().flatten", "flat = obs.double().flatten"], "dtype", True),
    ("dqn", [MAKE, "env = gym.wrappers.TimeLimit(call.make_env(), 100)\n"], "time_limit", True),
    ("dqn", [MAKE, "env = gym.make(call.env_id, max_episode_steps=200)\n"], "time_limit", True),
    ("dqn", [MAKE, "env = gym.make(call.env_id, sutton_barto_reward=True)\n"], "env_kwargs", True),
    ("dqn", [MAKE, "env = gym.wrappers.TransformReward(call.make_env(), lambda r: 2 * r)\n"],
     "outer_wrappers", LISTED),
    ("dqn", ["            for group in agent", "            other = call.make_env()\n"
             "            other.reset(), other.step(0)\n            for group in agent"],
     "auxiliary_envs", LISTED),
    ("dqn", ["env.reset(seed=call.seed)", "env.reset(seed=call.seed + 1)"],
     "reset_seeds", LISTED),
    ("dqn", ["env.reset(seed=call.seed)", "env.reset()"], "seeded_resets", True),
    ("dqn", ["self.env.reset()[0] if", "self.env.reset(seed=7)[0] if"], "seeded_resets", True),
    ("dqn", ["if t > h.learning_starts:", "if t > h.learning_starts - 20:"],
     "first_update_env_step", True),
    ("dqn", ["range(h.gradient_steps if", "range(h.gradient_steps + 1 if"],
     "first_round_updates", LISTED),
    ("dqn", ["self.D.sample(self.h.batch_size", "self.D.sample(2 * self.h.batch_size"],
     "minibatch_rows", True),
    ("dqn", ["- fall * progress / h", "- fall * progress / 2 / h"], "tapped_numbers", LISTED),
    ("dqn", ["torch.manual_seed(call.seed)", "torch.set_num_threads(2)"], "torch_threads", LISTED),
    ("dqn", ['"reward": reward,', '"reward": -reward if terminated else reward,'],
     "stored_reward", True),
    ("ppo", ["range(call.n_envs)]", "range(1)]"], "n_training_envs", True),
    ("ppo", [", eps=1e-5)", ")"], "optimiser_constants", True),
    ("ppo", ["nn.Tanh()]", "nn.ReLU()]"], "activations", True),
    ("ppo", ["envs = [call.make_env()",
             "envs = [gym.wrappers.RescaleAction(call.make_env(), -1, 1)"],
     "outer_wrappers", LISTED),
    ("ppo", ["envs = [call.make_env()", "envs = [gym.wrappers.ClipAction(call.make_env())"],
     "outer_wrappers", LISTED),
    ("ppo", ["float(value.removeprefix(\"lin_\")) * (1 - progress)",
             "float(value.removeprefix(\"lin_\"))"], "learning_rate_first", True),
    ("ppo", ["scheduled(h.clip_range, progress=progress)", "0.5"], "tapped_numbers", LISTED),
    ("ppo", ["self.theta.parameters(), h.max_grad_norm)", "self.theta.parameters(), 9.0)"],
     "grad_clip", True),
    ("ppo", ["[n_inputs, *vf, 1]", "[n_inputs, *vf, 7, 1]"], "trained_parameter_count", True),
    ("ppo", ["envs = [call.make_env()", "envs = [gym.make(call.env_id, g=9.0)"],
     "env_kwargs", True),
    ("a2c", ["RMSpropTFLike(parameters, h.", "torch.optim.RMSprop(parameters, eps=h."],
     "optimiser_class", True),
    ("a2c", ["eps: float, alpha: float = 0.99", "eps: float, alpha: float = 0.9"],
     "optimiser_constants", True),
    ("a2c", ["range(call.n_envs)]", "range(1)]"], "n_training_envs", True),
    ("a2c", ["self.theta.parameters(), self.h.max_grad_norm)", "self.theta.parameters(), 9.0)"],
     "grad_clip", True),
]  # fmt: skip

RIGHT = [
    ("a2c", ROOT / "my_impls" / "a2c.py"),
    ("dqn", ROOT / "my_impls" / "dqn.py"),
    ("ppo", ROOT / "my_impls" / "ppo.py"),
    ("sac", ROOT / "my_impls" / "sac.py"),
    ("td3", ROOT / "my_impls" / "td3.py"),
    ("ddpg", ROOT / "my_impls" / "ddpg.py"),
    ("dqn", FOREIGN / "script.py"),
    ("dqn", FOREIGN / "functional.py"),
    ("dqn", FOREIGN / "workers.py"),
    ("dqn", FOREIGN / "split" / "agent.py"),
    ("ppo", FOREIGN / "ppo_script.py"),
    ("ppo", FOREIGN / "ppo_split" / "trainer.py"),
    ("sac", FOREIGN / "sac_script.py"),
    ("sac", FOREIGN / "sac_split" / "agent.py"),
]

# Right copies of the project's own implementations, written in another way.
BENIGN = [
    ("dqn", [ADAM, f"{ADAM[:-1]}, foreach=True)"]),
    ("dqn", [ADAM, ADAM.replace("Adam(", "AdamW(")[:-1] + ", weight_decay=0.0)"]),
    ("dqn", [HIDDEN, HIDDEN.replace("nn.ReLU()", "nn.Threshold(0.0, 0.0)")]),
    ("dqn", ["- fall * progress / h.exploration_fraction",
             "- fall * (progress / h.exploration_fraction)"]),
    ("dqn", [MAKE, "env = gym.make(call.env_id, render_mode=None)\n"]),
    ("dqn", [MAKE, "env = gym.make(call.env_id, sutton_barto_reward=False)\n"]),
    ("ppo", ["return self.v(self.phi(obs))", "return self.v(self.phi(obs).clone())"]),
]  # fmt: skip


@pytest.mark.parametrize(("algo", "changes", "fact", "decides"), MISMATCHES)
def test_seeded_mismatch_is_named(algo, changes, fact, decides, tmp_path):
    pairs = zip(changes[::2], changes[1::2], strict=True)
    found = differing(algo, planted(algo, tmp_path, *pairs))
    assert fact in found
    assert found[fact].decides is decides


@pytest.mark.parametrize(("algo", "path"), RIGHT)
def test_right_side_of_any_structure_differs_in_nothing_that_decides(algo, path):
    found = differing(algo, side_of(path))
    assert [name for name, row in found.items() if row.decides] == []


@pytest.mark.parametrize(("algo", "changes"), BENIGN)
def test_right_side_written_in_another_way_differs_in_nothing(algo, changes, tmp_path):
    pairs = zip(changes[::2], changes[1::2], strict=True)
    assert differing(algo, planted(algo, tmp_path, *pairs)) == {}


@pytest.mark.parametrize("algo", SB3)
def test_reference_shows_every_fact_of_a_beginning(algo):
    for facts in reference(algo).values():
        assert {"activations", "minibatch_rows", "loss_rows", "first_round_updates"} <= facts.keys()
        assert {"versions", "device", "env_kwargs", "outer_wrappers", "grad_clip"} <= facts.keys()


@pytest.mark.parametrize("algo", SB3)
def test_no_fact_of_whole_runs_is_in_a_beginning(algo):
    whole = {"n_updates", "env_steps", "episodes", "last_update_env_step", "learning_rate_last"}
    assert all(not whole & facts.keys() for facts in reference(algo).values())
